package mailer_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync"
	"testing"

	"techissue/mailer"
	"techissue/newsletter"
	"techissue/templates"
)

// Whatever the length of what stands at the marks, the encoded parts say what the plain ones say.
func TestEncodedPartsEqualPlainOnes(t *testing.T) {
	t.Parallel()
	mails, err := templates.NewMails()
	if err != nil {
		t.Fatal(err)
	}
	p, err := mailer.Prepare(mails, bigEdition().Snapshot, prepared)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 70 {
		r := mailer.Reader{
			Email: "a@example.com", Name: strings.Repeat("가", n/3) + strings.Repeat("b", n%3), Unsubscribe: "https://x.example/u/" + strings.Repeat("t", n),
			Preferences: "https://x.example/me/1", Opinion: "https://x.example/f/1", Consent: "동의하신 분께", MessageID: "<1@x>", Date: prepared, BoundarySeed: "1",
		}
		data, err := p.Letter(r)
		if err != nil {
			t.Fatal(err)
		}
		html, text := parts(t, data)
		wantHTML, wantText := p.Parts(r)
		if html != wantHTML || text != wantText {
			t.Fatalf("a name of %d bytes: the encoded letter says something else", n)
		}
		for line := range bytes.SplitSeq(data, []byte("\r\n")) {
			if len(line) > 998 || len(line) > 76 && !bytes.HasPrefix(line, []byte("List-")) {
				t.Fatalf("a line of %d characters", len(line))
			}
		}
	}
}

// Buffers are used again: no letter may show through in another, however many are composed at once.
func TestLettersShareNoBytes(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := mailer.NewDKIM("example.kr", "s1", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]*mailer.DKIM{"unsigned": nil, "signed": signed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shareNoBytes(t, letters(t, d))
		})
	}
}

func shareNoBytes(t *testing.T, l *mailer.Letters) {
	e := bigEdition()
	want := map[int64][]byte{}
	for id := int64(1); id <= 50; id++ {
		c := claimed
		c.ID, c.Name = id, strings.Repeat("나", int(id%7))
		out, err := l.ComposeDelivery(t.Context(), c, e)
		if err != nil {
			t.Fatal(err)
		}
		want[id] = out.Data // never released
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for id := int64(1); id <= 50; id++ {
				c := claimed
				c.ID, c.Name = id, strings.Repeat("나", int(id%7))
				out, err := l.ComposeDelivery(t.Context(), c, e)
				if err != nil {
					t.Error(err)
					return
				}
				if !bytes.Equal(out.Data, want[id]) {
					t.Errorf("letter %d differs from its first render", id)
				}
				out.Release()
			}
		})
	}
	wg.Wait()
}

// The parts of a letter are not judged line by line when it leaves, since all of their bytes are our own base64. Here they are,
// whatever an editor and a reader wrote.
func TestTrustedPartsNeedNoSecondLook(t *testing.T) {
	t.Parallel()
	l := letters(t, nil)
	for name, e := range map[string]newsletter.Edition{"plain": edition(), "rich": richEdition(), "big": bigEdition()} {
		for _, reader := range []string{"", "독자", ".\r\n.\r\n", strings.Repeat("가나다 ", 20)} {
			c := claimed
			c.Name = reader
			out, err := l.ComposeDelivery(t.Context(), c, e)
			if err != nil {
				if !strings.ContainsAny(reader, "\r\n") {
					t.Error(err)
				}
				continue
			}
			trusted, dots, err := out.WholeCheck()
			if dots || err != nil {
				t.Errorf("%s, reader %q: dots %t, %v", name, reader, dots, err)
			}
			if _, after, ok := bytes.Cut(out.Data, []byte("\r\n\r\n")); !ok || !bytes.Equal(after, trusted) {
				t.Errorf("%s, reader %q: %d bytes are trusted of a body of %d", name, reader, len(trusted), len(after))
			}
		}
	}
}

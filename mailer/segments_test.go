package mailer_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"techissue/mailer"
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
	l, e := letters(t, nil), bigEdition()
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

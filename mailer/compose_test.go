package mailer_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"flag"
	"mime"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	msgdkim "github.com/emersion/go-msgauth/dkim"

	"techissue/mailer"
	"techissue/newsletter"
	"techissue/templates"
)

var update = flag.Bool("update", false, "write the golden letters anew")

var prepared = time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC)

func letters(t testing.TB, d *mailer.DKIM) *mailer.Letters {
	t.Helper()
	mails, err := templates.NewMails()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := newsletter.NewKeyring([]string{"a secret of the tests, long enough"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	seoul := time.FixedZone("KST", 9*3600)
	return &mailer.Letters{
		Mails: mails, Keys: func() newsletter.Keyring { return keys }, Location: seoul, DKIM: d, Now: func() time.Time { return prepared },
		House: func(context.Context) (newsletter.House, error) { return house, nil },
	}
}

var house = newsletter.House{
	SiteName: "테크잇슈", Author: "이재훈", AuthorLine: "쉽고 재밌는 IT 트렌드 레터", BaseURL: "https://letter.example.kr", From: "letter@example.kr", FromName: "테크잇슈",
	ReplyTo: "hello@example.kr", ListID: "letter.example.kr", Bounce: "bounce.example.kr",
	Legal: newsletter.Legal{Name: "테크잇슈", Representative: "이재훈", Address: "서울시 예시구 예시로 1", Phone: "02-000-0000", Email: "hello@example.kr"},
}

func edition() newsletter.Edition {
	return newsletter.Edition{Issue: 3, Number: 1, Snapshot: newsletter.Snapshot{
		Number: 12, House: house,
		Content: newsletter.Content{
			Subject: "반도체 이야기와 이번 주 링크 모음, 그리고 조금 긴 제목이 접히는지 보는 글", Preheader: "한 주의 소식", Kind: newsletter.KindInfo,
			Intro: "{이름|독자}님, 안녕하세요.\n\n이번 주도 **‘소식’**을 모았습니다.", Outro: "다음 호에서 만나요.",
			Links: []newsletter.RoundupLink{{URL: "https://news.example/1?a=1&b=2", Title: "첫 소식", Source: "예시일보", Summary: "한 줄 요약"}},
		},
		Articles: []newsletter.SnapshotArticle{{Slug: "긴-글", Title: "긴 글", Body: "## 가능성과 한계\n\n본문입니다.\n\nhttps://a.example/1https://b.example/2"}},
	}}
}

var claimed = newsletter.Claimed{
	Ticket: newsletter.Ticket{ID: 41}, Email: "reader@example.com", Name: "김<철수>", Issue: 3, Number: 12, Edition: 1, Subscriber: 7,
	PreparedAt: prepared, ConsentAt: time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC),
}

// must is for letters that cannot fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func compose(t *testing.T, l *mailer.Letters, c newsletter.Claimed) mailer.Letter {
	t.Helper()
	out, err := l.ComposeDelivery(t.Context(), c, edition())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestIssueLetterGolden(t *testing.T) {
	t.Parallel()
	got := compose(t, letters(t, nil), claimed)
	golden(t, "issue.eml", got.Data)
	golden(t, "ad.eml", must(letters(t, nil).ComposeDelivery(t.Context(), claimed, adEdition())).Data)
	info := adEdition() // what a reader without ad consent gets
	info.Number, info.Variant, info.Snapshot.Kind, info.Snapshot.Sponsor = 2, newsletter.VariantInfo, newsletter.KindInfo, ""
	info.Snapshot.Subject = strings.TrimPrefix(info.Snapshot.Subject, "(광고) ")
	golden(t, "ad-without-sponsor.eml", must(letters(t, nil).ComposeDelivery(t.Context(), claimed, info)).Data)
	golden(t, "rich.eml", must(letters(t, nil).ComposeDelivery(t.Context(), claimed, richEdition())).Data)
	if got.From == house.From || !strings.HasSuffix(got.From, "@bounce.example.kr") {
		t.Errorf("envelope sender %q does not carry the delivery", got.From)
	}
	again := compose(t, letters(t, nil), claimed)
	if !bytes.Equal(got.Data, again.Data) {
		t.Error("two renders of one letter differ")
	}
	for n, line := range strings.Split(string(got.Data), "\r\n") {
		if len(line) > 76 && !strings.HasPrefix(line, "List-") {
			t.Errorf("line %d has %d characters: %s", n+1, len(line), line)
		}
		if strings.ContainsAny(line, "\r\n") {
			t.Errorf("line %d holds a bare CR or LF", n+1)
		}
	}
}

func TestIssueLetterSaysWhatItMust(t *testing.T) {
	t.Parallel()
	got := compose(t, letters(t, nil), claimed)
	m, err := mail.ReadMessage(bytes.NewReader(got.Data))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != edition().Snapshot.Subject {
		t.Errorf("subject %q, %v", subject, err)
	}
	opt := m.Header.Get("List-Unsubscribe")
	if !strings.HasPrefix(opt, "<https://letter.example.kr/u/") || m.Header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		t.Errorf("one-click headers: %q", opt)
	}
	if id := m.Header.Get("List-Id"); id != "<letter.example.kr>" {
		t.Errorf("List-Id %q", id)
	}
	html, text := parts(t, got.Data)
	link := strings.Trim(opt, "<>")
	for name, part := range map[string]string{"HTML": html, "text": text} {
		if n := strings.Count(part, link); n < 2 {
			t.Errorf("%s: the opt-out link stands %d times", name, n)
		}
		for _, want := range []string{"2026년 11월 1일 뉴스레터 수신에 동의하신 분께", "02-000-0000", "12호", "첫 소식", "https://b.example/2", "nsubscribe"} {
			if !strings.Contains(part, want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
		if strings.Contains(part, "zq") && strings.Contains(part, "qz") {
			t.Errorf("%s still holds a mark", name)
		}
	}
	if !strings.Contains(html, "김&lt;철수&gt;님") || strings.Contains(html, "<철수>") {
		t.Error("the reader's name is not escaped in the HTML part")
	}
	if strings.Contains(html, "<svg") || strings.Contains(html, "<script") || len(html) > 80<<10 {
		t.Errorf("the HTML part holds what mail programs drop, or is too large: %d bytes", len(html))
	}
}

func parts(t *testing.T, data []byte) (html, text string) {
	t.Helper()
	for _, p := range bytes.Split(data, []byte("Content-Type: text/"))[1:] {
		_, body, _ := bytes.Cut(p, []byte("\r\n\r\n"))
		body, _, _ = bytes.Cut(body, []byte("\r\n--"))
		raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(body), "\r\n", ""))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(p, []byte("html")) {
			html = string(raw)
		} else {
			text = string(raw)
		}
	}
	return html, text
}

var noticeKinds = []newsletter.NoticeKind{
	newsletter.NoticeConfirm, newsletter.NoticeWelcome, newsletter.NoticeRefusal, newsletter.NoticeAlready, newsletter.NoticeManage, newsletter.NoticeAddress,
}

func noticeOf(t *testing.T, kind newsletter.NoticeKind) []byte {
	t.Helper()
	got, err := letters(t, nil).ComposeNotice(t.Context(), newsletter.Notice{
		ID: 9, Kind: kind, Email: "reader@example.com", CreatedAt: prepared,
		Payload: newsletter.NoticePayload{Name: "홍길동", Grant: 5, Expires: prepared.Add(time.Hour), At: prepared},
	})
	if err != nil {
		t.Fatal(err)
	}
	return got.Data
}

func TestNoticesGolden(t *testing.T) {
	t.Parallel()
	for _, kind := range noticeKinds {
		golden(t, string(kind)+".eml", noticeOf(t, kind))
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s changed; look at the difference, then run go test ./mailer -update", name)
	}
}

func TestHeadersTakeNoInjection(t *testing.T) {
	t.Parallel()
	l := letters(t, nil)
	for _, bad := range []string{"제목\r\nBcc: x@example.com", "a\nb", "a\x00b"} {
		e := edition()
		e.Snapshot.Subject = bad
		if out, err := l.ComposeDelivery(t.Context(), newsletter.Claimed{Ticket: newsletter.Ticket{ID: 1}, Email: "a@example.com", Issue: 99, PreparedAt: prepared}, e); err == nil {
			t.Errorf("subject %q went out: %q", bad, out.Data[:200])
		}
		e.Issue = 98
		l = letters(t, nil)
		if _, err := l.ComposeDelivery(t.Context(), newsletter.Claimed{Ticket: newsletter.Ticket{ID: 1}, Email: "a@example.com", Name: bad, Issue: 3, PreparedAt: prepared}, edition()); err == nil {
			t.Errorf("name %q went out", bad)
		}
		l = letters(t, nil)
	}
}

// A real letter is verified by two programs that are not the signer: go-msgauth, and Debian's python3-dkim.
func TestDKIM(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, record string
		key          any
	}{
		{"RSA", "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public), rsaKey},
		{"Ed25519", "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(edPublic), edKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			der, err := x509.MarshalPKCS8PrivateKey(c.key)
			if err != nil {
				t.Fatal(err)
			}
			d, err := mailer.NewDKIM("example.kr", "s1", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
			if err != nil {
				t.Fatal(err)
			}
			l := letters(t, d)
			data := compose(t, l, claimed).Data
			if again := compose(t, l, claimed).Data; !bytes.Equal(data, again) {
				t.Error("two signed renders differ")
			}
			verify := func(data []byte) bool {
				v, err := msgdkim.VerifyWithOptions(bytes.NewReader(data), &msgdkim.VerifyOptions{
					LookupTXT: func(string) ([]string, error) { return []string{c.record}, nil },
				})
				return err == nil && len(v) == 1 && v[0].Err == nil
			}
			if !verify(data) {
				t.Error("go-msgauth refuses the signature")
			}
			for _, header := range []string{
				"\nFrom:", "\nTo:", "\nSubject:", "\nDate:", "\nMessage-ID:", "\nReply-To:", "\nList-Id:", "\nList-Unsubscribe:", "\nList-Unsubscribe-Post:",
				"\nPrecedence:", "\nFeedback-ID:", "\nMIME-Version:", "\nContent-Type:",
			} {
				if tampered := bytes.Replace(data, []byte(header), []byte(header+"x"), 1); bytes.Equal(tampered, data) || verify(tampered) {
					t.Errorf("a changed %q still verifies", header)
				}
			}
			if c.name == "RSA" { // python3-dkim needs a further module for Ed25519
				pythonVerifies(t, data, c.record)
			}
		})
	}
}

func pythonVerifies(t *testing.T, data []byte, record string) {
	t.Helper()
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import dkim").Run() != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3-dkim is missing: apt-get install python3-dkim")
		}
		t.Skip("an independent DKIM verifier: apt-get install python3-dkim")
	}
	cmd := exec.Command(python, "-c", `
import sys, dkim
record = sys.argv[1].encode()
sys.exit(0 if dkim.verify(sys.stdin.buffer.read(), dnsfunc=lambda name, timeout=5: record) else 1)`, record)
	cmd.Stdin = bytes.NewReader(data)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("python3-dkim refuses the signature: %v %s", err, out)
	}
}

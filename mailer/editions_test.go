package mailer_test

import (
	"context"
	"fmt"
	"mime"
	"regexp"
	"strings"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/mailer"
	"techissue/mailer/smtptest"
	"techissue/newsletter"
	"techissue/templates"
)

// office is everything between an editor and a relay: rules, a real store, the composer, the queue, SMTP over a socket.
type office struct {
	*newsletter.Service
	t     *testing.T
	relay *smtptest.Server
	steps chan struct{} // the queue took its issues a step further
}

func newOffice(t *testing.T, rate float64) *office {
	t.Helper()
	mails, err := templates.NewMails()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := newsletter.NewKeyring([]string{"a secret of the tests, long enough"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, relay: smtptest.New(t, smtptest.Config{}), steps: make(chan struct{}, 1)}
	store := db.Store{DB: dbtest.New(t)}
	now := func() time.Time { return time.Now().UTC() }
	l := &mailer.Letters{Mails: mails, Keys: func() newsletter.Keyring { return keys }, Location: time.FixedZone("KST", 9*3600), Now: now}
	o.Service, err = newsletter.NewService(t.Context(), newsletter.Options{
		Store: store, Keys: l.Keys, Now: now, House: house, Renderer: l, Links: l.Links,
	})
	if err != nil {
		t.Fatal(err)
	}
	l.House, l.Snapshot = o.Service.House, o.SnapshotByID
	transport, err := mailer.ParseTransport(o.relay.URL())
	if err != nil {
		t.Fatal(err)
	}
	advance := func(ctx context.Context) error {
		defer func() {
			select {
			case o.steps <- struct{}{}:
			default:
			}
		}()
		return o.Advance(ctx)
	}
	q := mailer.NewQueue(mailer.Options{
		Store: store, Advance: advance, Composer: l, Route: func() mailer.Transport { return transport }, Now: now, Alone: true, Connections: 2, Rate: rate, Poll: 10 * time.Millisecond,
		Log: dbtest.Log(t),
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return o
}

func (o *office) reader(email string, adConsent bool) {
	o.t.Helper()
	if _, err := o.AddSubscriber(o.t.Context(), "admin:1", newsletter.NewSubscriber{
		Email: email, Name: "하나", Status: newsletter.Active, ConsentSource: "시험", AdConsent: adConsent, Via: "admin",
	}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) send(i newsletter.Issue) int {
	o.t.Helper()
	i, err := o.CreateIssue(o.t.Context(), "admin:1", i)
	if err != nil {
		o.t.Fatal(err)
	}
	if _, err := o.SendIssue(o.t.Context(), "admin:1", i.Number, 0); err != nil {
		o.t.Fatal(err)
	}
	return i.Number
}

// done waits until the issue is over.
func (o *office) done(number int) newsletter.Report {
	o.t.Helper()
	for {
		r, err := o.Report(o.t.Context(), number)
		if err != nil {
			o.t.Fatal(err)
		}
		if r.State == newsletter.IssueDone {
			return r
		}
		<-o.steps
	}
}

func subjectOf(t *testing.T, m smtptest.Message) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(m.Header().Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var countedLink = regexp.MustCompile(`/l/([^"]+)"`)

// clickThrough follows the one counted link of a letter that arrived.
func (o *office) clickThrough(rcpt, htmlPart, want string) {
	o.t.Helper()
	links := countedLink.FindAllStringSubmatch(htmlPart, -1)
	if len(links) != 1 {
		o.t.Fatalf("%s: counted links %v", rcpt, links)
	}
	url, hit, err := o.LinkTarget(o.t.Context(), links[0][1])
	if err != nil || url != want {
		o.t.Errorf("%s: the link leads to %q, %v", rcpt, url, err)
	}
	o.CountHit(hit)
}

func sponsored(without string) newsletter.Issue {
	return newsletter.Issue{WithoutAdConsent: without, Tracking: true, Content: newsletter.Content{
		Subject: "가을 소식", Kind: newsletter.KindAd, Preheader: "모음", Intro: "안녕하세요.", Sponsor: "[예시 강연](https://sponsor.example/event)을 엽니다.",
	}}
}

func TestASponsoredIssueGoesOutInTwoEditions(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0)
	for n := range 3 {
		o.reader(fmt.Sprintf("ad%d@example.com", n), true)
		o.reader(fmt.Sprintf("info%d@example.com", n), false)
	}
	r := o.done(o.send(sponsored(newsletter.InfoEdition)))
	if len(r.Editions) != 2 || r.Editions[0].Sent != 3 || r.Editions[1].Sent != 3 {
		t.Errorf("editions %+v", r.Editions)
	}
	for _, m := range o.relay.Accepted() {
		_, htmlPart, text := readLetter(t, m.Data)
		subject, want := subjectOf(t, m), "가을 소식"
		if ad := strings.HasPrefix(m.Rcpt(), "ad"); ad {
			want = "(광고) 가을 소식"
			if !strings.Contains(htmlPart, ">광고</p>") || !strings.Contains(text, "[ 광고 ]") || !strings.Contains(text, "https://sponsor.example/event") {
				t.Errorf("%s: no box, label or sponsor", m.Rcpt())
			}
			o.clickThrough(m.Rcpt(), htmlPart, "https://sponsor.example/event")
		} else if strings.Contains(htmlPart, "광고") || strings.Contains(text, "광고") || strings.Contains(text+htmlPart, "sponsor.example") || strings.Contains(htmlPart, "예시 강연") {
			t.Errorf("%s: the sponsor shows without consent", m.Rcpt())
		}
		if subject != want {
			t.Errorf("%s: subject %q", m.Rcpt(), subject)
		}
	}
	if n := o.relay.Count(); n != 6 {
		t.Errorf("%d letters", n)
	}
	if err := o.FlushHits(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := o.Report(t.Context(), r.Number); err != nil || r.Clicked != 3 || len(r.Links) != 1 || r.Links[0].Clicks != 3 {
		t.Errorf("clicked %d, %+v, %v", r.Clicked, r.Links, err)
	}
	skipped := o.done(o.send(sponsored(newsletter.SkipWithoutAdConsent)))
	if skipped.Recipients != 3 || len(skipped.Editions) != 1 || o.relay.Count() != 9 {
		t.Errorf("without an info edition: %d recipients, %d letters", skipped.Recipients, o.relay.Count())
	}
	for _, m := range o.relay.Accepted()[6:] {
		if !strings.HasPrefix(m.Rcpt(), "ad") {
			t.Errorf("%s got advertising without consent", m.Rcpt())
		}
	}
}

func TestACorrectionInMidSend(t *testing.T) {
	t.Parallel()
	const readers = 40
	o := newOffice(t, 40)
	for n := range readers {
		o.reader(fmt.Sprintf("r%d@example.com", n), n%2 == 0)
	}
	number := o.send(sponsored(newsletter.InfoEdition))
	if err := o.relay.WaitAccepted(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if _, err := o.PauseIssue(t.Context(), "admin:1", number); err != nil {
		t.Fatal(err)
	}
	if _, err := o.CorrectIssue(t.Context(), "admin:1", number, "제목의 오자", func(i *newsletter.Issue) error {
		i.Subject = "겨울 소식"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.ResumeIssue(t.Context(), "admin:1", number); err != nil {
		t.Fatal(err)
	}
	r := o.done(number)
	got := map[string]int64{}
	for _, m := range o.relay.Accepted() {
		got[subjectOf(t, m)]++
	}
	if len(r.Editions) != 4 || o.relay.Count() != readers {
		t.Fatalf("editions %+v, %d letters", r.Editions, o.relay.Count())
	}
	for n, subject := range []string{"(광고) 가을 소식", "가을 소식", "(광고) 겨울 소식", "겨울 소식"} {
		if e := r.Editions[n]; e.Sent != got[subject] || e.Sent == 0 && n > 1 {
			t.Errorf("edition %d: the report says %d, the relay has %d", e.Number, e.Sent, got[subject])
		}
	}
	if first := r.Editions[0].Sent + r.Editions[1].Sent; first < 3 {
		t.Errorf("%d letters of the first editions", first)
	}
}

// Gmail clips a letter at 102 KB: the check measures the real one.
func TestALetterMustNotBeClipped(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0)
	o.reader("a@example.com", false)
	for _, c := range []struct {
		paragraphs int
		level      string
	}{{10, ""}, {310, "warn"}, {420, "block"}} {
		i, err := o.CreateIssue(t.Context(), "admin:1", newsletter.Issue{Content: newsletter.Content{
			Subject: "소식", Preheader: "모음", Intro: strings.Repeat(strings.Repeat("가나다라 ", 16)+"\n\n", c.paragraphs),
		}})
		if err != nil {
			t.Fatal(err)
		}
		checks, err := o.CheckIssue(t.Context(), i.Number)
		if err != nil {
			t.Fatal(err)
		}
		level := ""
		for _, check := range checks {
			if check.Code == "size" {
				level = check.Level
			}
		}
		if level != c.level {
			t.Errorf("%d paragraphs: %q, want %q", c.paragraphs, level, c.level)
		}
		if _, err := o.SendIssue(t.Context(), "admin:1", i.Number, 0); (newsletter.KindOf(err) == newsletter.Invalid) != (c.level == "block") {
			t.Errorf("%d paragraphs: sent with %v", c.paragraphs, err)
		}
	}
}

package feedback_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"techissue/db/dbtest"
	"techissue/newsletter"
)

// Each relay that the settings offer has a way by which its bounces come, played here in the relay's own shape: what its 250 says, what it
// does to the envelope sender and to the Message-ID, and what it sends back by which way. docs/feedback.md tells how to set it up.
func TestEachPresetHasAWayIn(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/feedback.md")
	if err != nil {
		t.Fatal(err)
	}
	byMailbox := func(file string) func(*hooked, letter) {
		return func(h *hooked, l letter) {
			l.verp = "letter@example.kr" // the relay puts the account's own address into the envelope
			o := newPostOffice(h.t, plainCaps, nil, false)
			o.put(corpus(h.t, file, l), h.clock.Now())
			h.must(o.poller(h.world, "").Poll(h.t.Context()))
		}
	}
	byListener := func(addr, hello, file string) func(*hooked, letter) {
		return func(h *hooked, l letter) {
			h.listen(addr, nil).dial().greet(hello).deliver(250, "", l.verp, corpus(h.t, file, l))
		}
	}
	byNotice := func(file string) func(*hooked, letter) {
		return func(h *hooked, l letter) {
			provider, _, _ := strings.Cut(file, "-")
			h.must(h.post(provider, h.notice(file, l)))
		}
	}
	for _, p := range []struct {
		preset, setting string
		reply           string // to the letter
		back            func(h *hooked, l letter)
		way             string
	}{
		{"Amazon SES Seoul", "TECHISSUE_FEEDBACK_TOKEN", "Ok 01060194%08d-1a2b3c4d-0000-4000-8000-000000000000-000000", byNotice("ses-bounce"), "ses"},
		{"Amazon SES Seoul", "TECHISSUE_FEEDBACK_TOKEN", "Ok 01060194%08d-1a2b3c4d-0000-4000-8000-000000000000-000000", byNotice("ses-bounce-plain"), "ses"},
		{"Amazon SES Seoul", "TECHISSUE_FEEDBACK_IMAP_URL", "Ok 01060194%08d-1a2b3c4d-0000-4000-8000-000000000000-000000", byMailbox("ses-bounce"), "imap"},
		{"Mailgun", "TECHISSUE_FEEDBACK_MAILGUN_KEY", "Great success, letter %d", byNotice("mailgun-failed"), "mailgun"},
		{"네이버웍스", "TECHISSUE_FEEDBACK_IMAP_URL", "2.0.0 OK y7cZ5vT3Q%d - nsmtp", byMailbox("naver-works"), "imap"},
		{"Gmail, Google Workspace", "TECHISSUE_FEEDBACK_IMAP_URL", "2.0.0 OK  1764000000 d9443c01a7336-2b7d%d - gsmtp", byMailbox("gmail-no-such-user"), "imap"},
		{"Gmail, Google Workspace", "TECHISSUE_BOUNCE_LISTEN", "2.0.0 OK  1764000000 d9443c01a7336-2b7d%d - gsmtp", byListener("127.0.0.1:0", "EHLO", "gmail-no-such-user"), "listener"},
		{"NAVER Cloud Outbound Mailer", "TECHISSUE_FEEDBACK_IMAP_URL", "2.0.0 Ok: queued as 4XyQ%d", byMailbox("ncp-outbound-mailer"), "imap"},
		{"NAVER Cloud Outbound Mailer", "TECHISSUE_BOUNCE_LISTEN", "2.0.0 Ok: queued as 4XyQ%d", byListener("127.0.0.1:0", "EHLO", "ncp-outbound-mailer"), "listener"},
		{"Your own Postfix", "TECHISSUE_BOUNCE_LISTEN", "2.0.0 Ok: queued as 4XyQ%d", byListener("lmtp://127.0.0.1:0", "LHLO", "postfix-unknown"), "listener"},
		{"Postmark", "TECHISSUE_FEEDBACK_TOKEN", "OK 8dd4b0f0-0000-4000-8000-%012d", byNotice("postmark-hard"), "postmark"},
		{"SendGrid", "TECHISSUE_FEEDBACK_SENDGRID_KEY", "Ok: queued as oX1hW2kQTXy%d", byNotice("sendgrid-bounce"), "sendgrid"},
	} {
		h := newHooked(t, dbtest.New(t))
		h.reply = p.reply
		letters := h.reads(12, "a@example.com", "b@example.com")
		p.back(h, letters["a@example.com"])
		log, _, err := h.FeedbackLog(t.Context(), "", 0, 9)
		h.must(err)
		if len(log) != 1 || log[0].Via != p.way || log[0].Outcome != newsletter.FeedbackTaken || log[0].Delivery != letters["a@example.com"].id || !log[0].Kind.Bounce() {
			t.Errorf("%s by %s: %+v", p.preset, p.setting, log)
		}
		if got := h.reader("b@example.com").Shown(); got != newsletter.Active {
			t.Errorf("%s by %s: somebody else is %s", p.preset, p.setting, got)
		}
		_, section, _ := bytes.Cut(guide, []byte("\n## "+p.preset))
		section, _, _ = bytes.Cut(section, []byte("\n## "))
		if !bytes.Contains(section, []byte(p.setting)) {
			t.Errorf("docs/feedback.md does not tell of %s at %s", p.setting, p.preset)
		}
	}
}

// F38: what comes back about one letter touches no other, whoever mixes them up.
func TestFeedbackTouchesItsLetterAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	first := w.reads(12, "a@example.com", "b@example.com")
	second := w.reads(13, "a@example.com", "b@example.com")
	k := w.listen("127.0.0.1:0", nil).dial().greet("EHLO")
	mixed := first["a@example.com"] // the envelope of issue 12 to a, the inside of issue 13 to b
	mixed.mid, mixed.relay, mixed.optOut, mixed.rcpt = second["b@example.com"].mid, second["b@example.com"].relay, second["b@example.com"].optOut, "b@example.com"
	k.deliver(250, "", mixed.verp, corpus(t, "postfix-unknown", mixed))
	delivery := func(l letter) newsletter.Delivery {
		d, _, err := w.Delivery(t.Context(), l.id)
		w.must(err)
		return d
	}
	if delivery(first["a@example.com"]).BouncedAt.IsZero() {
		t.Error("the letter of the envelope's token did not bounce")
	}
	for name, l := range map[string]letter{"b's of issue 12": first["b@example.com"], "a's of issue 13": second["a@example.com"], "b's of issue 13": second["b@example.com"]} {
		if !delivery(l).BouncedAt.IsZero() {
			t.Errorf("the letter %s bounced", name)
		}
	}
	if a, b := w.reader("a@example.com").Shown(), w.reader("b@example.com").Shown(); a != newsletter.Suppressed || b != newsletter.Active {
		t.Errorf("a is %s, b is %s", a, b)
	}
}

// F38: the token of somebody who was erased leads nowhere, also when the same address signs up again.
func TestFeedbackAboutSomebodyErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	a := w.reads(12, "a@example.com")["a@example.com"]
	w.must(w.EraseReader(t.Context(), "admin:1", w.reader("a@example.com").ID))
	w.clock.add(1)
	_, err := w.AddSubscriber(t.Context(), "admin:1", newsletter.NewSubscriber{Email: "a@example.com", Status: newsletter.Active, ConsentSource: "새로", Via: "admin"})
	w.must(err)
	k := w.listen("127.0.0.1:0", nil).dial().greet("EHLO")
	k.deliver(250, "", a.verp, corpus(t, "postfix-unknown", a))
	k.deliver(250, "fbl@mail.example", "abuse@bounce.example.kr", corpus(t, "arf-redacted", a))
	k.deliver(250, "a@example.com", "u+"+a.optOut+"@bounce.example.kr", corpus(t, "leave-mailto", a))
	if got := w.log(); got != "listener hard gone, listener complaint gone, listener leave gone" {
		t.Errorf("the log says %s", got)
	}
	if got := w.reader("a@example.com").Shown(); got != newsletter.Active {
		t.Errorf("the new reader is %s", got)
	}
}

// F37: a report that comes after months counts for its letter and suppresses nobody who was let in again since.
func TestALateReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	a := w.reads(12, "a@example.com")["a@example.com"]
	k := w.listen("127.0.0.1:0", nil).dial().greet("EHLO")
	k.deliver(250, "", a.verp, corpus(t, "naver-full", a))
	w.clock.add(200 * 24 * 3600e9)
	k.deliver(250, "", a.verp, corpus(t, "postfix-unknown", a))
	sup, _, err := w.Suppressions(t.Context(), "a@example.com", 0, 1)
	if w.must(err); len(sup) != 1 {
		t.Fatalf("suppressions %+v", sup)
	}
	w.must(w.LiftSuppression(t.Context(), "admin:1", sup[0].ID))
	k.deliver(250, "", a.verp, corpus(t, "daum-no-such-user", a))
	if got := w.log(); got != "listener soft taken, listener hard taken, listener hard known" {
		t.Errorf("the log says %s", got)
	}
	if got := w.reader("a@example.com").Shown(); got != newsletter.Active {
		t.Errorf("after the undo the reader is %s", got)
	}
}

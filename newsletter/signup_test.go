package newsletter_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

func wish(email, form string) newsletter.Signup {
	return newsletter.Signup{Email: email, Name: "하나", Consent: true, Age14: true, IP: "203.0.113.1", Form: form, Source: "form"}
}

// S38: a refusal is counted, too, and forms that nobody timed are allowed half as often.
func TestOneNetworkSignsUpSoOften(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		form string
		most int
	}{{newsletter.FormSite, 100}, {newsletter.FormEmbed, 50}, {newsletter.FormJSON, 50}} {
		t.Run(row.form, func(t *testing.T) {
			t.Parallel()
			k := newDesk(t)
			for i := range row.most {
				k.must(k.Subscribe(t.Context(), wish(fmt.Sprintf("r%d@example.com", i), row.form)))
			}
			for range 2 {
				err := k.Subscribe(t.Context(), wish("late@example.com", row.form))
				wantError(t, err, newsletter.TooMany, "")
				var e *newsletter.Error
				if !errors.As(err, &e) || e.After != time.Hour {
					t.Errorf("to come back after %v", e.After)
				}
			}
			var n int
			k.must(k.store.Update(t.Context(), func(tx newsletter.Tx) (err error) {
				n, err = tx.Take(t.Context(), "signup.ip:203.0.113.1", time.Hour, k.clock.Now())
				return err
			}))
			if n != row.most+3 {
				t.Errorf("%d requests counted, want %d: a refusal took its own count back", n-1, row.most+2)
			}
			k.clock.add(time.Hour)
			k.must(k.Subscribe(t.Context(), wish("late@example.com", row.form)))
		})
	}
}

// S38: a thousand sign-ups for one victim from a thousand networks are three letters in a day.
func TestOneVictimGetsThreeLettersADay(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	for i := range 1000 {
		w := wish("victim@example.com", newsletter.FormEmbed)
		w.IP = fmt.Sprintf("10.0.%d.%d", i/250, i%250)
		k.must(k.Subscribe(t.Context(), w))
		k.clock.add(80 * time.Second) // 22 hours in all
	}
	n := 0
	for _, notice := range k.notices(newsletter.NoticeConfirm) {
		if notice.State == newsletter.Queued {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d letters", n)
	}
}

// S38: addresses of one domain, asked for from many networks: so many letters an hour, one alert, and the same answer for
// everybody. Another domain is not touched, nor does one address that is asked for again and again use up its neighbours' share.
func TestOneDomainGetsSoManyLettersAnHour(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	ask := func(i int, email string) {
		w := wish(email, newsletter.FormSite)
		w.IP = fmt.Sprintf("10.1.%d.%d", i/250, i%250)
		k.must(k.Subscribe(t.Context(), w))
	}
	letters := func(domain string) (n int) {
		for _, notice := range k.notices(newsletter.NoticeConfirm) {
			if notice.State == newsletter.Queued && strings.HasSuffix(notice.Email, "@"+domain) {
				n++
			}
		}
		return n
	}
	for i := range 50 {
		ask(i, "again@corp.example")
	}
	for i := range 110 {
		ask(100+i, fmt.Sprintf("desk%d@corp.example", i))
		ask(300+i, fmt.Sprintf("reader%d@naver.com", i))
	}
	ask(600, "somebody@other.example")
	for domain, want := range map[string]int{"corp.example": 100, "naver.com": 110, "other.example": 1} {
		if got := letters(domain); got != want {
			t.Errorf("%d letters to %s, want %d", got, domain, want)
		}
	}
	if alerts := k.alerts(); len(alerts) != 1 || !strings.Contains(alerts[0].Text, "corp.example") {
		t.Errorf("alerts: %+v", alerts)
	}
	k.clock.add(time.Hour)
	ask(700, "desk109@corp.example") // one of those who got nothing
	if got := letters("corp.example"); got != 101 {
		t.Errorf("an hour later: %d letters", got)
	}
}

// The answer is the same for all; the letter is not.
func TestTheLetterFitsTheReader(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		make   func(k *desk)
		letter newsletter.NoticeKind // "" for none
		again  bool                  // says that it knows of the complaint
		alert  bool
		lifted bool // confirming lifts a suppression and leaves evidence
	}{
		{"a stranger", func(*desk) {}, newsletter.NoticeConfirm, false, false, false},
		{"one who waits", func(k *desk) { k.must(k.Subscribe(k.t.Context(), wish("a@example.com", newsletter.FormSite))) }, newsletter.NoticeConfirm, false, false, false},
		{"a reader", func(k *desk) { k.addActive("a@example.com") }, newsletter.NoticeAlready, false, false, false},
		{"one who left", func(k *desk) { k.leave("a@example.com") }, newsletter.NoticeConfirm, false, false, false},
		{"a hard bounce", func(k *desk) { k.suppressed("a@example.com", newsletter.SuppressedHard) }, newsletter.NoticeConfirm, false, false, true},
		{"a soft bounce", func(k *desk) { k.suppressed("a@example.com", newsletter.SuppressedSoft) }, newsletter.NoticeConfirm, false, false, true},
		{"a complaint", func(k *desk) { k.suppressed("a@example.com", newsletter.SuppressedComplaint) }, newsletter.NoticeConfirm, true, true, true},
		{"blocked by hand", func(k *desk) { k.suppressed("a@example.com", newsletter.SuppressedManual) }, "", false, false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			k := newDesk(t)
			row.make(k)
			k.clock.add(time.Hour)
			k.must(k.Subscribe(t.Context(), wish("a@example.com", newsletter.FormSite)))
			var got []newsletter.Notice
			for _, n := range append(k.notices(newsletter.NoticeConfirm), k.notices(newsletter.NoticeAlready)...) {
				if n.CreatedAt.Equal(k.clock.Now()) && n.State == newsletter.Queued {
					got = append(got, n)
				}
			}
			if alerts := len(k.alerts()); (alerts == 1) != row.alert {
				t.Errorf("%d alerts", alerts)
			}
			if row.letter == "" {
				if len(got) != 0 {
					t.Errorf("letters %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Kind != row.letter || got[0].Payload.Again != row.again || got[0].Payload.Grant == 0 {
				t.Fatalf("letters %+v", got)
			}
			if row.letter != newsletter.NoticeConfirm {
				return
			}
			_, err := k.Confirm(t.Context(), k.keys.Sign(newsletter.PurposeConfirm, got[0].Payload.Grant, got[0].Payload.Expires), "198.51.100.7")
			k.must(err)
			sub := k.reader("a@example.com")
			if sub.Shown() != newsletter.Active {
				t.Errorf("confirmed as %s", sub.Shown())
			}
			_, consents, _, err := k.SubscriberEvents(t.Context(), sub.ID)
			k.must(err)
			evidence := 0
			for _, c := range consents {
				if c.Kind == newsletter.ConsentUnsuppress && c.Confirmed == "mail" && c.IP == "198.51.100.7" {
					evidence++
				}
			}
			if (evidence == 1) != row.lifted {
				t.Errorf("%d lines of evidence in %+v", evidence, consents)
			}
		})
	}
}

// 개인정보보호법 §22, §15: each consent apart, with version, time, network, form, and how it was confirmed.
func TestTheConsentLedger(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		w := wish("a@example.com", newsletter.FormSite)
		w.AdConsent = true
		k.must(k.Subscribe(t.Context(), w))
		asked := k.clock.Now()
		k.clock.add(time.Hour)
		n := k.notices(newsletter.NoticeConfirm)[0]
		_, err := k.Confirm(t.Context(), k.keys.Sign(newsletter.PurposeConfirm, n.Payload.Grant, n.Payload.Expires), "198.51.100.7")
		k.must(err)
		_, got, _, err := k.SubscriberEvents(t.Context(), k.reader("a@example.com").ID)
		k.must(err)
		sub := k.reader("a@example.com")
		line := newsletter.Consent{
			Subscriber: sub.ID, AddrKey: sub.AddrKey, Granted: true, TextVersion: newsletter.ConsentVersion, Form: newsletter.FormSite,
			At: asked, IP: "203.0.113.1", Kind: newsletter.ConsentPrivacy,
		}
		age, letter, ad := line, line, line
		age.Kind = newsletter.ConsentAge14
		letter.Kind, letter.At, letter.IP, letter.Confirmed = newsletter.ConsentLetter, k.clock.Now(), "198.51.100.7", "mail"
		ad = letter
		ad.Kind = newsletter.ConsentAd
		want := []newsletter.Consent{line, age, letter, ad}
		for i := range got {
			got[i].ID = 0
		}
		if !slices.Equal(got, want) {
			t.Errorf("ledger\n%+v, want\n%+v", got, want)
		}
	})
}

func (k *desk) leave(email string) {
	k.t.Helper()
	_, err := k.UnsubscribeReader(k.t.Context(), "admin:1", k.addActive(email).ID)
	k.must(err)
}

func (k *desk) suppressed(email string, r newsletter.SuppressionReason) {
	k.t.Helper()
	k.addActive(email)
	_, err := k.Suppress(k.t.Context(), "admin:1", email, r, "550 5.1.1")
	k.must(err)
}

func (k *desk) alerts() (list []newsletter.Alert) {
	k.t.Helper()
	k.must(k.store.View(k.t.Context(), func(tx newsletter.Tx) (err error) {
		list, err = tx.Alerts(k.t.Context(), 0)
		return err
	}))
	return list
}

// The result within 14 days, once per refusal; never after a complaint or to an address that is gone.
func TestTheProcessingNotice(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		reason newsletter.SuppressionReason
		notice int
	}{
		{"an ordinary reader", "", 1}, {"after a complaint", newsletter.SuppressedComplaint, 0},
		{"a hard-bounced address", newsletter.SuppressedHard, 0}, {"a soft-bounced one", newsletter.SuppressedSoft, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			k := newDesk(t)
			sub := k.addActive("a@example.com")
			if row.reason != "" {
				_, err := k.Suppress(t.Context(), "admin:1", "a@example.com", row.reason, "")
				k.must(err)
			}
			token := k.keys.Sign(newsletter.PurposeUnsubscribe, int64(sub.ID), time.Time{})
			for range 3 {
				_, err := k.Unsubscribe(t.Context(), token, "one-click", "")
				k.must(err)
			}
			got := k.notices(newsletter.NoticeRefusal)
			if len(got) != row.notice {
				t.Fatalf("%d notices", len(got))
			}
			if row.notice == 1 && !got[0].Payload.At.Equal(k.clock.Now()) {
				t.Errorf("it says %v", got[0].Payload.At)
			}
			if kinds := k.leavers.kinds(); kinds[len(kinds)-1] != "unsubscribed" {
				t.Errorf("the log beside the database holds %v", kinds)
			}
		})
	}
}

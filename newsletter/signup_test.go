package newsletter_test

import (
	"errors"
	"fmt"
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

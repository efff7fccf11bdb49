package mailer_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"techissue/mailer/smtptest"
	"techissue/newsletter"
)

const day = 24 * time.Hour

// What a refusal means for an address shows over several issues: a full box condemns it after three in a row over a week, a refusal
// without a word of whose fault it is when the next issue fails alike. One good letter, or too short a time, condemns nobody.
func TestRefusalsOverSeveralIssues(t *testing.T) {
	full := smtptest.Action{Code: 552, Text: "5.2.2 mailbox full"}
	unsure := smtptest.Action{Code: 550, Text: "cannot deliver"}
	fine := smtptest.Action{}
	for _, tt := range []struct {
		name   string
		says   []smtptest.Action // issue by issue
		apart  time.Duration
		after  int // issues after which the reader is suppressed, 0: never
		reason newsletter.SuppressionReason
	}{
		{"a full box three times in eight days", []smtptest.Action{full, full, full}, 4 * day, 3, newsletter.SuppressedSoft},
		{"a full box three times in four days", []smtptest.Action{full, full, full}, 2 * day, 0, ""},
		{"a full box four times in six days, and once more", []smtptest.Action{full, full, full, full, full}, 2 * day, 5, newsletter.SuppressedSoft},
		{"a full box with a good letter between", []smtptest.Action{full, full, fine, full, full}, 4 * day, 0, ""},
		{"no reason given twice", []smtptest.Action{unsure, unsure}, day, 2, newsletter.SuppressedHard},
		{"no reason given twice with a good letter between", []smtptest.Action{unsure, fine, unsure}, day, 0, ""},
		{"no reason given, then a full box", []smtptest.Action{unsure, full}, day, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachBed(t, bedOptions{}, func(t *testing.T, b *bed) {
				const who = "reader3@d3.example"
				b.readers(8)
				b.start()
				for n, says := range tt.says {
					b.smtp.SetRules()
					if says != fine {
						b.smtp.SetRules(smtptest.Rule{At: smtptest.Rcpt, To: who, Do: says})
					}
					i := b.send(newsletter.Hold)
					b.done(i)
					b.account(i)
					d := b.letters(i)
					if at := slices.IndexFunc(d, func(d newsletter.Delivery) bool { return d.Email == who }); says != fine && (at < 0 || d[at].State != newsletter.Failed) {
						t.Errorf("issue %d: %+v", n+1, d)
					}
					if gone, want := slices.Contains(b.suppressed(), who), tt.after > 0 && n+1 >= tt.after; gone != want {
						t.Fatalf("after issue %d suppressed is %v", n+1, gone)
					}
					b.pass(tt.apart)
				}
				rows, _, err := b.Suppressions(t.Context(), "", 0, 10)
				if err != nil || tt.after == 0 && len(rows) > 0 {
					t.Fatalf("%+v, %v", rows, err)
				}
				if tt.after == 0 {
					return
				}
				last := tt.says[len(tt.says)-1]
				if want := fmt.Sprintf("%d %s", last.Code, last.Text); len(rows) != 1 || rows[0].Reason != tt.reason || rows[0].Evidence != want {
					t.Errorf("%+v, want %s for %q", rows, tt.reason, want)
				}
				// One click undoes it, and the next refusal begins to count anew.
				if err := b.LiftSuppression(t.Context(), "editor", rows[0].ID); err != nil {
					t.Fatal(err)
				}
				i := b.send(newsletter.Hold)
				b.done(i)
				if p := b.progress(i); p.Recipients != 8 || len(b.suppressed()) != 0 {
					t.Errorf("after the undo: %v recipients, suppressed %v", p.Recipients, b.suppressed())
				}
			})
		})
	}
}

// The same refusal for five readers of three domains is ours: what the first four brought is undone, the counts of bounces as well, so
// that real ones afterwards do not pause the issue for a rate that was never there.
func TestSameReplyUndoesWhatItBrought(t *testing.T) {
	eachBed(t, bedOptions{}, func(t *testing.T, b *bed) {
		b.readers(120)
		refuse := func(e smtptest.Event) bool { return e.Accepted >= 1 }
		b.smtp.SetRules(smtptest.Rule{At: smtptest.Rcpt, When: refuse, Do: smtptest.Action{Code: 550, Text: "5.1.1 <x@y.example> access denied, id 4711"}})
		b.start()
		i := b.send(newsletter.Hold)
		b.until(i, "the pause", func(p newsletter.Progress) bool {
			return p.State == newsletter.IssuePaused && p.Counts[newsletter.Leased] == 0
		})
		if p := b.progress(i); p.Counts[newsletter.Failed] != 0 || len(b.suppressed()) != 0 || b.alerts(i, "same_reply") != 1 {
			t.Errorf("%v, suppressed %v, alerts %v", p.Counts, b.suppressed(), p.Alerts)
		}
		b.smtp.SetRules(smtptest.HardBounce("reader100@d0.example", "reader101@d1.example", "reader102@d2.example")...)
		if _, err := b.ResumeIssue(t.Context(), "editor", i.Number); err != nil {
			t.Fatal(err)
		}
		p := b.done(i)
		if p.Counts[newsletter.Sent] != 117 || len(b.suppressed()) != 3 || len(p.Alerts) != 0 {
			t.Errorf("%v, suppressed %v, alerts %v", p.Counts, b.suppressed(), p.Alerts)
		}
		b.account(i)
	})
}

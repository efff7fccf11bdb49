package newsletter_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

// issueTo sends an issue to everybody active, straight through the store: claimed, gated, settled as the relay's answer says.
func (k *desk) issueTo(number int, settle func(newsletter.Claimed) newsletter.Settlement) map[string]newsletter.Delivery {
	k.t.Helper()
	ctx, now := k.t.Context(), k.clock.Now()
	i := newsletter.Issue{
		Number: number, Content: newsletter.Content{Subject: "제목", Kind: newsletter.KindInfo}, WithoutAdConsent: newsletter.SkipWithoutAdConsent,
		Uncertain: newsletter.Hold, CreatedAt: now, UpdatedAt: now,
	}
	k.must(k.store.Update(ctx, func(tx newsletter.Tx) error {
		if err := tx.PutIssue(ctx, &i); err != nil {
			return err
		}
		if err := tx.AddEdition(ctx, newsletter.Edition{Issue: i.ID, Number: 1, Reason: "first", CreatedAt: now}); err != nil {
			return err
		}
		_, n, err := tx.Freeze(ctx, i.ID, newsletter.Recipients{}, 0, 0, 10_000, now)
		if err != nil {
			return err
		}
		i.State, i.AcceptedAt, i.PreparedAt, i.Recipients = newsletter.IssueSending, now, now, int64(n)
		return tx.MoveIssue(ctx, i, newsletter.IssueDraft)
	}))
	claimed, err := k.store.ClaimDeliveries(ctx, 1, 10_000, now)
	k.must(err)
	out := map[string]newsletter.Delivery{}
	for _, c := range claimed {
		k.must(k.store.Gate(ctx, c.Ticket, now))
		s := settle(c)
		s.Ticket, s.At, s.Charge = c.Ticket, now, true
		k.must(k.store.Settle(ctx, s))
		d, _, err := k.Delivery(ctx, newsletter.DeliveryID(c.ID))
		k.must(err)
		out[d.Email] = d
	}
	return out
}

func accepted(c newsletter.Claimed) newsletter.Settlement {
	return newsletter.Settlement{
		State: newsletter.Sent, Outcome: "sent", RelayID: fmt.Sprintf("relay-%d", c.ID),
		Reply: newsletter.Reply{Stage: newsletter.StageDot, Code: 250, Text: fmt.Sprintf("Ok: queued as relay-%d", c.ID)},
	}
}

func (k *desk) bounceOf(d newsletter.Delivery, diagnostic string) newsletter.Feedback {
	r := newsletter.ReportReply(diagnostic, "")
	return newsletter.Feedback{
		Kind: newsletter.BounceKind(r), Via: "listener", Reply: r, Reporter: "mx.example.com",
		Envelope: []string{k.keys.BounceAddress(int64(d.ID), "bounce.example.com")},
	}
}

func (k *desk) take(f newsletter.Feedback, want string) newsletter.FeedbackResult {
	k.t.Helper()
	r, err := k.TakeFeedback(k.t.Context(), f)
	k.must(err)
	if r.Outcome != want {
		k.t.Fatalf("feedback %+v came out as %+v, want %s", f, r, want)
	}
	return r
}

func (k *desk) suppression(email string) newsletter.Suppression {
	k.t.Helper()
	list, _, err := k.Suppressions(k.t.Context(), email, 0, 5)
	k.must(err)
	if len(list) == 0 {
		return newsletter.Suppression{}
	}
	return list[0]
}

const noSuchUser = "550 5.1.1 <a@example.com>: user unknown"

func TestAHardBounceSuppresses(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		a := k.addActive("a@example.com")
		k.addActive("b@example.com")
		letters := k.issueTo(12, accepted)
		f := k.bounceOf(letters["a@example.com"], noSuchUser)
		k.take(f, newsletter.FeedbackTaken)
		sup := k.suppression("a@example.com")
		if sup.Reason != newsletter.SuppressedHard || !strings.Contains(sup.Evidence, noSuchUser) || !strings.Contains(sup.Evidence, "12호") {
			t.Errorf("suppressed with %+v", sup)
		}
		d, attempts, err := k.Delivery(ctx, letters["a@example.com"].ID)
		k.must(err)
		last := attempts[len(attempts)-1]
		if d.State != newsletter.Sent || !d.BouncedAt.Equal(k.clock.Now()) || last.Outcome != "bounced" || last.Reply.Text != noSuchUser || last.Relay != "mx.example.com" {
			t.Errorf("the letter is %+v with %+v", d, last)
		}
		events, _, _, err := k.SubscriberEvents(ctx, a.ID)
		k.must(err)
		kinds := ""
		for _, e := range events {
			kinds += e.Kind + " "
		}
		if !strings.Contains(kinds, "bounced suppressed") {
			t.Errorf("the timeline tells %s", kinds)
		}
		if got := k.leavers.kinds(); got[len(got)-1] != "suppressed" {
			t.Errorf("the leavers' log ends with %v", got)
		}

		// Twice, and after the editor's undo, it changes nothing.
		k.take(f, newsletter.FeedbackKnown)
		k.must(k.LiftSuppression(ctx, "admin:1", sup.ID))
		k.clock.add(time.Hour)
		k.take(f, newsletter.FeedbackKnown)
		f.Kind = newsletter.BounceSoft // a second report about the same letter, late
		k.take(f, newsletter.FeedbackTaken)
		if s := k.suppression("a@example.com"); s.Reason != "" {
			t.Errorf("a late report came back as %+v", s)
		}
		if _, attempts, _ = k.Delivery(ctx, d.ID); attempts[1].Reply.Text != noSuchUser {
			t.Error("the undo lost the trace")
		}
		if s := k.suppression("b@example.com"); s.Reason != "" {
			t.Errorf("somebody else was suppressed: %+v", s)
		}
	})
}

func TestFeedbackFindsItsLetter(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		a, b := k.addActive("a@example.com"), k.addActive("b@example.com")
		letters := k.issueTo(12, accepted)
		da, db := letters["a@example.com"], letters["b@example.com"]
		mid := func(d newsletter.Delivery) string {
			return k.keys.MessageID(int64(d.Issue), int64(d.ID), "", "letter.example.com")
		}
		optOut := func(s newsletter.Subscriber) string {
			return k.keys.Sign(newsletter.PurposeUnsubscribe, int64(s.ID), time.Time{})
		}
		token := k.keys.BounceAddress(int64(da.ID), "bounce.example.com")
		forged := strings.Replace(token, "@", "a@", 1)
		for _, c := range []struct {
			name string
			f    newsletter.Feedback
			want newsletter.DeliveryID // 0: none
			out  string
		}{
			{"the envelope's token outranks what the report says", newsletter.Feedback{Envelope: []string{strings.ToUpper(token)}, RelayIDs: []string{db.RelayID}, Emails: []string{"b@example.com"}}, da.ID, ""},
			{"a forged token is counted and ignored, whatever else is right", newsletter.Feedback{Envelope: []string{forged}, RelayIDs: []string{da.RelayID}, Emails: []string{"a@example.com"}}, 0, newsletter.FeedbackForged},
			{"a forged token before a good one, which its forger may have from a letter of their own", newsletter.Feedback{Envelope: []string{forged, token}}, 0, newsletter.FeedbackForged},
			{"a token with its last character changed", newsletter.Feedback{Envelope: []string{token[:10] + "11" + token[12:]}}, 0, newsletter.FeedbackForged},
			{"the relay's id and the address", newsletter.Feedback{RelayIDs: []string{"", db.RelayID}, Emails: []string{"B@Example.com"}}, db.ID, ""},
			{"the relay's id alone can be guessed", newsletter.Feedback{RelayIDs: []string{db.RelayID}}, 0, newsletter.FeedbackStranger},
			{"the relay's id of somebody else's letter", newsletter.Feedback{RelayIDs: []string{db.RelayID}, Emails: []string{"a@example.com"}}, 0, newsletter.FeedbackStranger},
			{"the returned Message-ID and the address", newsletter.Feedback{MessageIDs: []string{mid(da)}, Emails: []string{"a@example.com"}}, da.ID, ""},
			{"the returned Message-ID and the opt-out link, when the letter was forwarded", newsletter.Feedback{MessageIDs: []string{mid(db)}, OptOut: optOut(b), Emails: []string{"elsewhere@example.net"}}, db.ID, ""},
			{"a Message-ID of another reader's letter", newsletter.Feedback{MessageIDs: []string{mid(db)}, OptOut: optOut(a)}, 0, newsletter.FeedbackStranger},
			{"a made-up Message-ID", newsletter.Feedback{MessageIDs: []string{"<1.abcdefghijklmnopqrst@letter.example.com>"}, Emails: []string{"a@example.com"}}, 0, newsletter.FeedbackStranger},
			{"an address alone", newsletter.Feedback{Emails: []string{"a@example.com"}}, 0, newsletter.FeedbackStranger},
			{"an address from a provider that proved itself", newsletter.Feedback{Emails: []string{"a@example.com"}, Proven: true}, da.ID, ""},
			{"nothing", newsletter.Feedback{}, 0, newsletter.FeedbackStranger},
		} {
			c.f.Kind, c.f.Via = newsletter.BounceBlocked, "pipe"
			r, err := k.TakeFeedback(t.Context(), c.f)
			k.must(err)
			if r.Delivery != c.want || c.out != "" && r.Outcome != c.out || c.out == "" && r.Outcome != newsletter.FeedbackTaken && r.Outcome != newsletter.FeedbackKnown {
				t.Errorf("%s: %+v, want letter %d %s", c.name, r, c.want, c.out)
			}
		}
		if s := k.suppression("example.com"); s.Reason != "" {
			t.Errorf("a blocked letter suppressed %+v", s)
		}
		ways, err := k.FeedbackWays(t.Context())
		k.must(err)
		if len(ways) != 1 || ways[0].Name != "pipe" || ways[0].Outcomes[newsletter.FeedbackForged] != 3 || ways[0].Outcomes[newsletter.FeedbackStranger] == 0 {
			t.Errorf("ways are %+v", ways)
		}
		k.clock.add(91 * 24 * time.Hour)
		if ways, err = k.FeedbackWays(t.Context()); err != nil || len(ways) != 0 {
			t.Errorf("a pipe that brought nothing for long is still a way: %+v, %v", ways, err)
		}
	})
}

func TestFeedbackAboutAReaderWhoIsGone(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		a, b := k.addActive("a@example.com"), k.addActive("b@example.com")
		letters := k.issueTo(12, accepted)
		k.must(k.EraseReader(ctx, "admin:1", a.ID))
		k.take(k.bounceOf(letters["a@example.com"], noSuchUser), newsletter.FeedbackGone)
		if s := k.suppression(""); s.Reason != "" {
			t.Errorf("suppressed %+v", s)
		}
		f := newsletter.Feedback{Kind: newsletter.FeedbackLeave, Via: "imap", OptOut: k.keys.Sign(newsletter.PurposeUnsubscribe, int64(a.ID), time.Time{})}
		k.take(f, newsletter.FeedbackGone)

		// Who moved to another address keeps it.
		email := "new@example.com"
		_, err := k.PatchSubscriber(ctx, "admin:1", b.ID, newsletter.SubscriberPatch{Email: &email})
		k.must(err)
		k.take(k.bounceOf(letters["b@example.com"], noSuchUser), newsletter.FeedbackTaken)
		if s := k.suppression(""); s.Reason != "" || k.reader(email).Shown() != newsletter.Active {
			t.Errorf("suppressed %+v", s)
		}
	})
}

func TestAComplaintEndsTheReading(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		k.addAdmin("owner@example.com", newsletter.Owner)
		k.addAdmin("editor@example.com", newsletter.Editor)
		k.addActive("a@example.com")
		k.addActive("b@example.com")
		letters := k.issueTo(12, accepted)
		for email := range letters {
			f := newsletter.Feedback{Kind: newsletter.Complaint, Via: "ses", Once: email, Envelope: []string{k.keys.BounceAddress(int64(letters[email].ID), "b.example")}}
			k.take(f, newsletter.FeedbackTaken)
			k.take(f, newsletter.FeedbackKnown)
			f.Once = ""
			k.take(f, newsletter.FeedbackKnown)
			sub := k.reader(email)
			if sub.Status != newsletter.Unsubscribed || sub.Suppression != newsletter.SuppressedComplaint {
				t.Errorf("after a complaint: %+v", sub)
			}
		}
		if n := k.notices(newsletter.NoticeRefusal); len(n) != 0 {
			t.Errorf("a complainer was written to: %+v", n)
		}
		k.must(k.Advance(ctx))
		k.must(k.Advance(ctx))
		n := slices.DeleteFunc(k.notices(newsletter.NoticeAlert), func(n newsletter.Notice) bool { return n.Payload.Subject != "12호 알림" })
		if len(n) != 1 || n[0].Email != "owner@example.com" || !strings.Contains(n[0].Payload.Text, "스팸으로 신고") || n[0].Payload.Link != "http://localhost:8080/admin/issues/12/send" {
			t.Errorf("alerts by mail: %+v", n)
		}
		p, err := k.Progress(ctx, 12)
		k.must(err)
		if len(p.Alerts) != 1 || p.Alerts[0].Kind != "complaint" {
			t.Errorf("alerts %+v", p.Alerts)
		}
	})
}

func TestUncertainAndABounceIsFailed(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		k.addActive("a@example.com")
		letters := k.issueTo(12, func(newsletter.Claimed) newsletter.Settlement {
			return newsletter.Settlement{State: newsletter.Uncertain, Outcome: "uncertain", Reason: "dot", Reply: newsletter.Reply{Stage: newsletter.StageDot}}
		})
		k.take(k.bounceOf(letters["a@example.com"], noSuchUser), newsletter.FeedbackTaken)
		d, _, err := k.Delivery(t.Context(), letters["a@example.com"].ID)
		k.must(err)
		if d.State != newsletter.Failed || d.Reason != "bounced" || !strings.Contains(d.Reply, noSuchUser) {
			t.Errorf("the letter is %+v", d)
		}
		k.must(k.store.View(t.Context(), func(tx newsletter.Tx) error {
			v, err := tx.Violations(t.Context())
			for _, line := range v {
				t.Error(line)
			}
			return err
		}))
	})
}

func TestSoftFailuresInARow(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		k.addActive("relay@example.com")
		k.addActive("direct@example.com")
		k.addActive("unsure@example.com")
		refuse := func(code int, text string) newsletter.Settlement {
			return newsletter.Settlement{State: newsletter.Failed, Outcome: "failed", Reason: newsletter.ReasonRefused, Reply: newsletter.NewReply(newsletter.StageRcpt, code, text)}
		}
		for n := range 4 {
			letters := k.issueTo(12+n, func(c newsletter.Claimed) newsletter.Settlement {
				switch c.Email {
				case "direct@example.com":
					return refuse(552, "5.2.2 mailbox full")
				case "unsure@example.com":
					return refuse(550, "no")
				}
				return accepted(c)
			})
			if d, ok := letters["relay@example.com"]; ok {
				k.take(k.bounceOf(d, "552 5.2.2 mailbox full"), newsletter.FeedbackTaken)
			}
			want := map[int]string{0: "   ", 1: "  hard", 2: "soft soft hard", 3: "soft soft hard"}[n]
			got := ""
			for _, email := range []string{"relay@example.com", "direct@example.com", "unsure@example.com"} {
				got += string(k.suppression(email).Reason) + " "
			}
			if strings.TrimRight(got, " ") != strings.TrimRight(want, " ") {
				t.Errorf("after issue %d suppressed are %q, want %q", n+1, got, want)
			}
			k.clock.add(4 * 24 * time.Hour)
		}
	})
}

func TestAReplyThatAsksToLeave(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		k.addActive("a@example.com")
		ask := func(mark, from string) newsletter.Feedback {
			return newsletter.Feedback{Kind: newsletter.FeedbackAsk, Via: "imap", Sender: from, Mark: mark, Text: "수신거부 부탁드려요\r\n고맙습니다"}
		}
		k.take(ask("<1@x>", "stranger@example.com"), newsletter.FeedbackStranger)
		k.take(ask("<2@x>", "A@example.com"), newsletter.FeedbackTaken)
		k.take(ask("<2@x>", "a@example.com"), newsletter.FeedbackKnown)
		k.take(ask("<3@x>", "a@example.com"), newsletter.FeedbackKnown)
		offers, err := k.LeaveOffers(ctx)
		k.must(err)
		if len(offers) != 1 || offers[0].Email.String() != "a@example.com" || offers[0].Text != "수신거부 부탁드려요 고맙습니다" {
			t.Fatalf("offers are %+v", offers)
		}
		if k.reader("a@example.com").Status != newsletter.Active {
			t.Error("a From alone unsubscribed somebody")
		}
		k.must(k.DecideLeaveOffer(ctx, "admin:1", offers[0].ID, false))
		k.take(ask("<2@x>", "a@example.com"), newsletter.FeedbackKnown)
		k.take(ask("<4@x>", "a@example.com"), newsletter.FeedbackTaken)
		if offers, err = k.LeaveOffers(ctx); err != nil || len(offers) != 1 {
			t.Fatalf("offers are %+v, %v", offers, err)
		}
		k.must(k.DecideLeaveOffer(ctx, "admin:1", offers[0].ID, true))
		if k.reader("a@example.com").Status != newsletter.Unsubscribed || len(k.notices(newsletter.NoticeRefusal)) != 1 {
			t.Error("the accepted request did not unsubscribe, or did not say so")
		}
		wantError(t, k.DecideLeaveOffer(ctx, "admin:1", offers[0].ID, true), newsletter.NotFound, "")
	})
}

func TestUnsubscribeByMail(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		a := k.addActive("a@example.com")
		f := newsletter.Feedback{Kind: newsletter.FeedbackLeave, Via: "listener", OptOut: k.keys.Sign(newsletter.PurposeUnsubscribe, int64(a.ID), time.Time{})}
		k.take(f, newsletter.FeedbackTaken)
		k.take(f, newsletter.FeedbackKnown)
		if k.reader("a@example.com").Status != newsletter.Unsubscribed || len(k.notices(newsletter.NoticeRefusal)) != 1 {
			t.Error("still reading")
		}
		f.OptOut = k.keys.Sign(newsletter.PurposePreferences, int64(a.ID), time.Time{})
		k.take(f, newsletter.FeedbackForged)
	})
}

func TestTooManyBouncesPauseTheIssue(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		for n := range 120 {
			k.addActive(fmt.Sprintf("r%d@example.com", n))
		}
		letters := k.issueTo(12, accepted)
		bounce := func(from, to int) {
			for n := from; n < to; n++ {
				k.take(k.bounceOf(letters[fmt.Sprintf("r%d@example.com", n)], noSuchUser), newsletter.FeedbackTaken)
			}
		}
		state := func() string {
			p, err := k.Progress(ctx, 12)
			k.must(err)
			return fmt.Sprint(p.State, len(p.Alerts))
		}
		bounce(0, 6)
		if got := state(); got != "sending0" {
			t.Errorf("at 5 %%: %s", got)
		}
		bounce(6, 7)
		if got := state(); got != "paused1" {
			t.Errorf("above 5 %%: %s", got)
		}
		_, err := k.ResumeIssue(ctx, "admin:1", 12)
		k.must(err)
		bounce(7, 13)
		if got := state(); got != "sending0" {
			t.Errorf("after going on all the same: %s", got)
		}
		bounce(13, 14)
		if got := state(); got != "paused1" {
			t.Errorf("at twice as many: %s", got)
		}
		_, err = k.ResumeIssue(ctx, "admin:1", 12)
		k.must(err)
		k.take(newsletter.Feedback{Kind: newsletter.Complaint, Via: "ses", Envelope: []string{k.keys.BounceAddress(int64(letters["r99@example.com"].ID), "b.example")}}, newsletter.FeedbackTaken)
		if got := state(); got != "paused1" { // 1 of 120 is more than 0.1 %
			t.Errorf("after a complaint: %s", got)
		}
	})
}

func TestRates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		k                newsletter.FeedbackKind
		n, told, letters int64
		want             bool
	}{
		{newsletter.BounceHard, 5, 0, 99, false},
		{newsletter.BounceHard, 6, 0, 99, false}, // fewer than 100
		{newsletter.BounceHard, 6, 0, 119, true},
		{newsletter.BounceHard, 6, 0, 120, false},
		{newsletter.BounceHard, 6, 4, 119, false},
		{newsletter.Complaint, 1, 0, 999, true},
		{newsletter.Complaint, 1, 0, 1000, false},
		{newsletter.Complaint, 2, 0, 1999, true},
		{newsletter.BounceSoft, 90, 0, 100, false},
	} {
		if got := newsletter.RateExceeded(c.k, c.n, c.told, c.letters); got != c.want {
			t.Errorf("%d %s of %d: %v", c.n, c.k, c.letters, got)
		}
	}
	judged := 0
	for n := range int64(50_000) {
		if newsletter.RateSample(newsletter.BounceHard, n) > 0 {
			judged++
		}
	}
	if judged > 1500 {
		t.Errorf("%d of 50000 bounces count letters", judged)
	}
}

func TestBounceKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		diagnostic, status string
		want               newsletter.FeedbackKind
	}{
		{"smtp; 550 5.1.1 RUSR 203.0.113.5: No such user: <a@example.com>", "5.1.1", newsletter.BounceHard},
		{"smtp; 550-5.1.1 The email account that you tried to reach does not exist.", "5.1.1", newsletter.BounceHard},
		{"smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found", "5.1.10", newsletter.BounceHard},
		{"smtp; 550 5.2.1 The email account that you tried to reach is inactive.", "5.2.1", newsletter.BounceHard},
		{"smtp; 552 5.2.2 The recipient's inbox is out of storage space.", "5.2.2", newsletter.BounceSoft},
		{"smtp; 550 User unknown", "5.0.0", newsletter.BounceUnsure},
		{"", "5.1.1", newsletter.BounceHard},
		{"", "5.0.0", newsletter.BounceUnsure},
		{"smtp; 554 5.7.1 DAS51 203.0.113.5: Your mail is blocked automatically by anti-spam system.", "5.7.1", newsletter.BounceBlocked},
		{"smtp; 550 5.7.1 [203.0.113.5] Our system has detected that this message is likely unsolicited mail", "5.7.1", newsletter.BounceBlocked},
		{"smtp; 550 5.4.5 Daily user sending limit exceeded.", "5.4.5", newsletter.BounceBlocked},
		{"smtp; 450 4.2.2 mailbox full", "4.2.2", newsletter.BounceSoft},
		{"connect to mx.example.com[203.0.113.7]:25: Connection timed out", "4.4.1", newsletter.BounceSoft},
		{"", "4.4.7", newsletter.BounceSoft},
		{"host 10.0.4.55 said 1234 things", "5.1.2", newsletter.BounceHard},
	} {
		if got := newsletter.BounceKind(newsletter.ReportReply(c.diagnostic, c.status)); got != c.want {
			t.Errorf("%q %s is %s, want %s (%+v)", c.diagnostic, c.status, got, c.want, newsletter.ReportReply(c.diagnostic, c.status))
		}
	}
}

func TestSuppressionAfter(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		kinds   string // oldest first, one letter a week: h u s b, - arrived
		failed  int
		every   time.Duration
		suppose newsletter.SuppressionReason
	}{
		{"hard is at once", "h", 0, 7 * day, newsletter.SuppressedHard},
		{"one soft", "s", 0, 7 * day, ""},
		{"three soft in two weeks", "sss", 2, 7 * day, newsletter.SuppressedSoft},
		{"three soft in four days", "sss", 2, 2 * day, ""},
		{"a letter that arrived breaks the row", "ss-s", 3, 7 * day, ""},
		{"and so does one after it", "s-ss", 0, 7 * day, ""},
		{"a blocked one does not", "ssbs", 3, 7 * day, newsletter.SuppressedSoft},
		{"a late report in the middle closes the row", "sss", 1, 7 * day, newsletter.SuppressedSoft},
		{"one unsure", "u", 0, 7 * day, ""},
		{"unsure twice", "uu", 1, day, newsletter.SuppressedHard},
		{"unsure twice, the older one told later", "uu", 0, day, newsletter.SuppressedHard},
		{"unsure after soft", "su", 1, day, ""},
		{"unsure, arrived, unsure", "u-u", 2, day, ""},
		{"unsure counts for soft", "sus", 2, 7 * day, newsletter.SuppressedSoft},
		{"blocked for ever", "bbbb", 3, 7 * day, ""},
	} {
		names := map[rune]newsletter.FeedbackKind{'h': newsletter.BounceHard, 'u': newsletter.BounceUnsure, 's': newsletter.BounceSoft, 'b': newsletter.BounceBlocked}
		for _, newest := range []bool{true, false} {
			var history []newsletter.Fared
			for n, r := range c.kinds {
				f := newsletter.Fared{Delivery: newsletter.DeliveryID(n + 1), At: at.Add(time.Duration(n) * c.every), Failed: names[r]}
				if newest {
					history = append([]newsletter.Fared{f}, history...)
				} else {
					history = append(history, f)
				}
			}
			if got := newsletter.SuppressionAfter(newsletter.DeliveryID(c.failed+1), history); got != c.suppose {
				t.Errorf("%s: %q, want %q", c.name, got, c.suppose)
			}
		}
	}
}

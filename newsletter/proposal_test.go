package newsletter_test

import (
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

func proposal(change func(*newsletter.NewProposal)) newsletter.NewProposal {
	p := newsletter.NewProposal{
		Kind: "lecture", Name: "한빛 회사", Email: "Kim@Example.com", Body: "강연을 부탁드려요.\r\n11월에요.", Consent: true, IP: "203.0.113.1",
	}
	change(&p)
	return p
}

func TestProposals(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		k.addAdmin("owner@example.com", newsletter.Owner)
		k.addAdmin("editor@example.com", newsletter.Editor)
		before := len(k.notices(newsletter.NoticeAlert))
		p, err := k.Propose(ctx, proposal(func(*newsletter.NewProposal) {}))
		k.must(err)
		got, err := k.Proposal(ctx, p.ID)
		k.must(err)
		if got != p || got.Email.String() != "kim@example.com" || got.Body != "강연을 부탁드려요.\n11월에요." || got.TextVersion != newsletter.ConsentVersion {
			t.Errorf("kept %+v", got)
		}
		letters := k.notices(newsletter.NoticeAlert)[:2]
		if len(k.notices(newsletter.NoticeAlert)) != before+2 {
			t.Fatal("not everybody at the desk was told")
		}
		for _, n := range letters {
			if n.Payload.Subject != "새 제안: 강연 · 한빛 회사" || !strings.Contains(n.Payload.Text, "kim@example.com") || !strings.Contains(n.Payload.Text, "11월에요.") {
				t.Errorf("the letter says %+v", n.Payload)
			}
		}
		k.must(k.MarkProposal(ctx, "admin:1", p.ID, newsletter.ProposalAnswered))
		fresh, _, err := k.Proposals(ctx, newsletter.ProposalNew, 0, 10)
		k.must(err)
		done, _, err := k.Proposals(ctx, newsletter.ProposalAnswered, 0, 10)
		k.must(err)
		if len(fresh) != 0 || len(done) != 1 || !done[0].AnsweredAt.Equal(k.clock.Now()) {
			t.Errorf("new %v, answered %v", fresh, done)
		}
		wantFaults(t, k.MarkProposal(ctx, "admin:1", p.ID, "lost"), "status")
		k.must(k.DeleteProposal(ctx, "admin:1", p.ID))
		_, err = k.Proposal(ctx, p.ID)
		wantError(t, err, newsletter.NotFound, "")
		wantError(t, k.DeleteProposal(ctx, "admin:1", p.ID), newsletter.NotFound, "")
		wantError(t, k.MarkProposal(ctx, "admin:1", p.ID, newsletter.ProposalNew), newsletter.NotFound, "")
	})
}

func TestProposalFaults(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	for _, c := range []struct {
		name   string
		change func(*newsletter.NewProposal)
		fields []string
	}{
		{"an empty form names everything", func(p *newsletter.NewProposal) { *p = newsletter.NewProposal{} }, []string{"name", "email", "kind", "body", "consent"}},
		{"a kind of its own", func(p *newsletter.NewProposal) { p.Kind = "spam" }, []string{"kind"}},
		{"a name with a line break (S24)", func(p *newsletter.NewProposal) { p.Name = "한빛\r\nBcc: all@example.com" }, []string{"name"}},
		{"blanks are no text", func(p *newsletter.NewProposal) { p.Body = " \n\t " }, []string{"body"}},
		{"too long a text", func(p *newsletter.NewProposal) { p.Body = strings.Repeat("가", 5001) }, []string{"body"}},
	} {
		_, err := k.Propose(t.Context(), proposal(c.change))
		t.Run(c.name, func(t *testing.T) { wantFaults(t, err, c.fields...) })
	}
}

func TestThreeProposalsInTenMinutes(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	send := func(ip string) error {
		_, err := k.Propose(t.Context(), proposal(func(p *newsletter.NewProposal) { p.IP = ip }))
		return err
	}
	for range 3 {
		k.must(send("203.0.113.1"))
		k.clock.add(3 * time.Minute)
	}
	err := send("203.0.113.1") // nine minutes after the first, whatever the clock's ten-minute marks say
	wantError(t, err, newsletter.TooMany, "")
	if !strings.Contains(err.Error(), "조금 뒤에 다시 보내 주세요(10분에 3번).") {
		t.Errorf("said %v", err)
	}
	k.must(send("203.0.113.2"))
	k.must(send("2001:db8::1"))
	k.must(send("2001:db8::2"))
	k.must(send("2001:db8::3"))
	wantError(t, send("2001:db8::4"), newsletter.TooMany, "") // one line has a whole /64
	k.clock.add(time.Minute)
	k.must(send("203.0.113.1"))
}

package mailer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"techissue/mailer/smtptest"
	"techissue/newsletter"
)

// addressed makes n addresses of one domain.
func addressed(n int, domain string) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("reader%d@%s", i, domain))
	}
	return all
}

// A slow provider's readers stand before everybody else's, more of them than fit into a batch. The others have the connections that a
// slow domain may not hold, from the first letter on.
func TestSlowDomainFirstInTheRow(t *testing.T) {
	for _, tt := range []struct {
		name        string
		slow, quick int
	}{
		{"within the first batch", 200, 200},
		{"far beyond the first batch", 5000, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const takes = time.Second
			eachBed(t, bedOptions{server: smtptest.Config{LogLimit: -1, Rules: []smtptest.Rule{
				{At: smtptest.Dot, Domain: "slow.example", Do: smtptest.Action{Delay: takes}},
				{At: smtptest.Dot, Do: smtptest.Action{Delay: 3 * time.Millisecond}},
			}}}, func(t *testing.T, b *bed) {
				b.readers(0, append(addressed(tt.slow, "slow.example"), addressed(tt.quick, "quick.example")...)...)
				b.start()
				i := b.send(newsletter.Hold)
				b.until(i, "the quick letters", func(newsletter.Progress) bool { return quickOnes(b.smtp.Accepted()) == tt.quick })
				all := b.smtp.Accepted()
				var before int
				var last time.Time
				for n, m := range all {
					if strings.HasSuffix(m.Rcpt(), "@quick.example") {
						before, last = n+1-quickOnes(all[:n+1]), m.At
					}
				}
				// Half of the connections' worth: on a machine so busy that a quick letter takes a tenth of a second, nobody is slow. (How the share
				// falls to an eighth, and what the others keep, is told by TestOthersKeepTheirRate.)
				elapsed := last.Sub(all[0].At) + takes
				if most := 4*int(elapsed/takes) + 4; before > most {
					t.Errorf("%d slow letters went within %s beside the quick ones, half of the connections' worth is %d", before, elapsed, most)
				}
				b.stop()
				b.compare(i, took(b.smtp.Accepted()))
			})
		})
	}
}

func quickOnes(all []smtptest.Message) (n int) {
	for _, m := range all {
		if strings.HasSuffix(m.Rcpt(), "@quick.example") {
			n++
		}
	}
	return n
}

func took(all []smtptest.Message) map[string]int {
	n := map[string]int{}
	for _, m := range all {
		n[m.Rcpt()]++
	}
	return n
}

// When nobody else has letters, a domain has all connections, however slow it is.
func TestSlowDomainAloneHasAllConnections(t *testing.T) {
	eachBed(t, bedOptions{server: smtptest.Config{Rules: []smtptest.Rule{
		{At: smtptest.Dot, Domain: "slow.example", Do: smtptest.Action{Delay: 100 * time.Millisecond}},
	}}}, func(t *testing.T, b *bed) {
		b.readers(0, append(addressed(60, "slow.example"), addressed(60, "quick.example")...)...)
		b.start()
		i := b.send(newsletter.Hold)
		b.until(i, "eight at once", func(newsletter.Progress) bool { return b.smtp.PeakConnections() == 8 })
		b.done(i)
		b.account(i)
		// The last 50 slow ones went eight at a time, not one: their connections tell.
		conns := map[int]bool{}
		all := b.smtp.Accepted()
		for _, m := range all[len(all)-24:] {
			conns[m.Conn] = true
		}
		if len(conns) < 6 {
			t.Errorf("the last letters went by %d connections", len(conns))
		}
	})
}

// ClaimBeyond walks the row, leases others only, and says where it stopped.
func TestClaimBeyond(t *testing.T) {
	eachBed(t, bedOptions{}, func(t *testing.T, b *bed) {
		b.readers(0, append(append(addressed(30, "slow.example"), addressed(5, "a.example")...), addressed(30, "b.example")...)...)
		b.send(newsletter.Hold)
		for range 2 { // preparing, sending
			if err := b.Advance(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		claim := func(limit, look int, from newsletter.Place, pass ...string) ([]newsletter.Claimed, newsletter.Place) {
			t.Helper()
			got, next, err := b.opt.Store.ClaimBeyond(t.Context(), 1, limit, look, from, pass, b.now())
			if err != nil {
				t.Fatal(err)
			}
			return got, next
		}
		none, place := claim(10, 20, newsletter.Place{}, "slow.example")
		if len(none) != 0 || place == (newsletter.Place{}) {
			t.Errorf("the first 20: %d letters, %+v", len(none), place)
		}
		some, place := claim(3, 20, place, "slow.example")
		if len(some) != 3 || some[0].Email != "reader0@a.example" || some[0].Lease != 1 || some[0].Edition != 1 || some[0].Name != "" {
			t.Errorf("then: %+v", some)
		}
		rest, place := claim(100, 100, place, "slow.example")
		if len(rest) != 32 || place != (newsletter.Place{}) {
			t.Errorf("to the end: %d letters, %+v", len(rest), place)
		}
		if again, _ := claim(100, 100, newsletter.Place{}, "slow.example"); len(again) != 0 {
			t.Errorf("%d letters were given out twice", len(again))
		}
		if all, err := b.opt.Store.ClaimDeliveries(t.Context(), 1, 100, b.now()); err != nil || len(all) != 30 {
			t.Errorf("left: %d, %v", len(all), err)
		}
	})
}

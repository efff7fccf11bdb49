package db_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
)

// F48: beside past issues that are many times larger than what is owed, no statement of the queue walks all letters or all readers, and the claim
// walks deliveries_queued. The queue is driven for real; whatever it asked on the way is explained, so that a statement written anew is judged as well.
func TestTheQueueWalksOnlyWhatIsOwed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const owed, readers, past = 300, 50_000, 50 // each of the past issues went to 2,000 of them
		s, ctx := db.Store{DB: d}, t.Context()
		sendingIssue(t, s, owed)
		numbers := `WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < %d) `
		fill := []string{fmt.Sprintf(`INSERT INTO subscribers (email, addr_key, status, created_at, updated_at) `+numbers+
			`SELECT 'old' || x || '@mail.example', 'old' || x, 'active', 0, 0 FROM c`, readers)}
		for n := range past {
			fill = append(fill, fmt.Sprintf(`INSERT INTO issues (id, number, state, kind, uncertain, version, created_at, updated_at) VALUES (%d, %d, 'done', 'info', 'hold', 1, 0, 0)`, 100+n, 100+n),
				fmt.Sprintf(`INSERT INTO deliveries (issue_id, subscriber_id, email, state, due_at, attempts, done_at) `+
					`SELECT %d, s.id, s.email, 'sent', 0, 1, 0 FROM subscribers s WHERE s.email LIKE 'old%%' AND s.id %% 25 = %d`, 100+n, n%25))
		}
		err := d.Update(ctx, func(tx *db.Tx) error {
			for _, query := range fill {
				if _, err := tx.Exec(ctx, query); err != nil {
					return err
				}
			}
			if d.Engine() != "postgres" {
				return nil
			}
			_, err := tx.Exec(ctx, `ANALYZE`) // as autovacuum does in time; of SQLite nobody asks for figures
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		before := d.Statements()
		drive(t, s)
		asked := 0
		claims := 0
		for text, values := range d.Statements() {
			if _, old := before[text]; old || !strings.Contains(text, "deliveries") && !strings.Contains(text, "subscribers") {
				continue
			}
			asked++
			var plan string
			err := d.Update(ctx, func(tx *db.Tx) (err error) { plan, err = tx.Plan(ctx, text, values); return err })
			if err != nil {
				t.Errorf("explain %s: %v", text, err)
				continue
			}
			if walksAll.MatchString(plan) {
				t.Errorf("it walks a whole table:\n%s\n%s", text, plan)
			}
			if strings.Contains(text, "'queued'") && strings.Contains(text, "due_at <=") && strings.Contains(text, "LIMIT") {
				claims++
				if !strings.Contains(plan, "deliveries_queued") {
					t.Errorf("a claim does not walk deliveries_queued:\n%s\n%s", text, plan)
				}
			}
		}
		if asked < 8 || claims == 0 {
			t.Errorf("only %d statements were looked at, %d of them claims", asked, claims)
		}
		begin := time.Now()
		if _, err := s.ClaimDeliveries(ctx, 1, 50, t0); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d statements; a claim of 50 beside %d past letters: %s", asked, past*readers/25, time.Since(begin).Round(100*time.Microsecond))
	})
}

// walksAll finds a walk through a whole big table, and of SQLite through an index that holds all of it.
var walksAll = regexp.MustCompile(`Seq Scan on (deliveries|subscribers)|SCAN (d|s|deliveries|subscribers)\b($|\n| USING (COVERING )?INDEX (deliveries_state|deliveries_subscriber|subscribers_status|sqlite_autoindex))`)

// drive takes some letters of the issue that is sending through every turn of their lives.
func drive(t *testing.T, s db.Store) {
	t.Helper()
	ctx := t.Context()
	claim := func(n int) []newsletter.Claimed {
		t.Helper()
		got, err := s.ClaimDeliveries(ctx, 1, n, t0)
		if err != nil || len(got) != n {
			t.Fatalf("claimed %d of %d: %v", len(got), n, err)
		}
		return got
	}
	got := claim(20)
	gates := make([]newsletter.Turn, len(got))
	for n := range got {
		gates[n].Gate = &got[n].Ticket
	}
	settles := make([]newsletter.Turn, 10)
	for n := range settles {
		settles[n].Settle = &newsletter.Settlement{Ticket: got[n].Ticket, State: newsletter.Sent, Charge: true, Outcome: "sent", At: t0,
			Reply: newsletter.Reply{Stage: newsletter.StageDot, Code: 250, Text: "2.0.0 queued"}}
	}
	for _, turns := range [][]newsletter.Turn{gates, settles} {
		answers, err := s.Turns(ctx, turns, t0)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range answers {
			if a.Gated != nil || a.Settled != nil {
				t.Fatal(a)
			}
		}
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for n, o := range []newsletter.Settlement{
		{State: newsletter.Queued, DueAt: t0.Add(time.Hour), Outcome: "retry", Charge: true},
		{State: newsletter.Failed, Outcome: "failed", Charge: true, Suppress: newsletter.SuppressedHard, Reply: newsletter.Reply{Code: 550, Enhanced: "5.1.1"}},
		{State: newsletter.Uncertain, Outcome: "uncertain", Charge: true},
	} {
		o.Ticket, o.At = got[10+n].Ticket, t0
		must(nil, s.Settle(ctx, o))
	}
	more := claim(20)
	must(nil, s.Release(ctx, []newsletter.Ticket{more[0].Ticket, more[1].Ticket}, t0))
	must(nil, s.Gate(ctx, more[2].Ticket, t0))
	_, _, err := s.ClaimBeyond(ctx, 1, 10, 100, newsletter.Place{}, []string{"example.com"}, t0)
	must(nil, err)
	must(s.Leases(ctx, 1))
	must(s.Recover(ctx, 1, t0))
	must(s.SecondTries(ctx, t0.Add(time.Hour)))
}

package db

import (
	"context"
	"strings"
	"time"

	"techissue/newsletter"
)

// Turns are the mailer's hot path: the plain results of up to 64 letters and the gates of as many next ones in one
// transaction of three statements. Sixty-four single statements each cost three times as much on SQLite, and on PostgreSQL
// a round trip each. What is not plain (a gate that stays shut, say) is done by the statements of gate.go.
// VALUES names its columns column1, column2, … on both engines. The state hides in a CASE, or PostgreSQL would walk all
// that is leased (deliveries_open) instead of looking the letters up.

const settleSent = `
UPDATE deliveries
SET attempts = CASE WHEN state = 'leased' THEN attempts + 1 ELSE attempts END,
	state = 'sent', reason = '', done_at = v.column3,
	reply = CASE WHEN email = '' THEN '' ELSE v.column4 END, relay_id = COALESCE(v.column5, relay_id)
FROM (VALUES {{rows}}) v
WHERE deliveries.id = v.column1 AND deliveries.lease = v.column2
AND CASE state WHEN 'leased' THEN 1 WHEN 'handing' THEN 1 WHEN 'uncertain' THEN 1 WHEN 'queued' THEN 1 ELSE 0 END = 1
RETURNING deliveries.id, email`

const settleSentRow = `(CAST(? AS {{bigint}}), CAST(? AS {{bigint}}), CAST(? AS {{bigint}}), CAST(? AS TEXT), CAST(? AS TEXT))`

const addAttempts = `
INSERT INTO attempts (delivery_id, lease, at, stage, code, enhanced, reply, relay, outcome)
SELECT v.column1, v.column2, v.column3, v.column4, v.column5, v.column6, v.column7, v.column8, 'sent'
FROM (VALUES {{rows}}) v
WHERE v.column1 <> 0`

const addAttemptsRow = `(CAST(? AS {{bigint}}), CAST(? AS {{bigint}}), CAST(? AS {{bigint}}), CAST(? AS TEXT), CAST(? AS INTEGER), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))`

const gateDeliveries = `
UPDATE deliveries SET state = 'handing', first_at = COALESCE(first_at, ?), attempts = attempts + 1
FROM (VALUES {{rows}}) v
WHERE deliveries.id = v.column1 AND deliveries.lease = v.column2 AND CASE state WHEN 'leased' THEN 1 ELSE 0 END = 1
AND EXISTS (SELECT 1 FROM issues i WHERE i.id = deliveries.issue_id AND i.state = 'sending')
AND EXISTS (
	SELECT 1 FROM subscribers s
	WHERE s.id = deliveries.subscriber_id AND s.status = 'active' AND s.email = deliveries.email
	AND (s.paused_until IS NULL OR s.paused_until <= ?)
	AND NOT EXISTS (SELECT 1 FROM suppressions p WHERE p.addr_key = s.addr_key))
RETURNING deliveries.id`

const gateDeliveriesRow = `(CAST(? AS {{bigint}}), CAST(? AS {{bigint}}))`

// gateLocksOfMany is gateLocks for a whole turn; the order keeps two nodes from waiting for each other.
const gateLocksOfMany = `
SELECT i.id FROM subscribers s, issues i
WHERE (s.id, i.id) IN (SELECT d.subscriber_id, d.issue_id FROM deliveries d WHERE d.id IN ({{rows}}))
ORDER BY s.id {{for_share}}`

// rows writes a statement for n rows. n is rounded up to a power of two, so that there are seven texts of each to
// prepare and not sixty-four; the rows beyond n are filled with zeros, which meet no letter.
func rows(query, row string, n int) (text string, size int) {
	for size = 1; size < n; size *= 2 {
	}
	return strings.Replace(query, "{{rows}}", strings.TrimSuffix(strings.Repeat(row+", ", size), ", "), 1), size
}

// Turns settles and gates many letters in one commit.
func (s Store) Turns(ctx context.Context, turns []newsletter.Turn, now time.Time) ([]newsletter.TurnAnswer, error) {
	var answers []newsletter.TurnAnswer
	err := s.Quick(ctx, func(tx *Tx) error {
		answers = make([]newsletter.TurnAnswer, len(turns))
		if err := tx.settleMany(ctx, turns, answers); err != nil {
			return err
		}
		return tx.gateMany(ctx, turns, answers, now)
	})
	return answers, err
}

func (t *Tx) settleMany(ctx context.Context, turns []newsletter.Turn, answers []newsletter.TurnAnswer) error {
	plain := make([]*newsletter.Settlement, 0, len(turns))
	for _, turn := range turns {
		if turn.Settle != nil {
			plain = append(plain, turn.Settle)
		}
	}
	if len(plain) == 0 {
		return nil
	}
	settled, err := t.settleSent(ctx, plain)
	if err != nil {
		return err
	}
	known := plain[:0]
	for n, turn := range turns {
		if turn.Settle == nil {
			continue
		}
		email, ok := settled[turn.Settle.ID]
		if !ok {
			answers[n].Settled = settleAnswer(*turn.Settle, newsletter.ErrLeaseLost)
			continue
		}
		o := turn.Settle
		if email == "" {
			erased := *o
			erased.Reply.Text = ""
			o = &erased
		}
		known = append(known, o)
	}
	if len(known) == 0 {
		return nil
	}
	return t.addAttempts(ctx, known)
}

// settleSent returns the addresses of the letters it settled.
func (t *Tx) settleSent(ctx context.Context, plain []*newsletter.Settlement) (map[int64]string, error) {
	query, size := rows(settleSent, settleSentRow, len(plain))
	args := make([]any, 0, 5*size)
	for _, o := range plain {
		args = append(args, o.ID, o.Lease, ms(o.At), replyLine(o.Reply), textOrNull(o.RelayID))
	}
	for len(args) < 5*size {
		args = append(args, 0, 0, 0, "", nil)
	}
	r, err := t.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	settled := make(map[int64]string, len(plain))
	for r.Next() {
		var id int64
		var email string
		if err := r.Scan(&id, &email); err != nil {
			return nil, err
		}
		settled[id] = email
	}
	return settled, t.dialect.wrap(r.Err())
}

func (t *Tx) addAttempts(ctx context.Context, known []*newsletter.Settlement) error {
	query, size := rows(addAttempts, addAttemptsRow, len(known))
	args := make([]any, 0, 8*size)
	for _, o := range known {
		args = append(args, o.ID, o.Lease, ms(o.At), string(o.Reply.Stage), o.Reply.Code, o.Reply.Enhanced, o.Reply.Text, o.Relay)
	}
	for len(args) < 8*size {
		args = append(args, 0, 0, 0, "", 0, "", "", "")
	}
	_, err := t.exec(ctx, query, args...)
	return err
}

func (t *Tx) gateMany(ctx context.Context, turns []newsletter.Turn, answers []newsletter.TurnAnswer, now time.Time) error {
	ids := make([]any, 0, 2*len(turns))
	for _, turn := range turns {
		if turn.Gate != nil {
			ids = append(ids, turn.Gate.ID, turn.Gate.Lease)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if err := t.lockMany(ctx, ids); err != nil {
		return err
	}
	query, size := rows(gateDeliveries, gateDeliveriesRow, len(ids)/2)
	args := append([]any{ms(now)}, ids...)
	for len(args) < 2*size+1 {
		args = append(args, 0)
	}
	passed, err := list(ctx, t, scanID, query, append(args, ms(now))...)
	if err != nil {
		return err
	}
	open := make(map[int64]bool, len(passed))
	for _, id := range passed {
		open[id] = true
	}
	for n, turn := range turns {
		if turn.Gate == nil || open[turn.Gate.ID] {
			continue
		}
		// Shut, or the same letter asked for twice: the single statement says why.
		refused, err := t.gateDelivery(ctx, *turn.Gate, now)
		if err != nil && err != newsletter.ErrLeaseLost {
			return err
		}
		answers[n].Gated = gateAnswer(*turn.Gate, refused, err)
	}
	return nil
}

func (t *Tx) lockMany(ctx context.Context, idsAndLeases []any) error {
	if t.shared {
		return nil
	}
	ids := make([]any, 0, len(idsAndLeases)/2)
	for n := 0; n < len(idsAndLeases); n += 2 {
		ids = append(ids, idsAndLeases[n])
	}
	query, size := rows(gateLocksOfMany, "?", len(ids))
	for len(ids) < size {
		ids = append(ids, 0)
	}
	return t.lock(ctx, query, ids...)
}

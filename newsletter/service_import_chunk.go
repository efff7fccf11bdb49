package newsletter

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// flush takes the chunk: judged and saved in one transaction, or only judged in a dry run.
func (i *importer) flush(ctx context.Context) error {
	if i.count == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// In the order of their keys, neighbours in the indexes go in together: a sixth less time on SQLite.
	slices.SortFunc(i.rows, func(a, b importRow) int { return strings.Compare(string(a.key), string(b.key)) })
	keys := make([]AddressKey, len(i.rows))
	for n, row := range i.rows {
		keys[n] = row.key
	}
	var c *chunk
	judge := func(tx Tx) error {
		known, err := tx.Known(ctx, keys)
		if err != nil {
			return err
		}
		c = &chunk{i: i, now: i.s.opt.Now(), run: i.run, asked: i.asked, refused: slices.Clone(i.refused)}
		for _, row := range i.rows {
			if err := c.judge(ctx, tx, row, known[row.key]); err != nil {
				return err
			}
		}
		c.run.Rows += i.count
		c.run.Rejected += int64(len(c.refused))
		return nil
	}
	if i.run.DryRun {
		if err := i.s.view(ctx, judge); err != nil {
			return fmt.Errorf("judge lines: %w", err)
		}
	}
	err := i.s.update(ctx, func(tx Tx) error {
		if !i.run.DryRun {
			if err := judge(tx); err != nil {
				return err
			}
			if err := c.save(ctx, tx); err != nil {
				return err
			}
		}
		if err := tx.AddRejects(ctx, i.run.ID, c.refused); err != nil {
			return err
		}
		c.run.SeenAt = i.s.opt.Now()
		run := c.run
		return tx.PutImport(ctx, &run)
	})
	if err != nil {
		return fmt.Errorf("take lines: %w", err)
	}
	if c.asked > i.asked {
		i.s.opt.Wake()
	}
	i.run, i.asked = c.run, c.asked
	i.rows, i.refused, i.count = i.rows[:0], i.refused[:0], 0
	if i.onProgress != nil {
		i.onProgress(i.run)
	}
	return nil
}

// chunk is what up to 2,000 lines come to. It is made anew when its transaction runs again.
type chunk struct {
	i       *importer
	now     time.Time
	run     Import
	asked   int
	refused []Reject

	fresh   []Subscriber
	mail    []bool      // beside fresh: mail a confirmation
	proofs  [][]Consent // beside fresh: without the reader's id
	changed []Subscriber
	proven  []Consent // of changed readers
	events  []Event   // of changed readers
	leavers []Leaver
	bars    []Suppression
	emit    []SubscriberID // changed readers who left
}

func (c *chunk) judge(ctx context.Context, tx Tx, row importRow, k Known) error {
	if k.Subscriber.ID == 0 && k.Left.gone() {
		c.refused = append(c.refused, Reject{Line: row.line, Value: harmless(row.shown, 100), Reason: "수신을 거부했거나 정보를 지운 주소예요. 본인이 다시 구독해야 해요."})
		return nil
	}
	if row.stands == standsLeft {
		c.run.Unsubscribed++
	}
	if k.Subscriber.ID == 0 {
		c.run.Created++
		c.judgeNew(row, k)
		return nil
	}
	c.run.Updated++
	return c.judgeKnown(ctx, tx, row, k)
}

// judgeNew makes a reader whom the house has never met, or remembers only as suppressed.
func (c *chunk) judgeNew(row importRow, k Known) {
	sub := row.reader
	barred := k.Suppression.ID != 0
	var proofs []Consent
	switch {
	case row.stands == standsLeft:
		sub.Status = Unsubscribed
		sub.UnsubscribedAt = firstOf(sub.UnsubscribedAt, c.now)
		proofs = append(proofs, c.proof(ConsentLetter, false, sub.UnsubscribedAt))
		c.leavers = append(c.leavers, Leaver{Key: row.key, At: c.now, Kind: "unsubscribed"})
	case row.stands == standsPending,
		row.stands == standsBarred && (c.run.As != ImportActive || sub.ConsentAt.IsZero()):
		sub.Status = Pending
	default:
		sub.Status = Active
		sub.ConsentAt = firstOf(sub.ConsentAt, c.now)
		proofs = append(proofs, c.proof(ConsentImported, true, sub.ConsentAt))
	}
	if sub.Status != Unsubscribed {
		sub.UnsubscribedAt, sub.UnsubscribeReason = time.Time{}, ""
	}
	switch {
	case sub.Status == Active && row.ad:
		sub.AdConsent, sub.AdConsentAt = true, firstOf(sub.AdConsentAt, sub.ConsentAt)
		proofs = append(proofs, c.proof(ConsentAd, true, sub.AdConsentAt))
	default:
		sub.AdConsentAt = time.Time{}
	}
	if sub.Status == Pending && c.run.Format != "techissue" { // unconfirmed readers are forgotten after 7 days: these begin today
		sub.CreatedAt, sub.ConfirmedAt, sub.ConsentAt = c.now, time.Time{}, time.Time{}
	}
	if row.stands == standsBarred && !barred {
		c.bar(row)
	}
	sub.CreatedAt, sub.UpdatedAt = firstOf(sub.CreatedAt, c.now), firstOf(sub.UpdatedAt, c.now)
	c.fresh = append(c.fresh, sub)
	c.proofs = append(c.proofs, proofs)
	c.mail = append(c.mail, c.run.As == ImportPending && row.stands == standsPending && !barred)
}

func (c *chunk) bar(row importRow) {
	c.bars = append(c.bars, Suppression{
		AddrKey: row.key, Email: row.reader.Email.String(), Reason: row.barred, Evidence: "import: " + c.run.File, CreatedAt: firstOf(row.bar, c.now),
	})
	c.leavers = append(c.leavers, Leaver{Key: row.key, At: c.now, Kind: "suppressed"})
}

// proof is a line of the consent ledger that names where it comes from (S41).
func (c *chunk) proof(kind ConsentKind, granted bool, at time.Time) Consent {
	return Consent{Kind: kind, Granted: granted, At: at, Form: "import:" + c.run.File, Source: c.run.ConsentSource, Confirmed: "import"}
}

// judgeKnown changes a reader of ours no further than the file has a right to: a leaving always counts, a reader who
// left or is suppressed stays as they are, and nobody's refusal of advertising is overruled.
func (c *chunk) judgeKnown(ctx context.Context, tx Tx, row importRow, k Known) error {
	sub := k.Subscriber
	if row.stands == standsBarred && k.Suppression.ID == 0 {
		c.bar(row)
		c.events = append(c.events, Event{Subscriber: sub.ID, Kind: "suppressed", Detail: string(row.barred), At: c.now})
	}
	switch {
	case sub.Status == Unsubscribed:
		return nil
	case row.stands == standsLeft:
		c.leaves(row, sub)
		return nil
	case row.stands == standsBarred || k.Suppression.ID != 0:
		return nil
	}
	before := sub
	if sub.Name == "" {
		sub.Name = row.reader.Name
	}
	tags := append(slices.Clone(sub.Tags), row.reader.Tags...)
	slices.Sort(tags)
	if tags = slices.Compact(tags); len(tags) <= maxTags {
		sub.Tags = tags
	}
	var proofs []Consent
	if sub.Status == Pending && row.stands == standsAsAsked {
		sub.Status, sub.ConsentAt = Active, firstOf(row.reader.ConsentAt, c.now)
		proofs = append(proofs, c.proof(ConsentImported, true, sub.ConsentAt))
	}
	if row.ad && !sub.AdConsent && sub.Status == Active && c.run.ConsentSource != "" {
		refused, err := refusedAds(ctx, tx, sub.ID)
		if err != nil {
			return err
		}
		if !refused {
			sub.AdConsent, sub.AdConsentAt = true, firstOf(row.reader.AdConsentAt, row.reader.ConsentAt, c.now)
			proofs = append(proofs, c.proof(ConsentAd, true, sub.AdConsentAt))
		}
	}
	if len(proofs) == 0 && sub.Name == before.Name && slices.Equal(sub.Tags, before.Tags) {
		return nil
	}
	c.change(sub, Event{Kind: "imported", Detail: c.run.File}, proofs)
	return nil
}

// leaves does what an unsubscribe does, but for the letter that confirms it: the one who was asked wrote that.
func (c *chunk) leaves(row importRow, sub Subscriber) {
	sub.Status, sub.UnsubscribedAt, sub.UnsubscribeReason = Unsubscribed, firstOf(row.reader.UnsubscribedAt, c.now), row.reader.UnsubscribeReason
	sub.AdConsent, sub.AdConsentAt, sub.PausedUntil = false, time.Time{}, time.Time{}
	c.leavers = append(c.leavers, Leaver{Key: row.key, At: c.now, Kind: "unsubscribed"})
	c.emit = append(c.emit, sub.ID)
	c.change(sub, Event{Kind: "unsubscribed", Detail: "import:" + c.run.File}, []Consent{c.proof(ConsentLetter, false, sub.UnsubscribedAt)})
}

func (c *chunk) change(sub Subscriber, e Event, proofs []Consent) {
	sub.UpdatedAt, e.Subscriber, e.At = c.now, sub.ID, c.now
	for _, p := range proofs {
		p.Subscriber, p.AddrKey = sub.ID, sub.AddrKey
		c.proven = append(c.proven, p)
	}
	c.changed = append(c.changed, sub)
	c.events = append(c.events, e)
}

// refusedAds tells that the reader's last word on advertising was no.
func refusedAds(ctx context.Context, tx Tx, id SubscriberID) (bool, error) {
	consents, err := tx.Consents(ctx, id)
	refused := false
	for _, c := range consents {
		if c.Kind == ConsentAd {
			refused = !c.Granted
		}
	}
	return refused, err
}

func (c *chunk) save(ctx context.Context, tx Tx) error {
	if err := c.i.s.leaveAll(ctx, tx, c.leavers); err != nil {
		return err
	}
	for n := range c.bars {
		if err := tx.PutSuppression(ctx, &c.bars[n]); err != nil {
			return err
		}
	}
	for n := range c.changed {
		if err := tx.PutSubscriber(ctx, &c.changed[n]); err != nil {
			return err
		}
	}
	if err := tx.InsertSubscribers(ctx, c.fresh); err != nil {
		return err
	}
	events, proofs := c.events, c.proven
	for n, sub := range c.fresh {
		events = append(events, Event{Subscriber: sub.ID, Kind: "imported", Detail: c.run.File, At: c.now})
		for _, p := range c.proofs[n] {
			p.Subscriber, p.AddrKey = sub.ID, sub.AddrKey
			proofs = append(proofs, p)
		}
	}
	if err := tx.AddEvents(ctx, events); err != nil {
		return err
	}
	if err := tx.AddConsents(ctx, proofs); err != nil {
		return err
	}
	for _, id := range c.emit {
		if err := tx.Emit(ctx, "subscriber.unsubscribed", fmt.Sprintf(`{"id":%d}`, id), c.now); err != nil {
			return err
		}
	}
	return c.askAll(ctx, tx)
}

// askAll queues the confirmations of new pending readers: the first few at once, the rest one a second, each within the
// limits of its address.
func (c *chunk) askAll(ctx context.Context, tx Tx) error {
	for n, sub := range c.fresh {
		if !c.mail[n] {
			continue
		}
		ok, err := c.i.s.mayMail(ctx, tx, sub.AddrKey, c.now)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		due := c.now.Add(time.Duration(max(0, c.asked-burst)) * confirmStep)
		if err := askLater(ctx, tx, sub, "import:"+c.run.File, c.now, due); err != nil {
			return err
		}
		c.asked++
	}
	return nil
}

// askLater queues a confirmation for later; its link lives from then on.
func askLater(ctx context.Context, tx Tx, sub Subscriber, form string, now, due time.Time) error {
	detail, err := json.Marshal(signupWish{Name: sub.Name, Form: form})
	if err != nil {
		return err
	}
	g := Grant{Kind: GrantConfirm, Subscriber: sub.ID, Detail: string(detail), CreatedAt: now, ExpiresAt: due.Add(confirmLife)}
	if err := tx.PutGrant(ctx, &g); err != nil {
		return err
	}
	return tx.QueueNotice(ctx, &Notice{
		Kind: NoticeConfirm, Subscriber: sub.ID, Email: sub.Email.String(), State: Queued, DueAt: due, CreatedAt: now,
		Payload: NoticePayload{Name: sub.Name, Grant: g.ID, Expires: g.ExpiresAt},
	})
}

// leaveAll is leave for many at once: one write to the log beside the database.
func (s *Service) leaveAll(ctx context.Context, tx Tx, leavers []Leaver) error {
	if len(leavers) == 0 {
		return nil
	}
	if err := tx.AddLeavers(ctx, leavers); err != nil {
		return err
	}
	if s.opt.Leavers == nil {
		return nil
	}
	if err := s.opt.Leavers.Append(ctx, leavers...); err != nil {
		return &Error{Kind: Unavailable, Msg: "지금은 저장할 수 없어요. 잠시 뒤에 다시 해 주세요.", Err: err}
	}
	return nil
}

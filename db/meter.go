package db

import (
	"context"
	"fmt"
	"sync"
	"time"

	"techissue/newsletter"
)

// Numbers are what the database says about the house at one moment.
type Numbers struct {
	Deliveries  map[newsletter.DeliveryState]int64 // all nine states, of every issue
	Notices     map[newsletter.DeliveryState]int64 // single letters that are queued, leased, handing or uncertain
	OldestDue   time.Time                          // of the queued letters of issues being sent; zero when there are none
	Subscribers map[newsletter.Status]int64
}

// Meter reads Numbers without walking through old issues each time. It may be used from several goroutines.
type Meter struct {
	db *DB

	mu   sync.Mutex
	over map[newsletter.IssueID]closed
}

// closed are the counts of an issue that is over. They hold while doneAt is the same and as many letters are open: every
// other state is final as long as the issue is not woken, which changes doneAt.
type closed struct {
	doneAt time.Time
	open   int64
	counts map[newsletter.DeliveryState]int64
}

// NewMeter makes a Meter for d.
func NewMeter(d *DB) *Meter {
	return &Meter{db: d, over: map[newsletter.IssueID]closed{}}
}

const (
	sentIssues  = `SELECT id, state, done_at FROM issues WHERE accepted_at IS NOT NULL AND archived = 0`
	openLetters = `SELECT issue_id, COUNT(*) FROM deliveries WHERE state = 'leased' OR state = 'handing' OR state = 'uncertain' GROUP BY issue_id`
	openNotices = `
SELECT state, COUNT(*) FROM notices WHERE state = 'queued' GROUP BY state
UNION ALL
SELECT state, COUNT(*) FROM notices WHERE state = 'leased' OR state = 'handing' OR state = 'uncertain' GROUP BY state`
)

// Read takes one consistent look.
func (m *Meter) Read(ctx context.Context) (n Numbers, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err = m.db.View(ctx, func(tx *Tx) error {
		if n.Deliveries, n.OldestDue, err = m.deliveries(ctx, tx); err != nil {
			return fmt.Errorf("count letters: %w", err)
		}
		n.Notices = map[newsletter.DeliveryState]int64{newsletter.Queued: 0, newsletter.Leased: 0, newsletter.Handing: 0, newsletter.Uncertain: 0}
		if err := tx.countStates(ctx, n.Notices, openNotices); err != nil {
			return fmt.Errorf("count single letters: %w", err)
		}
		if n.Subscribers, err = tx.CountSubscribers(ctx); err != nil {
			return fmt.Errorf("count readers: %w", err)
		}
		return nil
	})
	return n, err
}

type issueRow struct {
	id     newsletter.IssueID
	state  newsletter.IssueState
	doneAt time.Time
}

func (m *Meter) deliveries(ctx context.Context, tx *Tx) (total map[newsletter.DeliveryState]int64, oldest time.Time, err error) {
	total = map[newsletter.DeliveryState]int64{}
	for _, s := range newsletter.DeliveryStates {
		total[s] = 0
	}
	issues, err := list(ctx, tx, func(r scanner) (i issueRow, err error) {
		return i, r.Scan(&i.id, &i.state, asTime(&i.doneAt))
	}, sentIssues)
	if err != nil {
		return nil, oldest, err
	}
	open := map[newsletter.IssueID]int64{}
	_, err = list(ctx, tx, func(r scanner) (struct{}, error) {
		var id newsletter.IssueID
		var n int64
		err := r.Scan(&id, &n)
		open[id] = n
		return struct{}{}, err
	}, openLetters)
	if err != nil {
		return nil, oldest, err
	}
	fresh := map[newsletter.IssueID]closed{}
	for _, i := range issues {
		c, known := m.over[i.id]
		if !known || !c.doneAt.Equal(i.doneAt) || c.open != open[i.id] {
			c = closed{doneAt: i.doneAt, open: open[i.id], counts: map[newsletter.DeliveryState]int64{}}
			if err := tx.countStates(ctx, c.counts, countByState, i.id); err != nil {
				return nil, oldest, err
			}
		}
		if i.state == newsletter.IssueDone || i.state == newsletter.IssueCancelled {
			fresh[i.id] = c
		}
		for s, n := range c.counts {
			total[s] += n
		}
		if i.state == newsletter.IssueSending && c.counts[newsletter.Queued] > 0 {
			var due time.Time
			if err := tx.queryRow(ctx, nextDue, i.id).Scan(asTime(&due)); err != nil {
				return nil, oldest, err
			}
			if oldest.IsZero() || due.Before(oldest) {
				oldest = due
			}
		}
	}
	m.over = fresh
	return total, oldest, nil
}

func (t *Tx) countStates(ctx context.Context, into map[newsletter.DeliveryState]int64, query string, args ...any) error {
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var state newsletter.DeliveryState
		var n int64
		err := r.Scan(&state, &n)
		into[state] = n
		return struct{}{}, err
	}, query, args...)
	return err
}

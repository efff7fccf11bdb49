package db

import (
	"context"
	"time"
)

// Silence is measured by the database's clock, which the nodes share.
const (
	registerNode = `INSERT INTO nodes (name, started_at, seen_at) VALUES (?, ?, {{now_ms}}) RETURNING id`
	beatNode     = `UPDATE nodes SET seen_at = {{now_ms}}, stopped_at = NULL WHERE id = ?`
	stopNode     = `UPDATE nodes SET stopped_at = ? WHERE id = ?`
	stopSilent   = `UPDATE nodes SET stopped_at = ? WHERE stopped_at IS NULL AND id <> ? AND seen_at < {{now_ms}} - ?`
)

// deadHolders also finds a node that was marked by somebody who then died before taking its letters back.
const deadHolders = `
SELECT n.id FROM nodes n
WHERE n.stopped_at IS NOT NULL AND n.id <> ? AND n.id IN (
	SELECT d.node FROM deliveries d WHERE d.state = 'leased' OR d.state = 'handing'
	UNION SELECT m.node FROM notices m WHERE m.state = 'leased' OR m.state = 'handing')
ORDER BY n.id`

// RegisterNode makes a row for this process.
func (s Store) RegisterNode(ctx context.Context, name string, now time.Time) (id int64, err error) {
	err = s.Quick(ctx, func(tx *Tx) (err error) {
		id, err = tx.insert(ctx, registerNode, name, ms(now))
		return err
	})
	return id, err
}

// Beat says that the node is alive.
func (s Store) Beat(ctx context.Context, node int64, _ time.Time) error {
	return s.Quick(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, beatNode, node)
		return err
	})
}

// ReapNodes marks silent nodes as stopped and returns those that hold letters. A node that was only asleep finds
// its leases gone.
func (s Store) ReapNodes(ctx context.Context, self int64, silent time.Duration, now time.Time) (dead []int64, err error) {
	err = s.Quick(ctx, func(tx *Tx) (err error) {
		if _, err := tx.exec(ctx, stopSilent, ms(now), self, silent.Milliseconds()); err != nil {
			return err
		}
		dead, err = list(ctx, tx, scanID, deadHolders, self)
		return err
	})
	return dead, err
}

// StopNode says goodbye.
func (s Store) StopNode(ctx context.Context, node int64, now time.Time) error {
	return s.Quick(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, stopNode, ms(now), node)
		return err
	})
}

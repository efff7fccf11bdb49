package db

import (
	"context"

	"techissue/newsletter"
)

// Store is the database as the domain sees it.
type Store struct{ *DB }

var (
	_ newsletter.Store      = Store{}
	_ newsletter.Tx         = (*Tx)(nil)
	_ newsletter.QueueStore = Store{}
)

// View runs fn on one consistent state.
func (s Store) View(ctx context.Context, fn func(newsletter.Tx) error) error {
	return s.DB.View(ctx, func(tx *Tx) error { return fn(tx) })
}

// Update runs fn in a transaction and returns after it is on disk.
func (s Store) Update(ctx context.Context, fn func(newsletter.Tx) error) error {
	return s.DB.Update(ctx, func(tx *Tx) error { return fn(tx) })
}

package db

import (
	"context"
	"database/sql"
	"errors"

	"techissue/newsletter"
)

// Tx is a transaction. It lives as long as the function it was given to and belongs to
// one goroutine.
//
// SQL is written once for both engines: `?` for values, `{{word}}` for what differs
// (dialect.go). One trap remains: on PostgreSQL a statement that fails spoils its whole
// transaction, so a Conflict may be returned but not survived; where a row may exist
// already, write ON CONFLICT.
type Tx struct {
	on      queryer
	dialect *dialect
	leavers newsletter.LeaversLog // nil: none
	shared  bool                  // on SQLite's writer, where a transaction holds the changes of several callers
	wide    bool                  // roomy
}

type queryer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

var errOver = errors.New("the transaction is over")

func (t *Tx) end() { t.on = nil }

// begin prepares a statement: what to run and under which context.
//
// SQLite answers an interrupted INSERT, UPDATE or DELETE by rolling back the whole
// transaction (sqlite3_interrupt), which would take the other callers' changes along. So
// on the writer a done context stops a function between its statements, never within one.
func (t *Tx) begin(ctx context.Context, query string) (context.Context, string, error) {
	if t.on == nil {
		return nil, "", errOver
	}
	if t.shared {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		ctx = context.WithoutCancel(ctx)
	}
	return ctx, t.dialect.text(query), nil
}

// A change that touches pages all over the file (an import: addresses come in no order) writes many of them twice unless they
// stay in memory until its end. The room is given back after the commit: a sender needs none of it, for years.
const (
	roomyCache = `PRAGMA cache_size = -65536`
	usualCache = `PRAGMA cache_size = -8192` // as in the DSN
)

// roomy gives a transaction on SQLite's writer 64 MB for its pages.
func (t *Tx) roomy(ctx context.Context) error {
	if !t.shared || t.wide {
		return nil
	}
	_, err := t.exec(ctx, roomyCache)
	t.wide = err == nil
	return err
}

// exec runs a statement and reports how many rows it changed.
func (t *Tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx, query, err := t.begin(ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := t.on.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, t.dialect.wrap(err)
	}
	n, err := res.RowsAffected()
	return n, t.dialect.wrap(err)
}

// swap runs a compare-and-swap: exactly one row changes, or otherwise is returned.
func (t *Tx) swap(ctx context.Context, otherwise error, query string, args ...any) error {
	n, err := t.exec(ctx, query, args...)
	switch {
	case err != nil:
		return err
	case n == 0:
		return otherwise
	case n > 1:
		return errors.New("a change meant for one row met several")
	}
	return nil
}

// insert runs an INSERT … RETURNING id.
func (t *Tx) insert(ctx context.Context, query string, args ...any) (int64, error) {
	var id int64
	err := t.queryRow(ctx, query, args...).Scan(&id)
	return id, err
}

// query runs a SELECT or a statement with RETURNING. Close the rows before the next
// statement: PostgreSQL has one at a time on a connection. Mostly list is what is wanted.
func (t *Tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx, query, err := t.begin(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := t.on.QueryContext(ctx, query, args...)
	return rows, t.dialect.wrap(err)
}

// queryRow is query for one row; its Scan answers NotFound when there is none.
func (t *Tx) queryRow(ctx context.Context, query string, args ...any) row {
	ctx, query, err := t.begin(ctx, query)
	if err != nil {
		return row{err: err}
	}
	return row{r: t.on.QueryRowContext(ctx, query, args...), dialect: t.dialect}
}

// scanner is a row to read from: of queryRow or of a list.
type scanner interface{ Scan(dest ...any) error }

type row struct {
	r       *sql.Row
	dialect *dialect
	err     error
}

func (r row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	err := r.r.Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return &newsletter.Error{Kind: newsletter.NotFound, Err: err}
	}
	return r.dialect.wrap(err)
}

// list reads all rows of a query, each by scan; no rows give nil.
func list[T any](ctx context.Context, t *Tx, scan func(scanner) (T, error), query string, args ...any) (all []T, err error) {
	rows, err := t.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, t.dialect.wrap(err)
		}
		all = append(all, v)
	}
	return all, t.dialect.wrap(rows.Err())
}

package db

import "context"

// The tests of this package write SQL of their own; the other rooms cannot.

func (t *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	return t.exec(ctx, query, args...)
}

func (t *Tx) Swap(ctx context.Context, otherwise error, query string, args ...any) error {
	return t.swap(ctx, otherwise, query, args...)
}

func (t *Tx) Insert(ctx context.Context, query string, args ...any) (int64, error) {
	return t.insert(ctx, query, args...)
}

func (t *Tx) Int(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = t.queryRow(ctx, query, args...).Scan(&n)
	return n, err
}

func (t *Tx) Texts(ctx context.Context, query string, args ...any) ([]string, error) {
	return list(ctx, t, func(s scanner) (text string, err error) {
		err = s.Scan(&text)
		return text, err
	}, query, args...)
}

func (t *Tx) Row(ctx context.Context, query string, args ...any) interface{ Scan(...any) error } {
	return t.queryRow(ctx, query, args...)
}

func Translate(engine, query string) string {
	if engine == "postgres" {
		return postgresDialect().translate(query)
	}
	return sqliteDialect().translate(query)
}

var (
	OrNull   = orNull
	FromMS   = fromMS
	MS       = ms
	AsTime   = asTime
	AsFlag   = asFlag
	Flag     = flag
	Marks    = marks
	Contains = contains
)

func AsID(id *int64) any      { return asID(id) }
func AsText(s *string) any    { return asText(s) }
func IDOrNull(id int64) any   { return idOrNull(id) }
func TextOrNull(s string) any { return textOrNull(s) }

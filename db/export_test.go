package db

import (
	"context"
	"fmt"
)

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

// Roomy is roomy.
func (t *Tx) Roomy(ctx context.Context) error { return t.roomy(ctx) }

func AsID(id *int64) any      { return asID(id) }
func AsText(s *string) any    { return asText(s) }
func IDOrNull(id int64) any   { return idOrNull(id) }
func TextOrNull(s string) any { return textOrNull(s) }

// Dump gives every cell of every table as text.
func (t *Tx) Dump(ctx context.Context) (map[string][]string, error) {
	tables, err := t.Texts(ctx, map[string]string{
		"sqlite":   `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`,
		"postgres": `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`,
	}[t.dialect.name])
	if err != nil {
		return nil, err
	}
	dump := map[string][]string{}
	for _, table := range tables {
		rows, err := t.query(ctx, `SELECT * FROM `+table)
		if err != nil {
			return nil, err
		}
		columns, err := rows.Columns()
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			cells := make([]any, len(columns))
			for n := range cells {
				cells[n] = new(any)
			}
			if err := rows.Scan(cells...); err != nil {
				return nil, err
			}
			for n, cell := range cells {
				v := *cell.(*any)
				if b, ok := v.([]byte); ok {
					v = string(b)
				}
				dump[table] = append(dump[table], fmt.Sprint(columns[n], " ", v))
			}
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
		rows.Close()
	}
	return dump, nil
}

package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
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

// Statements lists what this store was asked so far, as the engine reads it, and how many values each takes.
func (d *DB) Statements() map[string]int {
	all := map[string]int{}
	d.dialect.texts.Range(func(query, text any) bool {
		all[text.(string)] = strings.Count(query.(string), "?")
		return true
	})
	return all
}

// Plan explains a statement of Statements whatever its values will be.
func (t *Tx) Plan(ctx context.Context, text string, values int) (string, error) {
	query, args := "EXPLAIN QUERY PLAN "+text, make([]any, values)
	if t.dialect.name == "postgres" {
		none := strings.TrimSuffix(strings.Repeat("NULL, ", values), ", ")
		if none != "" {
			none = "(" + none + ")"
		}
		// The simple protocol: the driver would prepare these statements, too, and keep them.
		for _, before := range []string{"SET LOCAL plan_cache_mode = force_generic_plan", "PREPARE asked AS " + text} {
			if _, err := t.on.ExecContext(ctx, before, pgx.QueryExecModeSimpleProtocol); err != nil {
				return "", err
			}
		}
		defer func() { _, _ = t.on.ExecContext(ctx, "DEALLOCATE asked", pgx.QueryExecModeSimpleProtocol) }()
		query, args = "EXPLAIN EXECUTE asked"+none, []any{pgx.QueryExecModeSimpleProtocol}
	}
	rows, err := t.on.QueryContext(ctx, query, args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var plan strings.Builder
	columns, err := rows.Columns()
	for err == nil && rows.Next() {
		line := ""
		cells := make([]any, len(columns))
		for n := range cells {
			cells[n] = new(any)
		}
		cells[len(cells)-1] = &line
		err = rows.Scan(cells...)
		plan.WriteString(line + "\n")
	}
	return plan.String(), errors.Join(err, rows.Err())
}

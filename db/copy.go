package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"techissue/newsletter"
)

// ErrNotEmpty says that the house to copy into holds something.
var ErrNotEmpty = errors.New("the house to copy into is not empty")

// copyChunk bounds the values of one INSERT: SQLite takes 32,766 of them.
const copyChunk = 20_000

// copyWeight bounds the bytes in them.
const copyWeight = 8 << 20

// Copied counts the rows of each table on both sides.
type Copied struct {
	Table    string
	From, To int64
}

// Copy copies every row of a house into another, empty one, from one moment of the first, whichever engine each has. Both must have this
// program's schema. progress is told of the rows of all tables. The counts are read from both sides afterwards.
func Copy(ctx context.Context, from, to *DB, progress func(done, total int64)) (counts []Copied, err error) {
	if err := errors.Join(from.CheckSchema(ctx), to.CheckSchema(ctx)); err != nil {
		return nil, err
	}
	tables, err := from.tablesInOrder(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	if err := to.emptyHouse(ctx, tables); err != nil {
		return nil, err
	}
	err = from.View(ctx, func(tx *Tx) error {
		var total, done int64
		for _, t := range tables {
			n, err := tx.countRows(ctx, t)
			if err != nil {
				return err
			}
			counts, total = append(counts, Copied{Table: t, From: n}), total+n
		}
		for _, t := range tables {
			if err := copyTable(ctx, tx, to, t, func(n int64) {
				done += n
				progress(done, total)
			}); err != nil {
				return fmt.Errorf("copy %s: %w", t, err)
			}
		}
		if err := copyWords(ctx, tx, to); err != nil {
			return fmt.Errorf("index what can be found: %w", err)
		}
		for _, t := range tables {
			if err := copySequence(ctx, tx, to, t); err != nil {
				return fmt.Errorf("copy the ids of %s: %w", t, err)
			}
		}
		return nil
	})
	if err != nil {
		return counts, err
	}
	return counts, to.View(ctx, func(tx *Tx) error {
		for i := range counts {
			var err error
			if counts[i].To, err = tx.countRows(ctx, counts[i].Table); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *Tx) countRows(ctx context.Context, table string) (n int64, err error) {
	return n, t.queryRow(ctx, `SELECT COUNT(*) FROM `+table).Scan(&n)
}

// tablesInOrder lists the house's tables, those that others refer to first.
func (d *DB) tablesInOrder(ctx context.Context) (ordered []string, err error) {
	var all []string
	refers := map[string][]string{}
	err = d.View(ctx, func(tx *Tx) error {
		rows, err := list(ctx, tx, func(r scanner) (s string, err error) { return s, r.Scan(&s) }, d.dialect.tables)
		if err != nil {
			return err
		}
		all = rows
		pairs, err := list(ctx, tx, func(r scanner) (p [2]string, err error) { return p, r.Scan(&p[0], &p[1]) }, d.dialect.references)
		for _, p := range pairs {
			refers[p[0]] = append(refers[p[0]], p[1])
		}
		return err
	})
	for len(all) > 0 && err == nil {
		n := len(all)
		all = slices.DeleteFunc(all, func(t string) bool {
			for _, other := range refers[t] {
				if other != t && !slices.Contains(ordered, other) {
					return false
				}
			}
			ordered = append(ordered, t)
			return true
		})
		if len(all) == n {
			err = fmt.Errorf("tables refer to each other: %v", all)
		}
	}
	return ordered, err
}

// emptyHouse takes what migrations put in away, and refuses a house in which somebody lives.
func (d *DB) emptyHouse(ctx context.Context, tables []string) error {
	return d.Update(ctx, func(tx *Tx) error {
		for _, t := range []string{"subscribers", "issues", "articles", "admins", "leavers", "suppressions"} {
			n, err := tx.countRows(ctx, t)
			if err != nil {
				return err
			}
			if n > 0 {
				return fmt.Errorf("%w: %d rows in %s", ErrNotEmpty, n, t)
			}
		}
		order := append(slices.Clone(tables), "search_words")
		for _, t := range slices.Backward(order) {
			if _, err := tx.exec(ctx, `DELETE FROM `+t); err != nil {
				return err
			}
		}
		return nil
	})
}

func copyTable(ctx context.Context, from *Tx, to *DB, table string, wrote func(int64)) error {
	rows, err := from.query(ctx, `SELECT * FROM `+table) // whatever the schema says: the other side has the same
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	insert := `INSERT INTO ` + table + ` ("` + strings.Join(names, `", "`) + `") VALUES `
	one := `(?` + strings.Repeat(", ?", len(names)-1) + `)`
	var values []any
	weight := 0 // bytes of pictures and editions
	flush := func() error {
		weight = 0
		n := len(values) / len(names)
		if n == 0 {
			return nil
		}
		err := to.Update(ctx, func(tx *Tx) error {
			_, err := tx.exec(ctx, insert+one+strings.Repeat(", "+one, n-1), values...)
			return err
		})
		values = values[:0]
		wrote(int64(n))
		return err
	}
	for rows.Next() {
		row := make([]any, len(names))
		into := make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for _, v := range row {
			if b, ok := v.([]byte); ok {
				weight += len(b)
			}
		}
		if values = append(values, row...); len(values)+len(names) > copyChunk || weight > copyWeight {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return flush()
}

// copyWords makes the full-text index anew: each engine has its own.
func copyWords(ctx context.Context, from *Tx, to *DB) error {
	type text struct {
		id          int64
		title, body string
	}
	for after := int64(0); ; {
		texts, err := list(ctx, from, func(r scanner) (t text, err error) {
			return t, r.Scan(&t.id, &t.title, &t.body)
		}, `SELECT doc_id, title, body FROM search_texts WHERE doc_id > ? ORDER BY doc_id LIMIT 200`, after)
		if err != nil || len(texts) == 0 {
			return err
		}
		err = to.Update(ctx, func(tx *Tx) error {
			for _, t := range texts {
				if err := tx.putWords(ctx, t.id, t.title, t.body); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		after = texts[len(texts)-1].id
	}
}

// copySequence carries over which id comes next: one that was given away and erased must not come again, tokens in old letters name it.
func copySequence(ctx context.Context, from *Tx, to *DB, table string) error {
	var last sql.NullInt64
	err := from.queryRow(ctx, from.dialect.lastID, table).Scan(&last)
	if newsletter.KindOf(err) == newsletter.NotFound || err == nil && !last.Valid {
		return nil // the table numbers nothing
	}
	if err != nil {
		return err
	}
	return to.Update(ctx, func(tx *Tx) error {
		for _, q := range strings.Split(to.dialect.setLastID, ";") {
			if _, err := tx.exec(ctx, strings.ReplaceAll(q, "{{table}}", "'"+table+"'"), last.Int64); err != nil {
				return err
			}
		}
		return nil
	})
}

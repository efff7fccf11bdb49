package db_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"techissue/db"
	"techissue/newsletter"
)

func TestErrorsHaveKinds(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		mine := errors.New("somebody else's")
		for _, row := range []struct {
			says string
			fn   func(*db.Tx) error
			want newsletter.Kind
		}{
			{"a name taken is a conflict", func(tx *db.Tx) error {
				_, err := tx.Insert(ctx, `INSERT INTO things (name) VALUES (?) RETURNING id`, "root?")
				return err
			}, newsletter.Conflict},
			{"an id taken is a conflict", func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO things (id, name) VALUES (1, 'x')`)
				return err
			}, newsletter.Conflict},
			{"no row is not found", func(tx *db.Tx) error {
				_, err := tx.Int(ctx, `SELECT n FROM things WHERE name = ?`, "nobody")
				return err
			}, newsletter.NotFound},
			{"a broken rule of the schema is ours to mend", func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO things (name) VALUES (NULL)`)
				return err
			}, newsletter.Internal},
			{"wrong SQL is ours to mend", func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `SELEKT`)
				return err
			}, newsletter.Internal},
			{"what the function says passes", func(*db.Tx) error {
				return &newsletter.Error{Kind: newsletter.Forbidden}
			}, newsletter.Forbidden},
		} {
			t.Run(row.says, func(t *testing.T) {
				err := d.Update(ctx, row.fn)
				if got := newsletter.KindOf(err); got != row.want {
					t.Errorf("%v, want %v: %v", got, row.want, err)
				}
			})
		}
		err := d.Update(ctx, func(tx *db.Tx) error {
			return tx.Swap(ctx, mine, `UPDATE things SET n = 1 WHERE name = ? AND n = 7`, "root?")
		})
		if !errors.Is(err, mine) {
			t.Errorf("a swap that meets no row gives %v", err)
		}
		if len(names(t, d)) != 0 {
			t.Errorf("failed changes left %v", names(t, d))
		}
	})
}

func TestViewChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		err := d.View(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO things (name) VALUES ('x')`)
			return err
		})
		if err == nil || len(names(t, d)) != 0 {
			t.Errorf("a view wrote %v (%v)", names(t, d), err)
		}
	})
}

func TestTransactionEndsWithItsFunction(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		var kept *db.Tx
		for _, begin := range []func(context.Context, func(*db.Tx) error) error{d.View, d.Update, d.Quick} {
			if err := begin(t.Context(), func(tx *db.Tx) error { kept = tx; return nil }); err != nil {
				t.Fatal(err)
			}
			if _, err := kept.Exec(t.Context(), `DELETE FROM things`); err == nil {
				t.Error("a statement ran after the end")
			}
			if _, err := kept.Int(t.Context(), `SELECT 1`); err == nil {
				t.Error("a query ran after the end")
			}
		}
	})
}

// Reading, deciding and writing in one Update is safe: nobody's step is lost.
func TestUpdatesAreSerial(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		const callers, steps = 6, 5
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range steps {
					err := d.Update(t.Context(), func(tx *db.Tx) error {
						n, err := tx.Int(t.Context(), `SELECT n FROM things WHERE name = ?`, "root?")
						if err != nil {
							return err
						}
						_, err = tx.Exec(t.Context(), `UPDATE things SET n = ? WHERE name = ?`, n+1, "root?")
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		err := d.View(t.Context(), func(tx *db.Tx) error {
			n, err := tx.Int(t.Context(), `SELECT n FROM things WHERE name = ?`, "root?")
			if n != callers*steps {
				t.Errorf("%d steps of %d were kept", n, callers*steps)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestPanicUndoesAndReachesItsCaller(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		func() {
			defer func() {
				if v := recover(); v != "oh" {
					t.Errorf("the caller saw %v", v)
				}
			}()
			_ = d.Update(t.Context(), func(tx *db.Tx) error {
				if _, err := tx.Exec(t.Context(), `INSERT INTO things (name) VALUES ('x')`); err != nil {
					return err
				}
				panic("oh")
			})
		}()
		if err := add(t.Context(), d, "next"); err != nil {
			t.Fatal(err)
		}
		if got := names(t, d); !slices.Equal(got, []string{"next"}) {
			t.Errorf("stored %v", got)
		}
	})
}

func TestDoneContextUndoes(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		err := d.Update(ctx, func(tx *db.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO things (name) VALUES ('x')`); err != nil {
				return err
			}
			cancel()
			_, err := tx.Exec(ctx, `INSERT INTO things (name) VALUES ('y')`)
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("gave %v", err)
		}
		if err := d.Update(ctx, func(*db.Tx) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("then gave %v", err)
		}
		if got := names(t, d); len(got) != 0 {
			t.Errorf("stored %v", got)
		}
	})
}

func TestPing(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		if err := d.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := d.Ping(t.Context()); err == nil {
			t.Error("a closed store answers")
		}
	})
}

func TestValuesComeBack(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		at := time.Date(2026, 11, 24, 9, 0, 0, 123e6, time.FixedZone("KST", 9*3600))
		err := d.Update(ctx, func(tx *db.Tx) error {
			for name, when := range map[string]time.Time{"now": at, "never": {}} {
				id, err := tx.Insert(ctx, `INSERT INTO things (name, at, body, on_, parent) VALUES (?, ?, ?, ?, ?) RETURNING id`,
					name, db.OrNull(when), []byte{0, 1, 255}, db.Flag(!when.IsZero()), db.IDOrNull(0))
				if err != nil || id < 2 {
					return fmt.Errorf("id %d: %w", id, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]time.Time{"now": at.UTC(), "never": {}} {
			err := d.View(ctx, func(tx *db.Tx) error {
				var when time.Time
				var body []byte
				var on bool
				parent := int64(9)
				err := tx.Row(ctx, `SELECT at, body, on_, parent FROM things WHERE name = ?`, name).
					Scan(db.AsTime(&when), &body, db.AsFlag(&on), db.AsID(&parent))
				if !reflect.DeepEqual(when, want) || !slices.Equal(body, []byte{0, 1, 255}) || on == want.IsZero() || parent != 0 {
					t.Errorf("%s: %v %v %v %d", name, when, body, on, parent)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}

func TestWordsOfQueries(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		for _, name := range []string{"Seoul 50%", "Seoul 50", "a_b", "axb", `a\b`} {
			if err := add(ctx, d, name); err != nil {
				t.Fatal(err)
			}
		}
		err := d.Quick(ctx, func(tx *db.Tx) error {
			for part, want := range map[string][]string{"seoul": {"Seoul 50", "Seoul 50%"}, "0%": {"Seoul 50%"}, "_": {"a_b"}, `\`: {`a\b`}} {
				got, err := tx.Texts(ctx, `SELECT name FROM things WHERE name {{like}} ? ESCAPE '\' ORDER BY name`, db.Contains(part))
				if err != nil {
					return err
				}
				if !slices.Equal(got, want) {
					t.Errorf("%q finds %v, want %v", part, got, want)
				}
			}
			n, err := tx.Int(ctx, `SELECT {{max}}(CAST(? AS {{bigint}}), 2) + {{min}}(1, 0) FROM things ORDER BY id LIMIT 1 {{skip_locked}}`, 5)
			if n != 5 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			now, err := tx.Int(ctx, `SELECT {{now_ms}}`)
			if age := time.Since(db.FromMS(now)); age < -time.Minute || age > time.Minute {
				t.Errorf("the engine's clock shows %v", db.FromMS(now))
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestTranslate(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ query, sqlite, postgres string }{
		{`a = ? AND b IN (?, ?)`, `a = ? AND b IN (?, ?)`, `a = $1 AND b IN ($2, $3)`},
		{`'it''s ?' || ? || "odd?"`, `'it''s ?' || ? || "odd?"`, `'it''s ?' || $1 || "odd?"`},
		{"? -- why?\n?", "? -- why?\n?", "$1 -- why?\n$2"},
		{`/* ? */ ?`, `/* ? */ ?`, `/* ? */ $1`},
		{`id {{id}}`, `id INTEGER PRIMARY KEY AUTOINCREMENT`, `id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY`},
		{`'{{id}}' {{strange}} '`, `'{{id}}' {{strange}} '`, `'{{id}}' {{strange}} '`},
		{``, ``, ``},
	} {
		if got := db.Translate("sqlite", row.query); got != row.sqlite {
			t.Errorf("SQLite reads %q as %q", row.query, got)
		}
		if got := db.Translate("postgres", row.query); got != row.postgres {
			t.Errorf("PostgreSQL reads %q as %q", row.query, got)
		}
	}
	if got := db.Marks(3); got != "?, ?, ?" {
		t.Error(got)
	}
}

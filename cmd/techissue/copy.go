package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"techissue/db"
	"techissue/newsletter"
)

func (c *cli) copyHouse() *cobra.Command {
	return &cobra.Command{
		Use: "copy FROM TO", Short: "Copy one house into another, empty one, on either engine; the copy sends nothing until it is woken",
		Long: `Copy one house into another, empty one. FROM and TO are paths of SQLite files or postgres:// URLs. The counts of every table must agree at
the end. The copy sends nothing until "techissue wake --yes": stop the original first, or readers get everything twice. Uploads and
the secret stay where they are: use the same TECHISSUE_DATA, and with PostgreSQL set TECHISSUE_SECRET to the secret in the data folder.`,
		Example: "  techissue copy ./data/techissue.db postgres://letter:password@db/letter\n  techissue copy postgres://letter:password@db/letter /srv/letter/techissue.db",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.settings()
			if err != nil {
				return err
			}
			if args[0] == args[1] {
				return usage("FROM and TO are the same house")
			}
			counts, err := copyInto(cmd.Context(), newLog(cfg), args[0], args[1])
			if errors.Is(err, db.ErrNotEmpty) {
				return &exitError{code: exitConfig, err: err}
			}
			if err != nil {
				return err
			}
			return c.copied(counts)
		},
	}
}

func copyInto(ctx context.Context, log *slog.Logger, fromURL, toURL string) ([]db.Copied, error) {
	from, err := db.Open(ctx, db.Options{URL: fromURL, MustExist: true, Now: now, Log: log})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", hidden(fromURL), err)
	}
	defer from.Close()
	to, err := db.Open(ctx, db.Options{URL: toURL, Now: now, Log: log})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", hidden(toURL), err)
	}
	defer to.Close()
	if err := to.Migrate(ctx); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", hidden(toURL), err)
	}
	b := newBar("copy", os.Stderr)
	defer b.leave()
	counts, err := db.Copy(ctx, from, to, func(done, total int64) { b.show(done, total, "") })
	if err != nil {
		return nil, err
	}
	if err := newsletter.RestCopy(ctx, db.Store{DB: to}, now()); err != nil {
		return nil, err
	}
	if to.Path() == "" {
		return counts, nil
	}
	return counts, writeLeavers(ctx, to, filepath.Join(filepath.Dir(to.Path()), "leavers.log"))
}

// hidden is an address without its password.
func hidden(url string) string {
	if db.IsPostgres(url) {
		return "the PostgreSQL database"
	}
	return url
}

// writeLeavers makes the log that a SQLite house has beside it out of the table; one that is there is kept.
func writeLeavers(ctx context.Context, d *db.DB, path string) error {
	if exists(path) {
		return nil
	}
	var all []newsletter.Leaver
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		all, err = tx.Leavers(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("read who left: %w", err)
	}
	return (&leaversFile{path: path}).Append(ctx, all...)
}

func (c *cli) copied(counts []db.Copied) error {
	var views []map[string]any
	var rows [][]any
	differ := 0
	for _, n := range counts {
		views = append(views, map[string]any{"table": n.Table, "from": n.From, "to": n.To})
		rows = append(rows, []any{n.Table, grouped(n.From), grouped(n.To)})
		if n.From != n.To {
			differ++
		}
	}
	if err := c.print(map[string]any{"tables": views}, func() { columns([]any{"table", "from", "to"}, rows) }); err != nil {
		return err
	}
	if differ > 0 {
		return fmt.Errorf("the counts of %d tables do not agree: throw the copy away and try again while nothing changes", differ)
	}
	fmt.Fprintln(os.Stderr, "all counts agree; the copy is at rest: stop the original, then techissue wake --yes")
	return nil
}

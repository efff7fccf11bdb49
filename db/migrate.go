package db

import (
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"techissue/newsletter"
)

//go:embed migrations/*.sql
var files embed.FS

func embedded() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// backupMark is what the name of the copy made before a migration has behind the database's.
const backupMark = ".before-v"

// NewerSchema tells that a newer program has changed this database.
type NewerSchema struct {
	Have, Know int64
}

func (e *NewerSchema) Error() string {
	return fmt.Sprintf("the database has schema %d, this program knows %d: run the newer program, or restore a backup made before", e.Have, e.Know)
}

// OlderSchema tells that migrations are pending.
type OlderSchema struct {
	Have, Know int64
}

func (e *OlderSchema) Error() string {
	return fmt.Sprintf("the database has schema %d, this program needs %d: run `techissue migrate`", e.Have, e.Know)
}

// Migration is one step of the schema.
type Migration struct {
	Version   int64
	Name      string
	AppliedAt time.Time // zero: pending
}

// CheckSchema compares the database with this program: nil, or an Unavailable error that
// holds *NewerSchema or *OlderSchema.
func (d *DB) CheckSchema(ctx context.Context) error {
	have, know, err := d.versions(ctx)
	switch {
	case err != nil:
		return err
	case have > know:
		return unavailable(&NewerSchema{have, know})
	case have < know:
		return unavailable(&OlderSchema{have, know})
	}
	return nil
}

// Migrate brings the schema up to date, each step in its own transaction. Of a SQLite
// file that holds something a copy is made first. Several machines may call it at once.
// A newer schema is refused with *NewerSchema.
func (d *DB) Migrate(ctx context.Context) error {
	have, know, err := d.versions(ctx)
	if err != nil {
		return err
	}
	if have > know {
		return unavailable(&NewerSchema{have, know})
	}
	if have == know {
		return nil
	}
	if d.writer != nil {
		done, err := d.aloneToMigrate(ctx)
		if done || err != nil {
			return err
		}
		defer d.use.share()
		if have > 0 {
			copied := d.path + backupMark + strconv.FormatInt(know, 10)
			if err := d.Backup(ctx, copied); err != nil {
				return fmt.Errorf("copy the database before migrating: %w", err)
			}
			d.log.Info("database copied before migrating", "to", copied)
		}
	}
	p, err := d.provider()
	if err != nil {
		return err
	}
	applied, err := p.Up(ctx)
	for _, m := range applied {
		d.log.Info("migration applied", "version", m.Source.Version, "took", m.Duration.Round(time.Millisecond))
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", d.dialect.wrap(err))
	}
	return nil
}

// aloneToMigrate waits until nobody else has the SQLite file open, or somebody else has
// done the work.
func (d *DB) aloneToMigrate(ctx context.Context) (done bool, err error) {
	err = d.use.poll(ctx, syscall.LOCK_EX, func() (bool, error) {
		have, know, err := d.versions(ctx)
		done = err == nil && have == know
		return done, err
	})
	if done || err != nil {
		d.use.share()
	}
	if err != nil {
		return false, fmt.Errorf("migrate: %w", unavailable(err))
	}
	return done, nil
}

// MigrationStatus lists all steps this program knows, in order, changing nothing.
func (d *DB) MigrationStatus(ctx context.Context) ([]Migration, error) {
	p, err := d.provider()
	if err != nil {
		return nil, err
	}
	applied := map[int64]time.Time{}
	if have, _, err := d.versions(ctx); err != nil {
		return nil, err
	} else if have > 0 {
		states, err := p.Status(ctx)
		if err != nil {
			return nil, fmt.Errorf("migration status: %w", d.dialect.wrap(err))
		}
		for _, s := range states {
			if s.State == goose.StateApplied {
				applied[s.Source.Version] = s.AppliedAt.UTC()
			}
		}
	}
	var all []Migration
	for _, s := range p.ListSources() {
		all = append(all, Migration{Version: s.Version, Name: path.Base(s.Path), AppliedAt: applied[s.Version]})
	}
	return all, nil
}

// versions tells the schema of the database, 0 when it has none, and the newest one known.
// goose would create its table where it is missing; who only asks changes nothing.
func (d *DB) versions(ctx context.Context) (have, know int64, err error) {
	p, err := d.provider()
	if err != nil {
		return 0, 0, err
	}
	sources := p.ListSources()
	know = sources[len(sources)-1].Version
	var tables int
	if err := d.pool.QueryRowContext(ctx, d.dialect.hasVersions).Scan(&tables); err != nil {
		return 0, 0, fmt.Errorf("read the schema's version: %w", d.dialect.wrap(err))
	}
	if tables == 0 {
		return 0, know, nil
	}
	have, _, err = p.GetVersions(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("read the schema's version: %w", d.dialect.wrap(err))
	}
	return have, know, nil
}

func (d *DB) provider() (*goose.Provider, error) {
	opts := []goose.ProviderOption{goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true)}
	if d.writer == nil {
		// An advisory lock, asked for every second for five minutes: one machine migrates.
		l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, fmt.Errorf("read the migrations: %w", err)
		}
		opts = append(opts, goose.WithSessionLocker(l))
	}
	p, err := goose.NewProvider(d.dialect.goose, d.one, wordsFS{d.migrations, d.dialect}, opts...)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return p, nil
}

// wordsFS gives the migrations in the words of one engine.
type wordsFS struct {
	fs.FS
	dialect *dialect
}

func (w wordsFS) Open(name string) (fs.File, error) {
	f, err := w.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return f, err
	}
	raw, err := io.ReadAll(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	text := string(raw)
	for word, means := range w.dialect.words {
		text = strings.ReplaceAll(text, "{{"+word+"}}", means)
	}
	if _, rest, found := strings.Cut(text, "{{"); found {
		f.Close()
		word, _, _ := strings.Cut(rest, "}}")
		return nil, &newsletter.Error{Err: fmt.Errorf("%s: no word {{%s}}", name, word), Kind: newsletter.Internal}
	}
	return &textFile{f, strings.NewReader(text)}, nil
}

type textFile struct {
	fs.File
	text io.Reader
}

func (f *textFile) Read(b []byte) (int, error) { return f.text.Read(b) }

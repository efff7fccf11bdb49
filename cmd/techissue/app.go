package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"techissue/db"
	"techissue/handlers"
	"techissue/mailer"
	"techissue/newsletter"
	"techissue/templates"
)

// app is the wired house, as much of it as a command needs.
type app struct {
	cfg     *Config
	log     *slog.Logger
	lock    *db.FolderLock // held by whoever drives the mailer
	db      *db.DB
	store   db.Store
	svc     *newsletter.Service
	keys    newsletter.Keyring
	mails   *templates.Mails
	letters *mailer.Letters
	leavers *leaversFile  // nil with PostgreSQL, where the table does
	queue   *mailer.Queue // nil unless this process drives the mailer
	metrics *metrics
	pulse   pulse
	files   *db.Files // pictures
	sender  atomic.Pointer[[]newsletter.Check]
}

// settings reads the configuration and tells its warnings.
func (c *cli) settings() (*Config, error) {
	flags := map[string]string{}
	if c.data != "" {
		flags[prefix+"DATA"] = c.data
	}
	cfg, warnings, err := loadConfig(os.Environ(), c.envFile, flags)
	for _, w := range warnings {
		fmt.Fprintln(os.Stderr, "warning: "+w)
	}
	return cfg, err
}

func newLog(cfg *Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // judged already
	terminal := term.IsTerminal(int(os.Stderr.Fd()))
	if cfg.Log == "text" || cfg.Log == "auto" && terminal {
		return slog.New(tint.NewTextHandler(os.Stderr, &tint.Options{Level: level, NoColor: !terminal || os.Getenv("NO_COLOR") != ""}))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// open wires a house for a command that works beside a running mailer.
func (c *cli) open(ctx context.Context) (*app, error) {
	cfg, err := c.settings()
	if err != nil {
		return nil, err
	}
	return openApp(ctx, cfg, newLog(cfg), false)
}

// openApp opens the store, brings its schema up to date and wires the parts. With drive it locks the folder and prepares a queue.
func openApp(ctx context.Context, cfg *Config, log *slog.Logger, drive bool) (a *app, err error) {
	a = &app{cfg: cfg, log: log}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if drive {
		if a.lock, err = db.LockFolder(cfg.Data); err != nil {
			return a, err
		}
	}
	secrets, err := a.secrets()
	if err != nil {
		return a, err
	}
	options := db.Options{URL: cfg.database(), Folder: a.lock, Now: now, Log: log}
	if !cfg.postgres() {
		a.leavers = &leaversFile{path: filepath.Join(cfg.Data, "leavers.log")}
		options.Leavers = a.leavers
	}
	a.db, err = db.Open(ctx, options)
	if err != nil {
		return a, fmt.Errorf("open database: %w", err)
	}
	a.store, a.metrics = db.Store{DB: a.db}, newMetrics(a.db, now)
	if err := a.prepareSchema(ctx, drive); err != nil {
		return a, err
	}
	var stored []newsletter.TokenKey
	err = a.store.View(ctx, func(tx newsletter.Tx) (err error) {
		stored, err = tx.TokenKeys(ctx)
		return err
	})
	if err != nil {
		return a, fmt.Errorf("read keys: %w", err)
	}
	if a.keys, err = newsletter.NewKeyring(secrets, stored); err != nil {
		return a, fmt.Errorf("make keys: %w", err)
	}
	return a, a.wire(ctx)
}

// prepareSchema migrates where nobody else has the file open: a command beside a running server only checks.
func (a *app) prepareSchema(ctx context.Context, drive bool) error {
	err := a.db.CheckSchema(ctx)
	var older *db.OlderSchema
	if err == nil || !errors.As(err, &older) {
		return err
	}
	if drive || a.cfg.postgres() {
		return a.db.Migrate(ctx)
	}
	lock, err := db.LockFolder(a.cfg.Data)
	if err != nil {
		return err
	}
	defer lock.Release()
	return a.db.Migrate(ctx)
}

func (a *app) wire(ctx context.Context) (err error) {
	if a.mails, err = templates.NewMails(); err != nil {
		return err
	}
	keyring := func() newsletter.Keyring { return a.keys }
	a.letters = &mailer.Letters{Mails: a.mails, Keys: keyring, Location: a.cfg.loc, DKIM: a.cfg.dkim, Now: now}
	if a.files, err = db.OpenFiles(filepath.Join(a.cfg.Data, "uploads")); err != nil {
		return err
	}
	var leavers newsletter.LeaversLog
	if a.leavers != nil {
		leavers = a.leavers
	}
	a.svc, err = newsletter.NewService(ctx, newsletter.Options{
		Store: a.store, Keys: keyring, Now: now, Log: a.log, House: a.cfg.house(), Renderer: a.letters, Links: a.letters.Links, Leavers: leavers, Files: a.files,
		Passwords: handlers.NewPasswords(), SendingRefused: a.cfg.sendingRefused,
		Sender: a.senderChecks, DefaultUncertain: newsletter.UncertainPolicy(a.cfg.Uncertain), Wake: a.wake, Location: a.cfg.loc, FeedbackWays: a.cfg.feedbackWays(),
		FeedbackDoors: a.cfg.feedbackDoors(),
	})
	if err != nil {
		return err
	}
	a.letters.House, a.letters.Snapshot = a.svc.House, a.svc.SnapshotByID
	return nil
}

func (a *app) wake() {
	if a.queue != nil {
		a.queue.Wake()
	}
}

// newQueue makes the queue of this process. It needs a transport.
func (a *app) newQueue(mend func(*mailer.Options)) {
	host, _ := os.Hostname()
	o := mailer.Options{
		Store: a.store, Advance: a.pulse.around(a.svc.Advance), Composer: a.letters, Now: now, Log: a.log,
		Node: fmt.Sprintf("%s/%d", host, os.Getpid()), Alone: !a.cfg.postgres(), Connections: a.cfg.SMTPConnections, Rate: a.cfg.SMTPRate,
		Grace: a.cfg.StopGrace,
	}
	if a.cfg.relay != nil {
		relay := *a.cfg.relay
		relay.Counter = a.metrics
		o.Route = func() mailer.Transport { return relay }
	}
	if mend != nil {
		mend(&o)
	}
	a.queue = mailer.NewQueue(o)
}

// runQueue drives the mailer until ctx is done. No letter leaves before the database was found whole.
func (a *app) runQueue(ctx context.Context) error {
	if err := a.db.Verified(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("the mailer does not start: %w", err)
	}
	if err := a.reconcileLeavers(ctx); err != nil {
		return fmt.Errorf("the mailer does not start: read leavers.log: %w", err)
	}
	return a.queue.Run(ctx)
}

func (a *app) close() {
	if a.svc != nil {
		if err := a.svc.FlushViews(context.Background()); err != nil {
			a.log.Error("flush views", "err", err)
		}
		if err := a.svc.FlushHits(context.Background()); err != nil {
			a.log.Error("flush hits", "err", err)
		}
	}
	if a.db != nil {
		if a.files != nil {
			_ = a.files.Close() // a folder that was only read and written by whole files
		}
		if err := a.db.Close(); err != nil {
			a.log.Error("close database", "err", err)
		}
	}
	if a.lock != nil {
		a.lock.Release()
	}
}

// secrets are the settings', or one generated once beside the database.
func (a *app) secrets() ([]string, error) {
	if a.cfg.Secret != "" {
		return strings.Split(a.cfg.Secret, ","), nil
	}
	path := filepath.Join(a.cfg.Data, "secret")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		fresh := make([]byte, 32)
		rand.Read(fresh)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return a.secrets() // another process was faster
		}
		if err != nil {
			return nil, fmt.Errorf("write the secret: %w", err)
		}
		defer f.Close()
		if _, err := f.WriteString(hex.EncodeToString(fresh) + "\n"); err != nil {
			return nil, fmt.Errorf("write the secret: %w", err)
		}
		return []string{hex.EncodeToString(fresh)}, f.Sync()
	}
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	return []string{strings.TrimSpace(string(raw))}, nil
}

// parseTime takes RFC 3339, or a local time of the house: 2026-12-01 08:00.
func parseTime(s string, loc *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usage("%q is no time: write 2026-12-01 08:00 or 2026-12-01T08:00:00+09:00", s)
}

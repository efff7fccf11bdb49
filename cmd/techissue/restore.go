package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"techissue/db"
	"techissue/newsletter"
)

func (c *cli) restore() *cobra.Command {
	var verify bool
	var leavers string
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Make a house out of a backup; nothing in it is sent until a person says so", Args: cobra.ExactArgs(1),
		Long: `Make a house out of a backup. What was there is moved aside, never deleted. Issues that were on their way are paused with the alert
"restored" and go on by "techissue issue resume N". Who left after the backup is taken from the newest leavers.log at hand: the folder's
own, or the one named by --leavers. When none reaches up to now, every new issue is blocked until "techissue leavers import FILE" or
"techissue leavers confirm".`,
		Example: "  techissue restore letter-2026-11-27.tar.gz --verify      # only try it, in a temporary place\n  techissue restore last.tar.gz --leavers leavers.log     # on the new machine",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.settingsToRestore()
			if err != nil {
				return err
			}
			if !exists(args[0]) {
				return usage("%s is not there", args[0])
			}
			if verify {
				return c.verifyBackup(cmd.Context(), cfg, args[0])
			}
			if leavers != "" && !exists(leavers) {
				return usage("--leavers: %s is not there", leavers)
			}
			r := &restorer{cfg: cfg, log: newLog(cfg), file: args[0], leavers: leavers, yes: c.yes}
			if err := r.run(cmd.Context()); err != nil {
				return err
			}
			return c.print(r.view(), func() { r.tell(os.Stdout) })
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "restore to a temporary place and run doctor on it; this house is not touched")
	cmd.Flags().StringVar(&leavers, "leavers", "", "the newest leavers.log of the house, from where it lived last")
	return cmd
}

// settingsToRestore forgives a DKIM key that is not there yet: it may be in the backup.
func (c *cli) settingsToRestore() (*Config, error) {
	cfg, err := c.settings()
	var faults settingFaults
	if errors.As(err, &faults) && cfg != nil && cfg.DKIMKeyFile != "" && !exists(cfg.DKIMKeyFile) {
		faults = slices.DeleteFunc(faults, func(f settingFault) bool { return f.name == prefix+"DKIM_KEY_FILE" })
		if err = nil; len(faults) > 0 {
			err = faults
		}
	}
	if err == nil && cfg.postgres() {
		return nil, usage("a PostgreSQL database is restored with pg_restore; techissue copy moves a house from one engine to the other")
	}
	return cfg, err
}

// restorer takes a backup into use: it is unpacked, judged and made ready beside the data, and moved into place at the end.
type restorer struct {
	cfg           *Config
	log           *slog.Logger
	file, leavers string
	yes           bool

	manifest manifest
	done     newsletter.Restoration
	aside    string // where the old house is now
	dkim     string // where the DKIM key was put
}

func (r *restorer) run(ctx context.Context) (err error) {
	if err := os.MkdirAll(r.cfg.Data, 0o700); err != nil {
		return err
	}
	lock, err := db.LockFolder(r.cfg.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if there := r.present(); len(there) > 0 && !r.yes {
		return &exitError{code: exitConfig, err: fmt.Errorf("%s holds a house (%s): with --yes it is moved aside", r.cfg.Data, strings.Join(there, ", "))}
	}
	stage, err := os.MkdirTemp(r.cfg.Data, ".restore-")
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer os.RemoveAll(stage)
	if r.manifest, err = unpack(ctx, r.file, stage); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := r.prepare(ctx, stage); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := r.moveAside(); err != nil {
		return fmt.Errorf("restore: move the old house aside: %w", err)
	}
	if err := r.moveIn(stage); err != nil {
		return fmt.Errorf("restore: move the new house in: %w", err)
	}
	return nil
}

// present names what of a house is in the folder.
func (r *restorer) present() (names []string) {
	for _, p := range r.places() {
		if exists(p) {
			names = append(names, filepath.Base(p))
		}
	}
	return names
}

// places are the files of a house, the database first.
func (r *restorer) places() []string {
	d := r.cfg.database()
	return []string{d, d + "-wal", d + "-shm", d + "-journal", filepath.Join(r.cfg.Data, archiveSecret), filepath.Join(r.cfg.Data, archiveLeavers), filepath.Join(r.cfg.Data, "uploads")}
}

// prepare judges the unpacked house, brings its schema up to date and applies who left since.
func (r *restorer) prepare(ctx context.Context, stage string) error {
	cfg := staged(r.cfg, stage)
	if err := r.giveKeys(ctx, cfg); err != nil {
		return err
	}
	a, err := openApp(ctx, cfg, r.log, true)
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.db.Verified(ctx); err != nil {
		return err
	}
	lines, known, err := r.whoLeft(a, stage)
	if err != nil {
		return err
	}
	if r.done, err = a.svc.Restore(ctx, lines.lines, known); err != nil {
		return err
	}
	own, err := readLeavers(a.leavers.path)
	if err != nil {
		return err
	}
	return a.leavers.Append(ctx, own.lacks(lines)...)
}

// staged is the configuration of a house in another folder.
func staged(cfg *Config, folder string) *Config {
	other := *cfg
	other.Data, other.DB = folder, ""
	return &other
}

// giveKeys puts back what backup --without-keys left out, from the house that is still in the folder.
func (r *restorer) giveKeys(ctx context.Context, cfg *Config) error {
	fresh, err := db.Open(ctx, db.Options{URL: cfg.database(), MustExist: true, Now: now, Log: r.log})
	if err != nil {
		return err
	}
	defer fresh.Close()
	var newer *db.NewerSchema
	if err := fresh.CheckSchema(ctx); errors.As(err, &newer) {
		return err
	}
	keys, err := fresh.ReadKeys(ctx)
	if err != nil || keys.Address != nil {
		return err
	}
	old, err := db.Open(ctx, db.Options{URL: r.cfg.database(), MustExist: true, Now: now, Log: r.log})
	if err != nil {
		return db.ErrNoKeys
	}
	defer old.Close()
	if keys, err = old.ReadKeys(ctx); err != nil || keys.Address == nil {
		return db.ErrNoKeys
	}
	if err := fresh.PutKeys(ctx, keys); err != nil {
		return err
	}
	secret, err := os.ReadFile(filepath.Join(r.cfg.Data, archiveSecret))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // in the environment
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(cfg.Data, archiveSecret), secret, 0o600)
}

// whoLeft reads every log at hand and tells up to when they know, zero when that is up to now. The log in the folder is alive until its house is replaced; a log
// named by hand reaches to its last mark, since it may be an old copy; the one in the backup ends with the backup.
func (r *restorer) whoLeft(a *app, stage string) (all leaversLog, known time.Time, err error) {
	own, err := readLeavers(filepath.Join(stage, archiveLeavers))
	if err != nil {
		return all, known, err
	}
	mine := leaversLog{house: a.svc.HouseMark(), lines: own.lines}
	known, complete := r.manifest.LeaversUntil, false
	logs := []leaversLog{own}
	if path := filepath.Join(r.cfg.Data, archiveLeavers); exists(path) {
		here, err := readLeavers(path)
		if err != nil {
			return all, known, err
		}
		if mine.kin(here) {
			logs, complete = append(logs, here), true
		}
	}
	if r.leavers != "" {
		given, err := readLeavers(r.leavers)
		if err != nil {
			return all, known, err
		}
		if !mine.kin(given) {
			return all, known, fmt.Errorf("%s is the leavers' log of another house", r.leavers)
		}
		complete = complete || now().Sub(given.until) < markPatient
		if logs = append(logs, given); given.until.After(known) {
			known = given.until
		}
	}
	if complete {
		known = time.Time{}
	}
	return leaversLog{lines: mergeLeavers(logs...)}, known, nil
}

// moveAside keeps the old house, in a folder of its own beside the database and the data.
func (r *restorer) moveAside() error {
	stamp := "replaced-" + now().In(r.cfg.loc).Format("20060102-150405")
	for _, p := range r.places() {
		if !exists(p) {
			continue
		}
		folder := filepath.Join(filepath.Dir(p), stamp)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		if err := os.Rename(p, filepath.Join(folder, filepath.Base(p))); err != nil {
			return err
		}
		r.aside = folder
	}
	return nil
}

// moveIn puts the database last: without it no command takes the folder for a whole house.
func (r *restorer) moveIn(stage string) error {
	for _, name := range []string{archiveSecret, archiveLeavers, "uploads"} {
		if from := filepath.Join(stage, name); exists(from) {
			if err := os.Rename(from, filepath.Join(r.cfg.Data, name)); err != nil {
				return err
			}
		}
	}
	if from := filepath.Join(stage, archiveDKIM); exists(from) {
		to := filepath.Join(r.cfg.Data, archiveDKIM)
		if r.cfg.DKIMKeyFile != "" {
			to = r.cfg.DKIMKeyFile
		}
		if !exists(to) {
			if err := os.Rename(from, to); err != nil {
				return err
			}
			r.dkim = to
		}
	}
	if err := os.MkdirAll(filepath.Dir(r.cfg.database()), 0o700); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(stage, archiveDatabase), r.cfg.database()); err != nil {
		return err
	}
	return errors.Join(syncFolder(r.cfg.Data), syncFolder(filepath.Dir(r.cfg.database())))
}

func (r *restorer) view() map[string]any {
	v := map[string]any{
		"at": r.manifest.At, "issues": r.done.Issues, "single_letters": r.done.Notices, "left_since": r.done.Leavers, "moved_aside": r.aside,
		"leavers_unknown": !r.done.Rest.LeaversFrom.IsZero(),
	}
	if r.done.Issues == nil {
		v["issues"] = []int{}
	}
	return v
}

func (r *restorer) tell(out *os.File) {
	fmt.Fprintf(out, "restored: the house as it was at %s\n", r.manifest.At.In(r.cfg.loc).Format(time.DateTime))
	if r.aside != "" {
		fmt.Fprintf(out, "the old one lies in %s; delete it when all is well, it holds addresses\n", r.aside)
	}
	fmt.Fprintf(out, "left since: %s\n", plural(int64(r.done.Leavers), "reader"))
	for _, n := range r.done.Issues {
		fmt.Fprintf(out, "issue %d is paused: look at it, then techissue issue resume %d\n", n, n)
	}
	if r.done.Notices > 0 {
		fmt.Fprintf(out, "%s will not be sent: they may have left after the backup\n", plural(r.done.Notices, "single letter"))
	}
	if g := r.done.Rest; !g.LeaversFrom.IsZero() {
		fmt.Fprintf(out, "nobody knows who left between %s and %s: new issues are blocked until techissue leavers import FILE, or techissue leavers confirm\n",
			g.LeaversFrom.In(r.cfg.loc).Format(time.DateTime), g.LeaversUntil.In(r.cfg.loc).Format(time.DateTime))
	}
	if !r.manifest.Keys {
		fmt.Fprintln(out, "the backup carried no keys; those of this folder are used")
	}
	if r.dkim != "" && r.cfg.dkim == nil {
		fmt.Fprintf(out, "the DKIM key lies in %s: set TECHISSUE_DKIM_DOMAIN=%s TECHISSUE_DKIM_SELECTOR=%s TECHISSUE_DKIM_KEY_FILE=%s\n", r.dkim, r.manifest.DKIMDomain, r.manifest.DKIMSelector, r.dkim)
	}
}

// verifyBackup restores to a temporary place, looks at it as doctor does, and notes in this house that it did.
func (c *cli) verifyBackup(ctx context.Context, cfg *Config, file string) error {
	checks, err := examineBackup(ctx, cfg, file)
	if err != nil {
		noteVerified(ctx, cfg, file, err.Error())
		return err
	}
	_, _, failed := levels(checks)
	fault := ""
	if failed > 0 {
		fault = fmt.Sprintf("%d checks failed", failed)
	}
	noteVerified(ctx, cfg, file, fault)
	if err := c.print(map[string]any{"checks": checks}, func() { printChecks(os.Stdout, checks, colours(os.Stdout)) }); err != nil {
		return err
	}
	if failed > 0 {
		return &exitError{code: exitFailed, said: true}
	}
	return nil
}

func examineBackup(ctx context.Context, cfg *Config, file string) ([]check, error) {
	place, err := os.MkdirTemp("", "techissue-verify-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(place)
	m, err := unpack(ctx, file, place)
	if err != nil {
		return nil, err
	}
	d := newDoctor(staged(cfg, place), nil)
	d.offline = true
	d.checks = []check{}
	d.ok("backup", "backup", "of %s, every checksum matches", m.At.In(cfg.loc).Format(time.DateTime))
	if !m.Keys {
		d.warn("backup", "keys", "it can be restored onto the folder of its own house only", "it carries no keys")
	}
	if _, err := readLeavers(filepath.Join(place, archiveLeavers)); err != nil {
		d.fail("backup", "leavers", "make a new backup", "%v", err)
	}
	d.examineCopy(ctx, m)
	return d.checks, nil
}

// noteVerified tells the house, where there is one, which of its backups was read back.
func noteVerified(ctx context.Context, cfg *Config, file, fault string) {
	path, err := filepath.Abs(file)
	if err != nil || !exists(cfg.database()) {
		return
	}
	d, err := db.Open(ctx, db.Options{URL: cfg.database(), MustExist: true, Now: now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return
	}
	defer d.Close()
	if d.CheckSchema(ctx) != nil {
		return
	}
	_ = db.Store{DB: d}.Update(ctx, func(tx newsletter.Tx) error { // a note that fails changes nothing about the backup
		all, err := tx.Backups(ctx, 1000)
		if err != nil {
			return err
		}
		for _, b := range all {
			if b.Path == path {
				b.VerifiedAt, b.Fault = now(), fault
				return tx.PutBackup(ctx, &b)
			}
		}
		return nil
	})
}

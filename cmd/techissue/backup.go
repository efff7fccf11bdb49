package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"techissue/db"
	"techissue/newsletter"
)

// backupOptions say what goes into a backup.
type backupOptions struct {
	kind string // manual, scheduled, final
	keys bool
}

func (c *cli) backup() *cobra.Command {
	var final, withoutKeys bool
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write database, uploads, keys and leavers' log into one file while all is in use", Args: cobra.ExactArgs(1),
		Long: `Write database, uploads, keys and leavers' log into one file while all is in use. The file is compressed when its name ends in .gz or .tgz.

With --final the house goes to rest: it sends nothing more, sign-up says that it is moving, unsubscribes are still heard and go to
leavers.log, which restore --leavers takes over. It wakes only by "techissue wake --yes".`,
		Example: "  techissue backup /backup/letter-$(date +%F).tar.gz\n  techissue backup --final /backup/last.tar.gz",
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			if a.cfg.postgres() {
				return usage("a PostgreSQL database is backed up with pg_dump; techissue copy moves the house into a SQLite file")
			}
			o := backupOptions{kind: "manual", keys: !withoutKeys}
			if final {
				if withoutKeys {
					return usage("--final without keys would leave the house with no way back")
				}
				o.kind = "final"
				if err := a.retire(ctx); err != nil {
					return err
				}
			}
			b, err := a.writeBackup(ctx, args[0], o)
			if err != nil {
				return err
			}
			view := map[string]any{"path": b.Path, "bytes": b.Bytes, "at": b.At, "kind": b.Kind, "keys": o.keys}
			return c.print(view, func() {
				fmt.Printf("written: %s (%s)\n", args[0], bytesText(uint64(b.Bytes)))
				fmt.Fprintln(os.Stderr, backupAdvice(o))
			})
		}),
	}
	cmd.Flags().BoolVar(&final, "final", false, "put the house to rest before: it is moving")
	cmd.Flags().BoolVar(&withoutKeys, "without-keys", false, "leave the secret, the address-hash key and the DKIM key out")
	return cmd
}

func backupAdvice(o backupOptions) string {
	switch {
	case o.kind == "final":
		return "the house is at rest: it sends nothing, and unsubscribes go to leavers.log. At the new place: techissue restore FILE --leavers leavers.log"
	case !o.keys:
		return "it holds no keys: it can be restored onto the folder of this house only"
	}
	return "it holds the keys and every address: keep it where nobody else reads it, and try it: techissue restore FILE --verify"
}

// retire puts the house to rest and waits for letters on the wire, so that the last backup has no doubt in it.
func (a *app) retire(ctx context.Context) error {
	if err := a.svc.PutToRest(ctx, actorCLI, newsletter.RestFinal); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.StopGrace)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var open int64
		err := a.db.View(ctx, func(tx *db.Tx) (err error) {
			open, err = tx.InFlight(ctx)
			return err
		})
		if err != nil || open == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				fmt.Fprintf(os.Stderr, "warning: %d letters are still on the wire; in the backup they are in doubt\n", open)
				return nil
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// writeBackup writes dest, replacing a file of that name when the new one is whole and on disk, and notes it in the house.
func (a *app) writeBackup(ctx context.Context, dest string, o backupOptions) (b newsletter.Backup, err error) {
	if dest, err = filepath.Abs(dest); err != nil {
		return b, err
	}
	b = newsletter.Backup{At: now(), Path: dest, Kind: o.kind}
	work, err := os.MkdirTemp(filepath.Dir(dest), ".techissue-backup-")
	if err != nil {
		return b, fmt.Errorf("back up: %w", err)
	}
	defer os.RemoveAll(work)
	part := filepath.Join(work, "part")
	if err := a.packHouse(ctx, part, dest, work, o, b.At); err != nil {
		return b, fmt.Errorf("back up: %w", err)
	}
	info, err := os.Stat(part)
	if err != nil {
		return b, fmt.Errorf("back up: %w", err)
	}
	if err := os.Rename(part, dest); err != nil {
		return b, fmt.Errorf("back up: %w", err)
	}
	if err := syncFolder(filepath.Dir(dest)); err != nil {
		return b, fmt.Errorf("back up: %w", err)
	}
	b.Bytes = info.Size()
	err = a.store.Update(ctx, func(tx newsletter.Tx) error {
		b.ID = 0
		return tx.PutBackup(ctx, &b)
	})
	return b, err
}

// packHouse writes the archive. The leavers' log comes after the database, so that nobody who left falls between the two.
func (a *app) packHouse(ctx context.Context, part, name, work string, o backupOptions, at time.Time) error {
	copied := filepath.Join(work, archiveDatabase)
	if err := a.db.Backup(ctx, copied); err != nil {
		return err
	}
	if !o.keys {
		if err := stripKeys(ctx, a, copied); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := newArchive(f, name, at)
	if err != nil {
		return err
	}
	m := manifest{Format: archiveFormat, Program: versionText(), At: at, LeaversUntil: now(), Keys: o.keys, Final: o.kind == "final"}
	if o.keys && a.cfg.dkim != nil {
		m.DKIMDomain, m.DKIMSelector = a.cfg.DKIMDomain, a.cfg.DKIMSelector
	}
	if err := w.addJSON(ctx, archiveManifest, m); err != nil {
		return err
	}
	if err := w.addFile(ctx, archiveDatabase, copied); err != nil {
		return err
	}
	if o.keys {
		if err := w.addFile(ctx, archiveSecret, filepath.Join(a.cfg.Data, archiveSecret)); err != nil {
			return err
		}
		if m.DKIMDomain != "" {
			if err := w.addFile(ctx, archiveDKIM, a.cfg.DKIMKeyFile); err != nil {
				return err
			}
		}
	}
	if err := w.addFile(ctx, archiveLeavers, a.leavers.path); err != nil {
		return err
	}
	if err := w.addFolder(ctx, archiveUploads, filepath.Join(a.cfg.Data, "uploads")); err != nil {
		return err
	}
	if err := w.close(ctx); err != nil {
		return err
	}
	return f.Sync()
}

// stripKeys takes the keys out of a copied database.
func stripKeys(ctx context.Context, a *app, path string) error {
	d, err := db.Open(ctx, db.Options{URL: path, MustExist: true, Now: now, Log: a.log})
	if err != nil {
		return err
	}
	return errors.Join(d.StripKeys(ctx), d.Close())
}

// syncFolder makes names in a folder survive a power cut.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (c *cli) wake() *cobra.Command {
	return &cobra.Command{
		Use: "wake", Short: "Let a house at rest (after backup --final, or a copied one) send again; needs --yes", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			r, err := a.svc.HouseRest(ctx)
			switch {
			case err != nil:
				return err
			case r.Why == newsletter.Awake:
				fmt.Fprintln(os.Stderr, "the house is awake")
				return nil
			case !c.yes:
				return &exitError{code: exitConfig, err: fmt.Errorf("the house is at rest (%s). When it lives on elsewhere, readers would get everything twice; if it does not: techissue wake --yes", r.Why)}
			}
			if err := a.svc.WakeHouse(ctx, actorCLI); err != nil {
				return err
			}
			fmt.Fprintln(os.Stderr, "awake; paused issues go on by techissue issue resume N")
			return nil
		}),
	}
}

// exists tells whether something of that name is there, and what cannot be looked at counts as there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"techissue/db"
	"techissue/newsletter"
)

const (
	groupSettings = "settings"
	groupData     = "data"
	groupMail     = "mail"
	groupSite     = "site"
	groupLaw      = "law"

	scarceSpace = 1 << 30   // less free space than this is a warning
	noSpace     = 100 << 20 // less than this is a failure: SQLite needs room to commit
	bigWAL      = 512 << 20
	fewFiles    = 1024
	staleBackup = 48 * time.Hour
	clockSlack  = 5 * time.Minute
)

func (d *doctor) examineSettings() {
	for _, f := range d.faults {
		d.fail(groupSettings, "settings."+f.name, fmt.Sprintf("%s=%s", f.name, f.example), "%s %s", f.name, f.text)
	}
	if len(d.faults) == 0 {
		d.ok(groupSettings, "settings", "%s set, all valid", plural(int64(len(d.cfg.origin)), "value"))
	}
	d.examineEnvFile()
	d.examineSecret()
	switch err := d.cfg.sendingRefused(); {
	case d.cfg.relay == nil:
		d.warn(groupSettings, "sending", "set TECHISSUE_SMTP_URL, or ask `techissue config init`", "no mail server is set, so no letter can leave")
	case err != nil:
		d.fail(groupSettings, "sending", "set TECHISSUE_FROM and an https TECHISSUE_BASE_URL", "no letter can leave: %v", err)
	default:
		d.ok(groupSettings, "sending", "letters leave as %s", strings.TrimSpace(d.cfg.from.Name+" <"+d.cfg.from.Address+">"))
	}
	d.examineLimits()
}

// examineEnvFile finds secrets that others on this machine can read.
func (d *doctor) examineEnvFile() {
	info, err := os.Stat(d.cfg.envFile)
	if err != nil {
		return // all from the environment
	}
	secret := false
	for _, f := range d.cfg.fields() {
		secret = secret || f.secret && d.cfg.origin[f.name] == ".env"
	}
	if secret && info.Mode().Perm()&0o077 != 0 {
		d.fail(groupSettings, "env_mode", "chmod 600 "+d.cfg.envFile, "%s holds secrets and has mode %04o: others can read it", d.cfg.envFile, info.Mode().Perm())
		return
	}
	d.ok(groupSettings, "env_mode", "%s has mode %04o", d.cfg.envFile, info.Mode().Perm())
}

func (d *doctor) examineSecret() {
	path := filepath.Join(d.cfg.Data, "secret")
	info, err := os.Stat(path)
	switch {
	case d.cfg.Secret != "" && newsletter.WeakSecret(d.cfg.Secret):
		d.warn(groupSettings, "secret", "put a new one in front of the old: TECHISSUE_SECRET=$(openssl rand -hex 32),old", "TECHISSUE_SECRET is short and can be guessed")
	case d.cfg.Secret != "":
		d.ok(groupSettings, "secret", "TECHISSUE_SECRET is set")
	case err == nil && info.Mode().Perm()&0o077 != 0:
		d.fail(groupSettings, "secret", "chmod 600 "+path, "others can read the generated secret (mode %04o)", info.Mode().Perm())
	case err == nil:
		d.ok(groupSettings, "secret", "the generated secret has mode %04o", info.Mode().Perm())
	case errors.Is(err, fs.ErrNotExist):
		d.ok(groupSettings, "secret", "the first start generates a secret")
	default:
		d.fail(groupSettings, "secret", "let the program's user read "+path, "%v", err)
	}
	if d.cfg.DKIMKeyFile != "" {
		if info, err := os.Stat(d.cfg.DKIMKeyFile); err == nil && info.Mode().Perm()&0o077 != 0 {
			d.fail(groupSettings, "dkim_mode", "chmod 600 "+d.cfg.DKIMKeyFile, "others can read the DKIM key (mode %04o)", info.Mode().Perm())
		}
	}
}

func (d *doctor) examineLimits() {
	limit, err := d.files()
	switch {
	case err != nil:
		d.warn(groupSettings, "file_limit", "ulimit -n", "the limit of open files cannot be read: %v", err)
	case limit < fewFiles:
		d.fail(groupSettings, "file_limit", "LimitNOFILE=65536 in the systemd unit, or ulimit -n 65536", "only %d files may be open; each reader's connection needs one", limit)
	default:
		d.ok(groupSettings, "file_limit", "%s files may be open", grouped(int64(limit)))
	}
}

// examineData looks at the folder, without the database.
func (d *doctor) examineData() {
	if err := writable(d.cfg.Data); err != nil {
		d.fail(groupData, "data", "give the folder to the program's user: chown -R techissue "+d.cfg.Data, "the data folder cannot be written: %v", err)
		return
	}
	d.ok(groupData, "data", "%s is writable", d.cfg.Data)
	free, err := d.space(d.cfg.Data)
	switch {
	case err != nil:
		d.warn(groupData, "space", "df -h "+d.cfg.Data, "free space cannot be read: %v", err)
	case free < noSpace:
		d.fail(groupData, "space", "free some space: nothing can be saved soon", "only %s free", bytesText(free))
	case free < scarceSpace:
		d.warn(groupData, "space", "make room, or move TECHISSUE_DATA to a larger disk", "only %s free", bytesText(free))
	default:
		d.ok(groupData, "space", "%s free", bytesText(free))
	}
	if known, ntp := d.synced(); known && !ntp {
		d.warn(groupData, "clock", "timedatectl set-ntp true", "no time server keeps the clock; dates of letters and expiry of links rest on it")
	} else if known {
		d.ok(groupData, "clock", "a time server keeps the clock")
	}
}

func bytesText(n uint64) string {
	for _, u := range []struct {
		name string
		size uint64
	}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}} {
		if n >= u.size {
			return fmt.Sprintf("%.3g %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// examineHouse opens what is there, and never makes a new one.
func (d *doctor) examineHouse(ctx context.Context) {
	open, err := db.Open(ctx, db.Options{URL: d.cfg.database(), MustExist: true, Now: d.now, Log: newLog(d.cfg)})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.warn(groupData, "database", "techissue serve makes it", "the database does not exist yet")
		d.examineLegal(d.cfg.house(), false)
		return
	case err != nil:
		d.fail(groupData, "database", "docs/operations.md tells how to restore a lost one", "%v", err)
		return
	}
	defer open.Close()
	d.ok(groupData, "database", "%s opens", open.Engine())
	d.examineFile(ctx, open)
	if err := open.CheckSchema(ctx); err != nil {
		d.fail(groupData, "schema", "techissue migrate, or run the newer techissue", "%v", err)
		return
	}
	d.ok(groupData, "schema", "the schema is current")
	d.examineRecords(ctx, open)
	d.examineService(ctx)
}

// examineCopy looks at a house that was unpacked from a backup: an older schema is brought up to date there.
func (d *doctor) examineCopy(ctx context.Context, m manifest) {
	open, err := db.Open(ctx, db.Options{URL: d.cfg.database(), MustExist: true, Now: d.now, Log: newLog(d.cfg)})
	if err != nil {
		d.fail(groupData, "database", "use another backup", "%v", err)
		return
	}
	defer open.Close()
	d.examineFile(ctx, open)
	if err := open.Migrate(ctx); err != nil {
		d.fail(groupData, "schema", "run the newer techissue", "%v", err)
		return
	}
	d.ok(groupData, "schema", "the schema is current, or was brought up to date")
	d.examineRecords(ctx, open)
	keys, err := open.ReadKeys(ctx)
	switch {
	case err != nil:
		d.fail(groupData, "address_key", "use another backup", "%v", err)
	case keys.Address == nil && m.Keys:
		d.fail(groupData, "address_key", "use another backup", "the address-hash key is missing")
	case keys.Address != nil:
		d.ok(groupData, "address_key", "the address-hash key and %s are there", plural(int64(len(keys.Tokens)), "key")+" of links")
	}
}

// examineFile reads the whole SQLite file.
func (d *doctor) examineFile(ctx context.Context, open *db.DB) {
	if open.Path() == "" {
		return
	}
	if err := open.Check(ctx); err != nil {
		d.fail(groupData, "integrity", "stop the program and restore the newest backup: techissue restore FILE", "%v", err)
	} else {
		d.ok(groupData, "integrity", "every page of the database is whole")
	}
	mode, err := open.JournalMode(ctx)
	wal, statErr := os.Stat(open.Path() + "-wal")
	switch {
	case err != nil:
		d.fail(groupData, "wal", "", "%v", err)
	case mode != "wal":
		d.fail(groupData, "wal", "move TECHISSUE_DATA to a local disk: shared folders cannot hold a WAL", "the journal mode is %q, not wal", mode)
	case statErr == nil && wal.Size() > bigWAL:
		d.warn(groupData, "wal", "look for a command that has been running for long, and restart the server", "the WAL has grown to %s", bytesText(uint64(wal.Size())))
	default:
		d.ok(groupData, "wal", "WAL")
	}
	if info, err := os.Stat(open.Path()); err == nil && info.Mode().Perm()&0o077 != 0 {
		d.fail(groupData, "database_mode", "chmod 600 "+open.Path(), "others can read the readers' addresses (mode %04o)", info.Mode().Perm())
	}
}

// examineRecords asks the database whether it agrees with itself and with the clock.
func (d *doctor) examineRecords(ctx context.Context, open *db.DB) {
	var broken []string
	var latest time.Time
	err := open.View(ctx, func(tx *db.Tx) (err error) {
		if broken, err = tx.Violations(ctx); err != nil {
			return err
		}
		latest, err = tx.LatestRecord(ctx)
		return err
	})
	if err != nil {
		d.fail(groupData, "invariants", "", "%v", err)
		return
	}
	for _, b := range broken {
		d.fail(groupData, "invariants", "keep a copy of the data folder and report it", "%s", b)
	}
	if len(broken) == 0 {
		d.ok(groupData, "invariants", "every letter is accounted for")
	}
	if ahead := latest.Sub(d.now()); ahead > clockSlack {
		d.fail(groupData, "clock_back", "timedatectl set-ntp true, and check the date", "the newest record is %s in the future: the clock was set back", ahead.Round(time.Minute))
	}
}

// examineService asks the house itself: what the desk has set counts.
func (d *doctor) examineService(ctx context.Context) {
	if _, err := os.Stat(filepath.Join(d.cfg.Data, "secret")); d.cfg.Secret == "" && errors.Is(err, fs.ErrNotExist) {
		// Opening the house would make a new one, and nobody would notice that the old one is gone.
		d.fail(groupSettings, "secret_lost", "put the file secret of the newest backup into "+d.cfg.Data, "there is a database, but its generated secret is gone")
		return
	}
	a, err := openApp(ctx, d.cfg, newLog(d.cfg), false)
	if err != nil {
		d.fail(groupData, "house", "", "%v", err)
		return
	}
	defer a.close()
	house, err := a.svc.House(ctx)
	if err != nil {
		d.fail(groupData, "house", "", "%v", err)
		return
	}
	if has, err := a.svc.HasAdmin(ctx); err == nil && !has {
		d.warn(groupSettings, "admin", "techissue admin create you@example.kr", "nobody has a desk yet")
	} else if err == nil {
		d.ok(groupSettings, "admin", "the desk has an owner")
	}
	d.examineAdverts(ctx, a, house)
	d.examineFeedback(ctx, a)
	d.examineLeavers(ctx, a)
	d.examineBackups(ctx, a)
	alerts, err := a.openAlerts(ctx)
	if err != nil {
		d.fail(groupData, "alerts", "", "%v", err)
		return
	}
	for _, t := range alerts {
		d.warn(groupData, "alert."+t.Kind, "look at "+d.cfg.BaseURL+"/admin", "%s", t.Text)
	}
}

func (a *app) openAlerts(ctx context.Context) (all []newsletter.Alert, err error) {
	err = a.store.View(ctx, func(tx newsletter.Tx) (err error) {
		all, err = tx.OpenAlerts(ctx, 20)
		return err
	})
	return all, err
}

// examineAdverts: without advertising the legal data is good manners, with it a duty.
func (d *doctor) examineAdverts(ctx context.Context, a *app, house newsletter.House) {
	ads := false
	err := a.db.View(ctx, func(tx *db.Tx) (err error) {
		ads, err = tx.HasAdverts(ctx)
		return err
	})
	if err != nil {
		d.fail(groupLaw, "legal", "", "%v", err)
		return
	}
	d.examineLegal(house, ads)
}

func (d *doctor) examineLegal(house newsletter.House, ads bool) {
	missing := house.Legal.Missing()
	text, fix := strings.Join(missing, ", "), "TECHISSUE_LEGAL_…, or the desk: 설정 › 사업자 정보"
	switch {
	case len(missing) == 0:
		d.ok(groupLaw, "legal", "the footer's legal data is complete")
	case ads:
		d.fail(groupLaw, "legal", fix, "the footer lacks %s (needed in advertising mail)", text)
	default:
		d.warn(groupLaw, "legal", fix, "the footer lacks %s (needed in advertising mail)", text)
	}
}

func (d *doctor) examineFeedback(ctx context.Context, a *app) {
	ways, err := a.svc.FeedbackWays(ctx)
	switch {
	case err != nil:
		d.fail(groupMail, "feedback", "", "%v", err)
	case len(ways) == 0:
		d.warn(groupMail, "feedback", "set TECHISSUE_BOUNCE_LISTEN, TECHISSUE_FEEDBACK_IMAP_URL or TECHISSUE_FEEDBACK_TOKEN", "반송을 받을 길이 없어요: letters that come back later are never noticed")
	default:
		names := make([]string, len(ways))
		for i, w := range ways {
			names[i] = w.Name
		}
		d.ok(groupMail, "feedback", "bounces come back by %s", strings.Join(names, ", "))
	}
}

// examineLeavers compares the log beside the database with the table in it.
func (d *doctor) examineLeavers(ctx context.Context, a *app) {
	if a.leavers == nil {
		return
	}
	behind, _, err := a.leaversBehind(ctx)
	var newest newsletter.Leaver
	if err == nil {
		err = a.store.View(ctx, func(tx newsletter.Tx) (err error) {
			newest, err = tx.NewestLeaver(ctx)
			return err
		})
	}
	last, readErr := lastLeaver(a.leavers.path)
	switch {
	case newsletter.KindOf(err) == newsletter.NotFound && last == nil:
		d.ok(groupData, "leavers", "nobody has left yet")
	case err != nil && newsletter.KindOf(err) != newsletter.NotFound:
		d.fail(groupData, "leavers", "", "%v", err)
	case readErr != nil:
		d.fail(groupData, "leavers", "let the program's user read "+a.leavers.path, "%v", readErr)
	case behind:
		d.fail(groupData, "leavers", "techissue leavers import "+a.leavers.path, "leavers.log knows people who left and the database does not")
	case last == nil || last.At.Before(newest.At):
		d.warn(groupData, "leavers", "put leavers.log of the newest backup beside the database; after a restore of an older backup it would be missing", "leavers.log lacks people who left")
	default:
		d.ok(groupData, "leavers", "leavers.log agrees with the database")
	}
}

// examineBackups looks at the newest file that was written.
func (d *doctor) examineBackups(ctx context.Context, a *app) {
	if a.cfg.postgres() {
		return
	}
	var all []newsletter.Backup
	err := a.store.View(ctx, func(tx newsletter.Tx) (err error) {
		all, err = tx.Backups(ctx, 1)
		return err
	})
	fix := "techissue backup FILE"
	switch {
	case err != nil:
		d.fail(groupData, "backup", "", "%v", err)
	case len(all) == 0:
		d.warn(groupData, "backup", fix, "there is no backup yet")
	case all[0].Fault != "":
		d.fail(groupData, "backup", fix, "the last backup failed: %s", all[0].Fault)
	case !exists(all[0].Path):
		d.warn(groupData, "backup", fix, "the last backup is gone: %s", all[0].Path)
	case d.now().Sub(all[0].At) > staleBackup:
		d.warn(groupData, "backup", fix, "last backup %d days ago", int(d.now().Sub(all[0].At).Hours()/24))
	default:
		d.ok(groupData, "backup", "last backup %s: %s", all[0].At.In(d.cfg.loc).Format(time.DateTime), all[0].Path)
	}
}

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"techissue/newsletter"
)

func TestBackupDue(t *testing.T) {
	t.Parallel()
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		when, err := time.ParseInLocation("2006-01-02 15:04", s, seoul)
		if s != "" && err != nil {
			t.Fatal(err)
		}
		return when
	}
	for name, c := range map[string]struct{ last, started, want string }{
		"a new house waits for its first night":      {"", "2026-11-28 10:00", "2026-11-29 03:30"},
		"or for this one":                            {"", "2026-11-28 01:00", "2026-11-28 03:30"},
		"the next night after the last":              {"2026-11-28 03:30", "2026-11-20 10:00", "2026-11-29 03:30"},
		"off at night: a while after the start":      {"2026-11-26 03:30", "2026-11-28 10:00", "2026-11-28 10:02"},
		"restarted by day: the coming night":         {"2026-11-28 03:30", "2026-11-28 10:00", "2026-11-29 03:30"},
		"restarted just before: when it has settled": {"2026-11-27 03:30", "2026-11-28 03:29", "2026-11-28 03:31"},
	} {
		last := time.Time{}
		if c.last != "" {
			last = at(c.last)
		}
		if got := backupDue(last.UTC(), at(c.started).UTC(), seoul); !got.Equal(at(c.want)) {
			t.Errorf("%s: %s, want %s", name, got.In(seoul), c.want)
		}
	}
}

// A night: written, read back, copied, and the old ones taken away but for the newest few.
func TestNightlyBackup(t *testing.T) {
	t.Parallel()
	second := t.TempDir()
	p := newPatient(t, prefix+"BACKUP_TO="+second)
	a := p.house(t)
	defer a.close()
	var old []string
	for n := range 6 {
		path := filepath.Join(p.cfg.Data, "backups", string(rune('a'+n)))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{path, filepath.Join(second, filepath.Base(path))} {
			if err := os.WriteFile(f, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b := newsletter.Backup{At: now().Add(-time.Duration(20-n) * 24 * time.Hour), Path: path, Bytes: 3, Kind: "scheduled"}
		if err := a.store.Update(t.Context(), func(tx newsletter.Tx) error { return tx.PutBackup(t.Context(), &b) }); err != nil {
			t.Fatal(err)
		}
		old = append(old, path)
	}
	if err := a.nightly(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, err := a.svc.Dashboard(t.Context())
	if err != nil || d.Backup.Kind != "scheduled" || d.Backup.VerifiedAt.IsZero() || d.Backup.Fault != "" || now().Sub(d.Backup.At) > time.Hour {
		t.Fatalf("the desk says %+v (%v)", d.Backup, err)
	}
	copied, err := os.ReadFile(filepath.Join(second, filepath.Base(d.Backup.Path)))
	if info, statErr := os.Stat(d.Backup.Path); err != nil || statErr != nil || info.Size() != int64(len(copied)) {
		t.Errorf("the copy: %d bytes (%v, %v)", len(copied), err, statErr)
	}
	for n, path := range old { // the newest two stand beside tonight's; the four older ones are 17 to 20 days old
		gone := n < 4
		if exists(path) == gone || exists(filepath.Join(second, filepath.Base(path))) == gone {
			t.Errorf("%s, %d days old: there %v", filepath.Base(path), 20-n, exists(path))
		}
	}
	p.find(t, "backup", levelOK, "last backup", "")

	if err := os.RemoveAll(second); err != nil {
		t.Fatal(err)
	}
	if err := a.nightly(t.Context()); err == nil {
		t.Error("a second place that is gone is no failure")
	}
	p.find(t, "backup", levelFail, "TECHISSUE_BACKUP_TO", "techissue backup")
	p.find(t, "alert.backup", levelWarn, "백업하지 못했어요", "/admin")
}

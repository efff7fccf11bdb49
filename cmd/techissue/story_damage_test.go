package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"techissue/mailer/smtptest"
)

// F26: a database that is damaged or lost after a crash in the middle of a send. The program says what is wrong and how to restore, sends nothing,
// begins no empty database in its place, and with last night's backup the house is there again.
func TestStoryOfADamagedHouse(t *testing.T) {
	t.Parallel()
	const n = 300
	from := newHouse(t, slow(5*time.Millisecond), "TECHISSUE_UNCERTAIN=hold")
	from.first(n)
	backup := filepath.Join(t.TempDir(), "night.tar.gz")
	from.run(0, "backup", backup)
	server := from.serve()
	from.run(0, "issue", "send", "1")
	from.until("a part has gone", func() bool { return from.smtp.Count() > n/4 })
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	for _, row := range []struct {
		name   string
		damage func(t *testing.T, path string)
		says   string
	}{
		{"a third of the pages overwritten", func(t *testing.T, path string) {
			alter(t, path, func(b []byte) []byte {
				for at := 4096; at+4096 <= len(b); at += 3 * 4096 {
					copy(b[at:], bytes.Repeat([]byte{0xAA}, 4096))
				}
				return b
			})
		}, "damaged"},
		{"the WAL cut in half", func(t *testing.T, path string) {
			alter(t, path+"-wal", func(b []byte) []byte { return b[:len(b)/2] })
		}, "pages are whole"},
		{"the WAL deleted", func(t *testing.T, path string) { drop(t, path+"-wal") }, "-wal file, which holds the latest commits, is missing"},
		{"0 bytes", func(t *testing.T, path string) { alter(t, path, func([]byte) []byte { return nil }) }, "0 bytes"},
		{"the file deleted", func(t *testing.T, path string) { drop(t, path) }, "it is missing"},
		{"all but the log of leavers deleted", func(t *testing.T, path string) {
			for _, end := range []string{"", "-wal", "-shm"} {
				drop(t, path+end)
			}
		}, "it is missing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, smtptest.Config{}, "TECHISSUE_UNCERTAIN=hold")
			if err := os.CopyFS(h.data, os.DirFS(from.data)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(h.data, "techissue.db")
			row.damage(t, path)
			before, _ := os.Stat(path)
			said, wait := h.begin("serve")
			code := make(chan int, 1)
			go func() { code <- wait(0) }()
			ended := 0
			h.until("the program to end", func() bool {
				select {
				case ended = <-code:
					return true
				default:
					return false
				}
			})
			if text := said.String(); ended != 1 || !strings.Contains(text, row.says) || !strings.Contains(text, "techissue restore FILE") {
				t.Errorf("exit %d:\n%s", ended, text)
			}
			after, _ := os.Stat(path)
			if (before == nil) != (after == nil) {
				t.Fatalf("the database was %v and is %v", before, after)
			}
			// It may have grown by the commits of its log, which SQLite folds into it at the end; it is neither cut nor begun anew.
			if before != nil && (after.Size() < before.Size() || before.Size() == 0 && after.Size() > 0) {
				t.Errorf("the database had %d bytes and has %d", before.Size(), after.Size())
			}
			if h.smtp.Count() != 0 {
				t.Errorf("%d letters left", h.smtp.Count())
			}
			h.run(0, "restore", backup, "--yes")
			h.run(0, "doctor", "--offline")
			h.serve()
			h.run(0, "issue", "send", "1") // in the backup it is a draft
			h.until("everybody's letter", func() bool { return h.smtp.Count() == n })
		})
	}
}

// alter rewrites a file.
func alter(t *testing.T, path string, how func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, how(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func drop(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

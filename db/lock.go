package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// lockName is the file in the data folder that whoever drives the mailer holds.
const lockName = "techissue.lock"

// FolderLock is held by the one process that drives the mailer of a data folder. The
// system frees it when that process ends, however it ends.
type FolderLock struct {
	f       *os.File
	crashed bool
	suspect atomic.Bool // a check of the database was due and has not passed
}

// InUse tells that another process holds the folder.
type InUse struct {
	Folder string
	PID    int // 0: it has not said yet
}

func (e *InUse) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = "process " + strconv.Itoa(e.PID)
	}
	return fmt.Sprintf("the data folder %s is in use by %s", e.Folder, who)
}

// LockFolder takes the folder, making it if need be, or fails with *InUse.
func LockFolder(folder string) (*FolderLock, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(folder, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	l := &FolderLock{f: f}
	err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	pid := l.pid()
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		f.Close()
		return nil, &InUse{Folder: folder, PID: pid}
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	l.crashed = pid != 0
	if err := l.write(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	return l, nil
}

// Crashed tells that the process that held the folder before did not release it.
func (l *FolderLock) Crashed() bool { return l.crashed }

// Release gives the folder back and notes that the stop was clean. Close the database
// before. When a check was due and has not passed, the note is not made, so that the
// next one checks again.
func (l *FolderLock) Release() error {
	var err error
	if !l.suspect.Load() {
		err = l.write("")
	}
	return errors.Join(err, l.f.Close())
}

func (l *FolderLock) pid() int {
	text, err := io.ReadAll(io.NewSectionReader(l.f, 0, 32))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

func (l *FolderLock) write(text string) error {
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	if _, err := l.f.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	return l.f.Sync()
}

// flock locks an open file; signals do not disturb it.
func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// fileUse says that this handle has a database of the folder open: a lock on the folder
// itself, shared by all who have. Who gets it exclusively is alone: a WAL found then
// was left by a crash, and the schema may be changed. (SQLite's own locks would tell
// too, but looking at them from the process that holds them drops them.)
type fileUse struct {
	f     *os.File
	alone bool
}

// useWait bounds the waiting for others who have the database open.
const useWait = 10 * time.Second

func useFolder(ctx context.Context, folder string) (*fileUse, error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	u := &fileUse{f: f}
	err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		u.alone = true
		return u, nil
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return u, nil // a file system without locks: be nobody's judge
	}
	err = u.poll(ctx, syscall.LOCK_SH, func() (bool, error) { return false, nil })
	if err != nil {
		f.Close()
		return nil, err
	}
	return u, nil
}

// share lets others in.
func (u *fileUse) share() {
	u.alone = false
	_ = flock(u.f, syscall.LOCK_SH|syscall.LOCK_NB)
}

func (u *fileUse) close() { u.f.Close() }

var errOthers = errors.New("another process has the database open: stop it first")

// poll takes the lock, or returns early when enough says so. Trying gives the lock held
// before back (flock(2)), so two who both want to be alone do not wait for each other.
func (u *fileUse) poll(ctx context.Context, how int, enough func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, useWait, errOthers)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := flock(u.f, how|syscall.LOCK_NB)
		if err == nil {
			u.alone = how == syscall.LOCK_EX
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil
		}
		if yes, err := enough(); yes || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

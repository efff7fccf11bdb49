package dbtest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx", to create and drop databases

	"techissue/db"
)

// errNoServer tells that PostgreSQL is not installed here.
var errNoServer = errors.New("no PostgreSQL: install it (apt-get install postgresql) or set TECHISSUE_TEST_PG=postgres://…")

// Main runs the tests (m is mostly a *testing.M) and then stops the server, if one was started. It does not return.
func Main(m interface{ Run() int }) {
	code := m.Run()
	if servers.started {
		servers.stop()
	}
	os.Exit(code)
}

// PostgresURL makes a migrated database and returns its URL; it is dropped at the end.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return newDatabase(t, true)
}

// EmptyPostgresURL makes a database without a schema.
func EmptyPostgresURL(t testing.TB) string {
	t.Helper()
	return newDatabase(t, false)
}

func newDatabase(t testing.TB, migrated bool) string {
	t.Helper()
	s, err := servers.get()
	if errors.Is(err, errNoServer) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	name, err := s.create(migrated)
	if err != nil {
		t.Fatalf("make a PostgreSQL database: %v", err)
	}
	t.Cleanup(func() { s.drop(name) })
	return s.urlOf(name)
}

// servers holds the one server of this process.
var servers lazyServer

type lazyServer struct {
	once    sync.Once
	server  *server
	err     error
	started bool
}

func (l *lazyServer) get() (*server, error) {
	l.once.Do(func() {
		l.server, l.err = start()
		l.started = l.err == nil
	})
	return l.server, l.err
}

func (l *lazyServer) stop() {
	l.server.stop()
}

// server is a running PostgreSQL in which this process may make databases.
type server struct {
	base   url.URL
	admin  *sql.DB
	folder string         // of a private server
	owner  *db.FolderLock // of a private server: we still run
	cmd    *exec.Cmd      // of a private server
	ended  chan struct{}  // closed when it has ended

	mu       sync.Mutex
	n        int
	template string // a migrated database that the others are copies of
}

func start() (*server, error) {
	s := &server{}
	given := os.Getenv("TECHISSUE_TEST_PG")
	if given == "" {
		if err := s.launch(); err != nil {
			s.stop()
			return nil, err
		}
		given = "postgres://postgres@/postgres?host=" + url.QueryEscape(s.folder)
	}
	base, err := url.Parse(given)
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("read TECHISSUE_TEST_PG: %w", err)
	}
	s.base = *base
	if s.admin, err = sql.Open("pgx", given); err != nil {
		s.stop()
		return nil, err
	}
	if err := s.answers(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// launch makes and starts a private server, reachable by a socket in its own folder only.
func (s *server) launch() error {
	bin, err := binaries()
	if err != nil {
		return err
	}
	sweep()
	// Not t.TempDir: its parent is 0700, and as root the server runs as another user.
	if s.folder, err = os.MkdirTemp("", folderPrefix); err != nil {
		return err
	}
	if s.owner, err = db.LockFolder(s.folder); err != nil {
		return err
	}
	who, err := s.runAs()
	if err != nil {
		return err
	}
	data := filepath.Join(s.folder, "data")
	var log bytes.Buffer
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr, initdb.Stdout, initdb.Stderr = s.folder, who, &log, &log
	if err := initdb.Run(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, &log)
	}
	// Nothing here outlives the process, so nothing waits for the disk.
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", s.folder, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "shared_buffers=32MB", "-c", "max_connections=300", "-c", "autovacuum=off")
	out, err := os.Create(filepath.Join(s.folder, "log"))
	if err != nil {
		return err
	}
	defer out.Close()
	// SIGQUIT ends the server at once, its children included, also when we are killed.
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.folder, out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who.Credential, Pdeathsig: syscall.SIGQUIT, Setpgid: true}
	s.ended = make(chan struct{})
	begun := make(chan error)
	go func() {
		// The signal comes when the thread that started the server ends, so it must stay.
		runtime.LockOSThread()
		err := s.cmd.Start()
		begun <- err
		if err == nil {
			_ = s.cmd.Wait()
		}
		close(s.ended)
	}()
	return <-begun
}

const folderPrefix = "techissue-pg-"

// sweep removes what killed test processes left: old folders that nobody holds. (A new
// one may not be held yet.)
func sweep() {
	found, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*"))
	for _, folder := range found {
		info, err := os.Stat(folder)
		if err != nil || time.Since(info.ModTime()) < time.Hour {
			continue
		}
		if l, err := db.LockFolder(folder); err == nil {
			_ = os.RemoveAll(folder)
			_ = l.Release()
		}
	}
}

// runAs: the server refuses to run as root, so root lends it the user postgres.
func (s *server) runAs() (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2, os.Chown(s.folder, int(uid), int(gid))); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// binaries finds the folder of initdb and postgres: Debian's newest, or the PATH's.
func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return major(a) - major(b) })
		return filepath.Dir(newest), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", errNoServer
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Dir(path), nil
}

func major(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// answers waits until the server takes connections.
func (s *server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := s.admin.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-s.ended: // nil, so never, when the server is not ours
			log, _ := os.ReadFile(filepath.Join(s.folder, "log"))
			return fmt.Errorf("the server ended: %s", log)
		case <-ctx.Done():
			return err
		}
	}
}

func (s *server) urlOf(name string) string {
	u := s.base
	u.Path = "/" + name
	return u.String()
}

// create makes a database. Copying one needs that nobody is connected to it, so one at a time.
func (s *server) create(migrated bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !migrated {
		return s.createFrom("template0")
	}
	if s.template == "" {
		name, err := s.createFrom("template0")
		if err != nil {
			return "", err
		}
		if err := migrate(s.urlOf(name)); err != nil {
			s.drop(name)
			return "", err
		}
		s.template = name
	}
	return s.createFrom(s.template)
}

func (s *server) createFrom(template string) (string, error) {
	s.n++
	name := fmt.Sprintf("techissue_test_%d_%d", os.Getpid(), s.n)
	_, err := s.admin.Exec("CREATE DATABASE " + name + " TEMPLATE " + template)
	return name, err
}

func (s *server) drop(name string) {
	// A private server goes as a whole; in somebody else's nothing is left behind.
	_, _ = s.admin.Exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)")
}

func (s *server) stop() {
	if s.template != "" {
		s.drop(s.template)
	}
	if s.admin != nil {
		s.admin.Close()
	}
	if s.ended != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		<-s.ended
	}
	if s.folder != "" {
		_ = os.RemoveAll(s.folder)
	}
	if s.owner != nil {
		_ = s.owner.Release()
	}
}

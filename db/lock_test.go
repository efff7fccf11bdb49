package db_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"techissue/db"
)

func TestFolderHasOneDriver(t *testing.T) {
	t.Parallel()
	folder := t.TempDir() + "/data"
	one, err := db.LockFolder(folder)
	if err != nil || one.Crashed() {
		t.Fatal(err, one)
	}
	_, err = db.LockFolder(folder)
	var inUse *db.InUse
	if !errors.As(err, &inUse) || inUse.PID != os.Getpid() || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("the second one gets %v", err)
	}
	if err := one.Release(); err != nil {
		t.Fatal(err)
	}
	two, err := db.LockFolder(folder)
	if err != nil || two.Crashed() {
		t.Fatalf("after a release: %v", err)
	}
	if err := two.Release(); err != nil {
		t.Error(err)
	}
}

const holdFolder = "TECHISSUE_TEST_HOLD"

// TestHoldFolder is the other process of TestKilledDriverFreesTheFolder.
func TestHoldFolder(t *testing.T) {
	folder := os.Getenv(holdFolder)
	if folder == "" {
		t.Skip("runs as a child only")
	}
	if _, err := db.LockFolder(folder); err != nil {
		t.Fatal(err)
	}
	fmt.Println("held")
	_, _ = io.ReadAll(os.Stdin) // until we are killed, or our parent is
}

func TestKilledDriverFreesTheFolder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestHoldFolder$")
	child.Env = append(os.Environ(), holdFolder+"="+folder)
	stdin, err1 := child.StdinPipe()
	stdout, err2 := child.StdoutPipe()
	if err := errors.Join(err1, err2, child.Start()); err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	for lines := bufio.NewScanner(stdout); lines.Scan() && lines.Text() != "held"; {
	}
	_, err := db.LockFolder(folder)
	var inUse *db.InUse
	if !errors.As(err, &inUse) || inUse.PID != child.Process.Pid {
		t.Errorf("while it runs: %v, want process %d", err, child.Process.Pid)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	l, err := db.LockFolder(folder)
	if err != nil {
		t.Fatalf("after the kill: %v", err)
	}
	defer l.Release()
	if !l.Crashed() {
		t.Error("the crash went unnoticed")
	}
}

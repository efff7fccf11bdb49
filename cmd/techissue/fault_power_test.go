package main_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// powerCut records every write and every fdatasync of a send and then plays power cuts: at a random moment the machine is gone, and of what no
// fdatasync had confirmed some writes are on disk and some are not, in any order, the last one torn. Whatever is left must be a whole database
// that knows of every letter that had begun to leave.
func powerCut(t *testing.T) outcome {
	const n, cuts = 250, 40
	h := newHouse(t, slow(time.Millisecond), "TECHISSUE_UNCERTAIN=hold", "TECHISSUE_SMTP_CONNECTIONS=4")
	h.first(n)
	key := h.key("issues:send,issues:read")
	disk := snapshot(t, h.data)
	log := filepath.Join(t.TempDir(), "strace")
	server := h.under("strace", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "1000000", "-o", log, "-e", "trace=pwrite64,write,fdatasync,fsync,ftruncate")
	// No command beside it: what another process writes into the WAL is not in the log.
	if code, answer := h.call(key, "POST", "/api/v1/issues/1/send", "", "Idempotency-Key", "once"); code != http.StatusAccepted {
		t.Fatalf("%d %v", code, answer)
	}
	h.until("the end", func() bool {
		_, p := h.call(key, "GET", "/api/v1/issues/1/progress", "")
		return p["state"] == "done"
	})
	h.stopWrapped(server) // or the end of the log stays in strace's memory
	o := h.tally(n, 0, "")
	steps := readTrace(t, log, h.data)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	letters := 0
	for range cuts {
		at := random.IntN(len(steps))
		left, gone := play(maps.Clone(disk), steps[:at], random)
		letters += len(gone)
		examine(t, h, left, gone, fmt.Sprintf("seed %d, cut at step %d of %d", seed, at, len(steps)))
	}
	o.checked = fmt.Sprintf("%d cuts among %d steps: whole, and every one of %d letters on the wire known", cuts, len(steps), letters)
	if letters == 0 {
		t.Error("no cut fell into the letters")
	}
	return o
}

// under starts the server below another program.
func (h *house) under(argv ...string) *exec.Cmd {
	h.t.Helper()
	bin := h.bin
	h.bin = filepath.Join(h.t.TempDir(), "wrapped")
	if err := os.WriteFile(h.bin, []byte("#!/bin/sh\nexec "+strings.Join(append(argv, bin), " ")+" \"$@\"\n"), 0o700); err != nil {
		h.t.Fatal(err)
	}
	cmd := h.launch()
	h.bin = bin
	h.until("the server is ready", seldom(h.answers))
	return cmd
}

// stopWrapped ends a server that runs under another program.
func (h *house) stopWrapped(wrapper *exec.Cmd) {
	h.t.Helper()
	if err := syscall.Kill(h.driver(), syscall.SIGTERM); err != nil {
		h.t.Fatal(err)
	}
	if err := wrapper.Wait(); err != nil {
		h.t.Errorf("SIGTERM: %v", err)
	}
}

// driver is the process that drives the mailer, whatever it was started by.
func (h *house) driver() int {
	h.t.Helper()
	raw, err := os.ReadFile(filepath.Join(h.data, "techissue.lock"))
	if err != nil {
		h.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		h.t.Fatal(err)
	}
	return pid
}

func snapshot(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range []string{"techissue.db", "techissue.db-wal", "secret", "leavers.log"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			files[name] = b
		}
	}
	return files
}

// step is a write or truncation of a file, the end of a sync, or letters on the wire.
type step struct {
	file string
	at   int64
	data []byte
	size int64 // of a truncation, else -1
	sync bool
	to   []string // RCPT commands sent
}

var (
	call     = regexp.MustCompile(`^(\d+) +(pwrite64|write|fdatasync|fsync|ftruncate)\((\d+)<([^>]*)>`)
	resumed  = regexp.MustCompile(`^(\d+) +<\.\.\. (fdatasync|fsync) resumed>\)? *= 0`)
	written  = regexp.MustCompile(`, "((?:\\x[0-9a-f]{2})*)"`)
	offset   = regexp.MustCompile(`", \d+, (\d+)`)
	truncate = regexp.MustCompile(`, (\d+)`)
	rcpt     = regexp.MustCompile(`RCPT TO:<([^>]+)>`)
)

// readTrace reads strace's account. A write counts from its beginning, a sync from its end.
func readTrace(t *testing.T, path, dir string) (steps []step) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syncing := map[string]string{} // thread to file
	for r := bufio.NewReaderSize(f, 1<<20); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return steps
		}
		if m := resumed.FindStringSubmatch(line); m != nil {
			steps = append(steps, step{file: syncing[m[1]], sync: true})
			continue
		}
		m := call.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		thread, name, path, file := m[1], m[2], string(unhex(m[4])), ""
		if strings.HasPrefix(path, dir+"/techissue.db") {
			file = filepath.Base(path)
		}
		var data []byte
		if w := written.FindStringSubmatch(line); w != nil {
			data = unhex(w[1])
		}
		switch {
		case name == "write" && strings.HasPrefix(path, "socket:"):
			s := step{}
			for _, to := range rcpt.FindAllStringSubmatch(string(data), -1) {
				s.to = append(s.to, to[1])
			}
			if s.to != nil {
				steps = append(steps, s)
			}
		case file == "" || file == "techissue.db-shm":
		case name == "pwrite64":
			at, _ := strconv.ParseInt(offset.FindStringSubmatch(line)[1], 10, 64)
			steps = append(steps, step{file: file, at: at, data: data, size: -1})
		case name == "ftruncate":
			size, _ := strconv.ParseInt(truncate.FindStringSubmatch(line)[1], 10, 64)
			steps = append(steps, step{file: file, size: size})
		case strings.Contains(line, "unfinished"):
			syncing[thread] = file
		case strings.Contains(line, "= 0"):
			steps = append(steps, step{file: file, sync: true})
		}
	}
}

// unhex reads what strace -xx writes, which hides no byte.
func unhex(s string) []byte {
	b, _ := hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
	return b
}

// play gives the disk after a cut behind these steps, and whose letters were on the wire.
func play(disk map[string][]byte, steps []step, random *rand.Rand) (map[string][]byte, []string) {
	for file, b := range disk {
		disk[file] = slices.Clone(b)
	}
	open := map[string][]step{} // not confirmed
	var gone []string
	for _, s := range steps {
		switch {
		case s.to != nil:
			gone = append(gone, s.to...)
		case s.sync:
			for _, w := range open[s.file] {
				disk[s.file] = w.onto(disk[s.file])
			}
			delete(open, s.file)
		default:
			open[s.file] = append(open[s.file], s)
		}
	}
	way := random.IntN(4)
	for _, file := range slices.Sorted(maps.Keys(open)) {
		pending := open[file]
		switch way {
		case 0: // none arrived
			pending = nil
		case 1: // a row of them, the last one torn at a sector
			pending = pending[:random.IntN(len(pending)+1)]
			if k := len(pending) - 1; k >= 0 && len(pending[k].data) > 512 {
				pending = slices.Clone(pending)
				pending[k].data = pending[k].data[:512*random.IntN(len(pending[k].data)/512)]
			}
		case 2: // any of them, in any order
			pending = slices.Clone(pending)
			random.Shuffle(len(pending), func(a, b int) { pending[a], pending[b] = pending[b], pending[a] })
			pending = pending[:random.IntN(len(pending)+1)]
		}
		for _, w := range pending {
			disk[file] = w.onto(disk[file])
		}
	}
	return disk, gone
}

// onto changes a file in its place.
func (s step) onto(file []byte) []byte {
	end := s.size
	if end < 0 {
		end = max(int64(len(file)), s.at+int64(len(s.data)))
	}
	if end <= int64(len(file)) {
		file = file[:end]
	} else {
		file = append(file, make([]byte, end-int64(len(file)))...)
	}
	if s.size < 0 {
		copy(file[s.at:], s.data)
	}
	return file
}

// examine opens what is left as the next start would.
func examine(t *testing.T, h *house, disk map[string][]byte, gone []string, where string) {
	t.Helper()
	after := *h
	after.data = t.TempDir()
	after.env = append(append([]string{}, h.env...), "TECHISSUE_DATA="+after.data)
	for name, b := range disk {
		if err := os.WriteFile(filepath.Join(after.data, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"doctor", "--offline"}, {"issue", "deliveries", "1", "--json"}} {
		cmd := exec.Command(after.bin, args...)
		cmd.Env, cmd.Dir = after.env, after.data
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: techissue %s: %v\n%s", where, strings.Join(args, " "), err, out)
			return
		}
		if args[0] == "doctor" {
			continue
		}
		var rows []struct{ Email, State string }
		if err := json.Unmarshal(out, &rows); err != nil {
			t.Fatal(err)
		}
		known := map[string]string{}
		for _, r := range rows {
			known[r.Email] = r.State
		}
		for _, email := range gone {
			if s := known[email]; s != "handing" && s != "sent" && s != "uncertain" {
				t.Errorf("%s: the letter to %s was on the wire and is %q", where, email, s)
			}
		}
	}
}

package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"techissue/db/dbtest"
)

// twoNodes is a house with two machines that share one PostgreSQL.
func twoNodes(t *testing.T, n int, wrap func(string) string) (first, second *house, one, two *exec.Cmd) {
	t.Helper()
	first = newHouse(t, slow(10*time.Millisecond), "TECHISSUE_DB="+wrap(dbtest.EmptyPostgresURL(t)), "TECHISSUE_SECRET=a secret that both nodes share",
		"TECHISSUE_SMTP_CONNECTIONS=2", "TECHISSUE_UNCERTAIN=hold")
	first.run(0, "migrate")
	first.first(n)
	one = first.serve()
	h := *first
	h.data = t.TempDir()
	addr := freePort(t)
	h.base = "http://" + addr
	h.env = append(append([]string{}, first.env...), "TECHISSUE_DATA="+h.data, "TECHISSUE_ADDR="+addr)
	return first, &h, one, h.serve()
}

func asIs(url string) string { return url }

// stoppedNode: a node that stands still for longer than 30 s is dead to the other, which takes its letters over. When it goes on it holds leases of the past: its gates
// change nothing.
func stoppedNode(t *testing.T) outcome {
	const n = 2000
	h, second, one, _ := twoNodes(t, n, asIs)
	h.run(0, "issue", "send", "1")
	h.until("a part has gone", func() bool { return h.smtp.Count() > n/10 })
	if err := one.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	second.until("the other one has taken over and finished", seldom(func() bool {
		return time.Since(begin) > 40*time.Second && sum(second.counts(1), "queued", "leased", "handing") == 0
	}))
	at := h.smtp.Count()
	if err := one.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	h.until("it answers again", seldom(h.answers))
	o := h.tally(n, 0, "taken over after 30 s; awake again it sends nothing twice")
	if more := h.smtp.Count() - at; more > 2 || o.uncertain > 2 {
		t.Errorf("%d letters left after it went on, %d uncertain", more, o.uncertain)
	}
	return o
}

func killedNode(t *testing.T) outcome {
	const n = 2000
	h, second, one, _ := twoNodes(t, n, asIs)
	h.run(0, "issue", "send", "1")
	h.until("a part has gone", func() bool { return h.smtp.Count() > n/10 })
	if err := one.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = one.Wait()
	o := second.tally(n, 0, "the other one finishes alone")
	if o.uncertain > 2 {
		t.Errorf("%d uncertain", o.uncertain)
	}
	return o
}

// pgProxy stands between a program and PostgreSQL.
type pgProxy struct {
	socket  string
	away    atomic.Bool
	commits atomic.Int64
	every   atomic.Int64 // the connection ends at every nth COMMIT, after the server has it: 0 never

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// stand listens and gives the URL to use.
func (p *pgProxy) stand(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if p.socket = u.Query().Get("host"); !strings.HasPrefix(p.socket, "/") {
		t.Skip("PostgreSQL is not one of our own")
	}
	p.socket = filepath.Join(p.socket, ".s.PGSQL.5432")
	p.conns = map[net.Conn]bool{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); p.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return "postgres://postgres@" + l.Addr().String() + u.Path + "?sslmode=disable"
}

func (p *pgProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *pgProxy) serve(client net.Conn) {
	defer client.Close()
	if p.away.Load() {
		return
	}
	server, err := net.Dial("unix", p.socket)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	p.conns[client] = true
	p.mu.Unlock()
	var deaf atomic.Bool // what the server answers is not passed on any more
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if deaf.Load() || err != nil {
				client.Close()
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if every := p.every.Load(); every > 0 && bytes.Contains(bytes.ToLower(buf[:n]), []byte("commit\x00")) && p.commits.Add(1)%every == 0 {
			deaf.Store(true)
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
		if deaf.Load() {
			_, _ = io.Copy(io.Discard, client)
			return
		}
	}
}

// databaseAway: every connection ends and none is taken for five seconds, as when the server is restarted. What was in flight is settled when it is back.
func databaseAway(t *testing.T) outcome {
	const n = 2000
	p := &pgProxy{}
	h, _, _, _ := twoNodes(t, n, func(raw string) string { return p.stand(t, raw) })
	h.run(0, "issue", "send", "1")
	for range 2 {
		at := h.smtp.Count()
		h.until("a part has gone", func() bool { return h.smtp.Count() > at+n/10 })
		p.away.Store(true)
		p.cut()
		time.Sleep(5 * time.Second)
		p.away.Store(false)
	}
	o := h.tally(n, 0, "settled when it is back")
	if o.uncertain > 2*4 {
		t.Errorf("%d uncertain", o.uncertain)
	}
	return o
}

// resetAtCommit: the server commits and the program never hears it. Whatever it was (a claim, a gate, a result), nobody is forgotten and nobody gets two.
func resetAtCommit(t *testing.T) outcome {
	const n = 600
	p := &pgProxy{}
	h, _, _, _ := twoNodes(t, n, func(raw string) string { return p.stand(t, raw) })
	h.run(0, "issue", "send", "1")
	h.until("a part has gone", func() bool { return h.smtp.Count() > n/10 })
	p.every.Store(9)
	h.until("many resets", func() bool { return p.commits.Load() > 270 || h.smtp.Count() >= n*9/10 })
	p.every.Store(0)
	return h.tally(n, 0, fmt.Sprintf("%d connections reset behind a COMMIT", p.commits.Load()/9))
}

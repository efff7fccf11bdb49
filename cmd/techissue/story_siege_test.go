package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"techissue/mailer/smtptest"
)

// S37, F40: two thousand connections that say a word and wait take few descriptors and little memory, are put out, and ordinary readers
// behind the same address are served meanwhile.
func TestStoryOfASlowLoris(t *testing.T) {
	t.Parallel()
	const crowd = 2000
	h := newHouse(t, smtptest.Config{})
	server := h.serve()
	addr := strings.TrimPrefix(h.base, "http://")
	before := memory(t, server.Process.Pid)
	conns := make([]net.Conn, 0, crowd)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range crowd {
		c, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			t.Fatalf("after %d connections: %v", len(conns), err)
		}
		conns = append(conns, c)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+addr+"\r\nX-Slow: a") // some are put out already
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for range 20 {
		res, err := client.Get(h.base + "/")
		if err != nil {
			t.Fatalf("an ordinary reader: %v", err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("an ordinary reader: %d", res.StatusCode)
		}
	}
	peak, files := memory(t, server.Process.Pid), descriptors(t, server.Process.Pid)
	t.Logf("%d slow connections: RSS %d -> %d MB, %d descriptors", crowd, before.rss>>10, peak.rss>>10, files)
	if files > 400 { // 256 connections of one address, and the program's own
		t.Errorf("%d descriptors are open", files)
	}
	if peak.rss-before.rss > 100<<10 {
		t.Errorf("memory rose by %d MB", (peak.rss-before.rss)>>10)
	}
	var out sync.WaitGroup
	var mu sync.Mutex
	stayed := 0
	for _, c := range conns {
		out.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.Copy(io.Discard, c); err != nil { // a clean end or a reset is what we want; a deadline is not
				if e, ok := err.(net.Error); ok && e.Timeout() {
					mu.Lock()
					stayed++
					mu.Unlock()
				}
			}
		})
	}
	out.Wait()
	if stayed > 0 {
		t.Errorf("%d slow connections were still open after 20 s", stayed)
	}
}

// Huge headers and bodies are refused early, and the server goes on.
func TestStoryOfHugeRequests(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	server := h.serve()
	before := memory(t, server.Process.Pid)
	client := &http.Client{Timeout: 30 * time.Second}
	for _, row := range []struct {
		name, path, kind string
		size             int64
		length           bool
		want             int
	}{
		{"a form of 100 MB", "/subscribe", "application/x-www-form-urlencoded", 100 << 20, true, 413},
		{"a form of 100 MB without a length", "/subscribe", "application/x-www-form-urlencoded", 100 << 20, false, 413},
		{"JSON of 100 MB", "/subscribe", "application/json", 100 << 20, false, 413},
		{"one-click of 100 MB", "/u/nothing", "application/x-www-form-urlencoded", 100 << 20, false, 0},
		{"a password of 100 MB", "/admin/login", "application/x-www-form-urlencoded", 100 << 20, true, 413},
		{"an API call of 100 MB", "/api/v1/issues", "application/json", 100 << 20, true, 0},
	} {
		body := io.LimitReader(endless("a=b&"), row.size)
		if row.kind == "application/json" {
			body = io.LimitReader(endless(" "), row.size)
		}
		req, err := http.NewRequestWithContext(t.Context(), "POST", h.base+row.path, body)
		if err != nil {
			t.Fatal(err)
		}
		if row.length {
			req.ContentLength = row.size
		}
		req.Header.Set("Content-Type", row.kind)
		res, err := client.Do(req)
		if err != nil { // put out while still writing: as good as an answer
			if !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") && !strings.Contains(err.Error(), "EOF") {
				t.Errorf("%s: %v", row.name, err)
			}
			continue
		}
		said, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode < 400 || row.want != 0 && res.StatusCode != row.want {
			t.Errorf("%s: %d, want %d: %s", row.name, res.StatusCode, row.want, clip(said))
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", h.base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Long", strings.Repeat("a", 200<<10))
	if res, err := client.Do(req); err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 200 KB: %v %v", res, err)
	}
	if peak := memory(t, server.Process.Pid); peak.rss-before.rss > 60<<10 {
		t.Errorf("memory rose from %d to %d MB", before.rss>>10, peak.rss>>10)
	}
	if !h.answers() {
		t.Error("the server is gone")
	}
}

// descriptors counts the open files of a process, 0 where there is no /proc.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Log(err)
	}
	return len(all)
}

// endless says the same word for ever.
type endless string

func (e endless) Read(p []byte) (int, error) {
	return copy(p, strings.Repeat(string(e), len(p)/len(e)+1)), nil
}

func clip(b []byte) string { return fmt.Sprintf("%.300s", b) }

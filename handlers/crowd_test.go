package handlers_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"techissue/handlers"
)

// venue is a server with room for few connections, whose pages /now answer at once and /later when the test says so.
type venue struct {
	t     *testing.T
	addr  string
	crowd *handlers.Crowd
	enter chan struct{} // a request for /later has begun
	open  chan struct{} // closed: they are answered
}

func newVenue(t *testing.T, most, one int, trusted ...netip.Prefix) *venue {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &venue{t: t, addr: l.Addr().String(), crowd: handlers.NewCrowd(l, trusted, most, one), enter: make(chan struct{}, 100), open: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/now", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
	mux.HandleFunc("/later", func(http.ResponseWriter, *http.Request) { v.enter <- struct{}{}; <-v.open })
	server := handlers.Server(v.addr, mux)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(v.crowd) }()
	t.Cleanup(func() { server.Close(); <-done })
	return v
}

// say opens a connection from an address of this machine and says something.
func (v *venue) say(from, words string) net.Conn {
	v.t.Helper()
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", v.addr)
	if err != nil {
		v.t.Skipf("this machine has no address %s: %v", from, err)
	}
	v.t.Cleanup(func() { c.Close() })
	_, _ = io.WriteString(c, words) // one that is put out at once may hear it here
	return c
}

const (
	half  = "GET /now HTTP/1.1\r\nHost: a\r\nX-Slow: a"
	now   = "GET /now HTTP/1.1\r\nHost: a\r\n\r\n"
	later = "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
)

// served tells whether a connection gets an answer; false: it was closed without one.
func (v *venue) served(c net.Conn) bool {
	v.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(4 * time.Second)) // before ReadHeaderTimeout ends it
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		v.t.Fatal("neither answered nor closed")
	}
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// S37: slow connections of one address put out each other and nobody else, and a reader at the same address is served.
func TestACrowdOfSlowConnectionsPutsOutItself(t *testing.T) {
	t.Parallel()
	v := newVenue(t, 100, 4)
	other := v.say("127.0.0.3", half)
	var slow []net.Conn
	for range 40 {
		slow = append(slow, v.say("127.0.0.2", half))
	}
	for n, c := range slow[:36] {
		if v.served(c) {
			t.Errorf("slow connection %d got an answer", n)
		}
	}
	if _, all := v.crowd.Count(); all != 5 {
		t.Errorf("%d connections are held, want 4 slow ones and the other", all)
	}
	if !v.served(v.say("127.0.0.2", now)) {
		t.Error("a reader at the same address was turned away")
	}
	if _, err := io.WriteString(other, "\r\n\r\n"); err != nil || !v.served(other) {
		t.Errorf("one of another address paid for them: %v", err)
	}
}

// Who has a request at work is not given up: there the newcomer has to go, of the same address only.
func TestWhoIsAtWorkKeepsTheirConnection(t *testing.T) {
	t.Parallel()
	v := newVenue(t, 100, 3)
	var busy []net.Conn
	for range 3 {
		busy = append(busy, v.say("127.0.0.2", later))
		<-v.enter
	}
	if v.served(v.say("127.0.0.2", now)) {
		t.Error("a fourth connection of one address was served")
	}
	if !v.served(v.say("127.0.0.3", now)) {
		t.Error("another address was turned away")
	}
	close(v.open)
	for n, c := range busy {
		if !v.served(c) {
			t.Errorf("connection %d lost its answer", n)
		}
	}
	if !v.served(v.say("127.0.0.2", now)) {
		t.Error("turned away although the others only wait now")
	}
}

// All together are bounded too, and a proxy's network has no share of its own.
func TestTheWholeCrowdIsBounded(t *testing.T) {
	t.Parallel()
	v := newVenue(t, 6, 2, netip.MustParsePrefix("127.0.0.9/32"))
	var conns []net.Conn
	for range 6 {
		conns = append(conns, v.say("127.0.0.9", later))
		<-v.enter
	}
	if v.served(v.say("127.0.0.2", now)) {
		t.Error("a seventh was served")
	}
	close(v.open)
	for n, c := range conns {
		if !v.served(c) {
			t.Errorf("connection %d of the proxy lost its answer", n)
		}
	}
	if !v.served(v.say("127.0.0.2", now)) { // the proxy's oldest idle one makes room
		t.Error("turned away although six only wait")
	}
	if networks, all := v.crowd.Count(); networks != 2 || all != 6 {
		t.Errorf("%d connections of %d networks are held", all, networks)
	}
}

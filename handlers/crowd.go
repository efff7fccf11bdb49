package handlers

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// How many connections the public listener holds (S37). A page and its pictures take a browser six at most; many readers may share one
// address, behind a company's or a phone network's, so one that waits is given up before a newcomer is turned away.
const (
	connsMost      = 4096
	connsOfOneMost = 256
)

// crowd counts open connections, all of them and those of each network. A connection either waits (for a request to be whole, or for the
// next one) or has a request at work. Where there are too many, the one that has waited longest makes room: a crowd of slow ones
// puts out itself, and a reader's idle one costs them a new handshake. Only where all are at work is the newcomer closed.
// Networks of trusted proxies have no share of their own: everybody comes from there.
type crowd struct {
	net.Listener
	trusted   []netip.Prefix
	most, one int

	mu   sync.Mutex
	of   map[netip.Prefix]map[*visitor]bool
	open int
}

// visitor is one connection.
type visitor struct {
	net.Conn
	crowd  *crowd
	from   netip.Prefix
	once   sync.Once
	atWork int       // requests, several with HTTP/2
	since  time.Time // it waits
}

// Crowded bounds how many connections a listener holds, in all and from one address (IPv6: one /64). Serve it by a server of Server.
func Crowded(l net.Listener, trusted []netip.Prefix) net.Listener {
	return &crowd{Listener: l, trusted: trusted, most: connsMost, one: connsOfOneMost, of: map[netip.Prefix]map[*visitor]bool{}}
}

// Accept gives the next connection that there is room for.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		v := &visitor{Conn: conn, crowd: c, from: networkOf(conn.RemoteAddr()), since: time.Now()}
		loser, in := c.admit(v)
		if loser != nil {
			loser.Close()
		}
		if in {
			return v, nil
		}
		conn.Close()
	}
}

// networkOf is what counts as one: an IPv4 address, or the /64 that one IPv6 line has; the zero Prefix for what is neither.
func networkOf(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// admit counts a newcomer in, and names who makes room for it.
func (c *crowd) admit(v *visitor) (loser *visitor, in bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.capped(v.from) && len(c.of[v.from]) >= c.one:
		loser = longest(nil, c.of[v.from])
	case c.open >= c.most:
		for _, all := range c.of {
			loser = longest(loser, all)
		}
	default:
		in = true
	}
	if loser != nil {
		c.forget(loser)
	}
	if in = in || loser != nil; in {
		if c.of[v.from] == nil {
			c.of[v.from] = map[*visitor]bool{}
		}
		c.of[v.from][v] = true
		c.open++
	}
	return loser, in
}

// capped tells whether a network has a share of its own.
func (c *crowd) capped(from netip.Prefix) bool {
	for _, p := range c.trusted {
		if p.Overlaps(from) {
			return false
		}
	}
	return from.IsValid()
}

// longest is who has waited longest, of those and the best so far.
func longest(best *visitor, of map[*visitor]bool) *visitor {
	for v := range of {
		if v.atWork == 0 && (best == nil || v.since.Before(best.since)) {
			best = v
		}
	}
	return best
}

func (c *crowd) forget(v *visitor) {
	if !c.of[v.from][v] {
		return
	}
	delete(c.of[v.from], v)
	if len(c.of[v.from]) == 0 {
		delete(c.of, v.from)
	}
	c.open--
}

// Close ends the connection and its place; a second time it does nothing.
func (v *visitor) Close() (err error) {
	v.once.Do(func() {
		v.crowd.mu.Lock()
		v.crowd.forget(v)
		v.crowd.mu.Unlock()
		err = v.Conn.Close()
	})
	return err
}

// work notes that a request begins (1) or ends (-1).
func (v *visitor) work(n int) {
	v.crowd.mu.Lock()
	defer v.crowd.mu.Unlock()
	v.atWork += n
	v.since = time.Now()
}

type visitorKey struct{}

// withVisitor lets a request find its connection.
func withVisitor(ctx context.Context, c net.Conn) context.Context {
	if v, ok := c.(*visitor); ok {
		return context.WithValue(ctx, visitorKey{}, v)
	}
	return ctx
}

// atWork keeps a connection from being given up while a request of it is answered.
func atWork(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v, ok := r.Context().Value(visitorKey{}).(*visitor); ok {
			v.work(1)
			defer v.work(-1)
		}
		h.ServeHTTP(w, r)
	})
}

package handlers

import (
	"net"
	"net/http"
	"net/netip"
)

// RouteInfo is a line of the registry, for the tests that walk it.
type RouteInfo struct {
	Method, Path             string
	Token, Admin, Owner, Key bool
	Outside, Framed, Stream  bool
}

// NewWithRoutes builds the door and lists its routes.
func NewWithRoutes(o Options) (http.Handler, []RouteInfo, error) {
	s, err := newServer(o)
	if err != nil {
		return nil, nil, err
	}
	var list []RouteInfo
	for _, r := range s.rules {
		list = append(list, RouteInfo{
			Method: r.method, Path: r.path, Token: r.access.kind == byToken, Admin: r.access.kind == byAdmin,
			Owner: r.access.role == "owner", Key: r.access.kind == byKey, Outside: r.outside, Framed: r.framed, Stream: r.stream,
		})
	}
	return s.handler, list, nil
}

var (
	MaskPath  = maskPath
	LocalPath = localPath
	IsBot     = isBot
	LeadOf    = leadOf
	Harmless  = harmless
)

// UnlistedRoutePanics tells whether a route without an access stops the program.
func UnlistedRoutePanics(o Options) (panicked bool) {
	s, err := newServer(o)
	if err != nil {
		return false
	}
	defer func() { panicked = recover() != nil }()
	s.declare("GET", "/forgotten", access{}, trait{})
	s.mustAllow("GET", "/forgotten")
	return false
}

// Crowd is the listener of Crowded with other bounds.
type Crowd = crowd

func NewCrowd(l net.Listener, trusted []netip.Prefix, most, one int) *Crowd {
	c := Crowded(l, trusted).(*crowd)
	c.most, c.one = most, one
	return c
}

// Count tells of how many networks how many connections are held.
func (c *crowd) Count() (networks, all int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.of), c.open
}

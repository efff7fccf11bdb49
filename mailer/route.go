package mailer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// route is a transport and what was learned of it.
type route struct {
	Transport
	pace *pace
}

// routes keeps the one in use, and the paces of those used before.
type routes struct {
	opt     *Options
	current atomic.Pointer[route]

	mu    sync.Mutex
	paces map[string]*pace
	kept  map[string]string
}

// name tells transports apart: the same host under another account has limits of its own.
func (t Transport) name() string { return t.User + "@" + t.Addr() }

// refresh follows the settings.
func (r *routes) refresh(ctx context.Context) error {
	t := r.opt.Route()
	if now := r.current.Load(); now != nil && now.name() == t.name() && now.Password == t.Password && now.TLS == t.TLS {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.paces[t.name()]
	if p == nil {
		text, err := r.opt.Store.Learned(ctx, t.name())
		if err != nil {
			return fmt.Errorf("what was learned of %s: %w", t.Addr(), err)
		}
		p = newPace(r.opt.Connections, r.opt.Rate, r.opt.Breaker, r.opt.Now)
		p.recall(text)
		for _, kind := range []string{stopAuth, stopQuota} {
			open, err := r.opt.Store.Raised(ctx, 0, kind)
			if err != nil {
				return fmt.Errorf("is %s raised: %w", kind, err)
			}
			if open { // stopped before the restart: begin with a probe, whose success clears the alert
				p.stop, p.told = kind, true
			}
		}
		r.paces[t.name()] = p
	}
	if r.current.Swap(&route{Transport: t, pace: p}) != nil {
		r.opt.Log.Info("transport switched", "relay", t.Addr())
	}
	return nil
}

// keep writes down what was learned since the last time.
func (r *routes) keep(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		r.kept = map[string]string{}
	}
	for name, p := range r.paces {
		text := p.remember()
		if text == r.kept[name] {
			continue
		}
		if err := r.opt.Store.Learn(ctx, name, text, r.opt.Now()); err != nil {
			r.opt.Log.Error("keep what was learned", "relay", name, "err", err)
			return
		}
		r.kept[name] = text
	}
}

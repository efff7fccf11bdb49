package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// listenInternal serves /metrics and /debug/pprof, which are nobody's business outside. When the default port is taken, by
// Prometheus itself or by a second house, the newsletter goes on without; a port that was asked for must be free.
func (a *app) listenInternal(parts *parts) error {
	if a.cfg.InternalAddr == "" {
		return nil
	}
	l, err := net.Listen("tcp", a.cfg.InternalAddr)
	if err != nil && a.cfg.origin[prefix+"INTERNAL_ADDR"] == "" {
		a.log.Warn("no /metrics: the port is taken; set TECHISSUE_INTERNAL_ADDR", "addr", a.cfg.InternalAddr)
		return nil
	}
	if err != nil {
		return &exitError{code: exitConfig, err: fmt.Errorf("TECHISSUE_INTERNAL_ADDR: %w", err)}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	parts.run("metrics", func(ctx context.Context) error {
		done := make(chan error, 1)
		go func() { done <- server.Serve(l) }()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			_ = server.Close()
			return nil
		}
	})
	return nil
}

// pulse tells whether the queue's loop still turns. One turn may be long: freezing a million recipients is one.
type pulse struct {
	running atomic.Bool
	at      atomic.Int64 // Unix nanoseconds of the machine's clock: the test clock moves no loop
}

const (
	restsAtMost  = 30 * time.Second
	worksAtMost  = 10 * time.Minute
	pulseStopped = "the mailer's queue has stopped turning"
)

// around wraps the queue's step.
func (p *pulse) around(step func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		p.at.Store(time.Now().UnixNano())
		p.running.Store(true)
		defer func() {
			p.at.Store(time.Now().UnixNano())
			p.running.Store(false)
		}()
		return step(ctx)
	}
}

// alive is nil before the first turn: the database is still being looked at, and pages are served meanwhile.
func (p *pulse) alive() error {
	at, limit := p.at.Load(), restsAtMost
	if p.running.Load() {
		limit = worksAtMost
	}
	if at != 0 && time.Since(time.Unix(0, at)) > limit {
		return errors.New(pulseStopped)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// parts are the goroutines of a running house. When one ends with an error the others are told to stop.
type parts struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	errs   []error
}

func newParts(ctx context.Context) *parts {
	p := &parts{}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

func (p *parts) run(name string, do func(context.Context) error) {
	p.wg.Go(func() {
		if err := do(p.ctx); err != nil {
			p.mu.Lock()
			p.errs = append(p.errs, fmt.Errorf("%s: %w", name, err))
			p.mu.Unlock()
			p.cancel()
		}
	})
}

func (p *parts) stop() { p.cancel() }

// wait returns when every part has ended; a stop by signal is no error.
func (p *parts) wait() error {
	p.wg.Wait()
	p.cancel()
	return errors.Join(p.errs...)
}

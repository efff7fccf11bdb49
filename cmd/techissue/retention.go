package main

import (
	"context"
	"time"
)

// keepHouse destroys what is kept no longer, at the start and every hour of the house's clock.
func (a *app) keepHouse(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last time.Time
	for {
		if now().Sub(last).Abs() >= time.Hour {
			last = now()
			if err := a.svc.TellStories(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("tell what became of an issue", "err", err)
			}
			r, err := a.svc.Retain(ctx)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				a.log.Error("retention", "err", err)
			case r.Pending+r.Issues+r.Notices > 0:
				a.log.Info("retention", "unconfirmed", r.Pending, "issues", r.Issues, "single letters", r.Notices)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

package main

import (
	"context"
	"time"

	"techissue/outbound"
)

// readCards reads the pages that bare links in articles lead to, a few at a time, in the background: publishing waits for nobody.
// The demo reads nothing: its addresses are made up, and it asks nothing of the network.
func (a *app) readCards(ctx context.Context) error {
	client := outbound.New(outbound.Options{Agent: "techissue-cards (+" + a.cfg.BaseURL + ")"})
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		_, err := a.svc.FetchCards(ctx, client.Card)
		if err != nil && !failed && ctx.Err() == nil {
			a.log.Error("read link cards", "err", err)
		}
		failed = err != nil
	}
}

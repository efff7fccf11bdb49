package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
	"time"

	"techissue/newsletter"
	"techissue/outbound"
)

// alive looks at addresses that somebody can have.
func alive(client *outbound.Client) func(context.Context, string) newsletter.LinkCheck {
	return func(ctx context.Context, address string) newsletter.LinkCheck {
		if nobodys(address) {
			return newsletter.LinkCheck{State: newsletter.LinkUnknown}
		}
		return client.Alive(ctx, address)
	}
}

// lookTime is how long the command line waits for links to answer.
const lookTime = 20 * time.Second

// lookAtLinks looks at an issue's links now, for a command that may run while nothing else does.
func (a *app) lookAtLinks(ctx context.Context, number int) error {
	if err := a.svc.WantLinkChecks(ctx, number); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	client := outbound.New(outbound.Options{Agent: "techissue-cards (+" + a.cfg.BaseURL + ")"})
	for ctx.Err() == nil {
		n, err := a.svc.FetchLinkChecks(ctx, alive(client))
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// nobodys tells addresses under names that are kept for examples (RFC 2606): nobody is asked for them.
func nobodys(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return true
	}
	host := "." + u.Hostname()
	for _, end := range []string{".example", ".test", ".invalid", ".localhost", ".example.com", ".example.net", ".example.org"} {
		if strings.HasSuffix(host, end) {
			return true
		}
	}
	return false
}

// readCards reads the pages that bare links in articles lead to, a few at a time, in the background: publishing waits for nobody.
// The demo reads nothing: its addresses are made up, and it asks nothing of the network.
func (a *app) readCards(ctx context.Context) error {
	client := outbound.New(outbound.Options{Agent: "techissue-cards (+" + a.cfg.BaseURL + ")"})
	return a.every(ctx, 2*time.Second, "read pages that links lead to", func(ctx context.Context) error {
		if _, err := a.svc.FetchCards(ctx, client.Card); err != nil {
			return err
		}
		_, err := a.svc.FetchLinkChecks(ctx, alive(client))
		return err
	})
}

// checkLinks looks every minute whether a few pages behind links are still there, each once a week, and tells search engines of
// pages that are owed to them.
func (a *app) checkLinks(ctx context.Context) error {
	client := outbound.New(outbound.Options{Agent: "techissue-links (+" + a.cfg.BaseURL + ")"})
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := a.svc.CheckLinks(ctx, client.Gone); err != nil && ctx.Err() == nil {
			a.log.Error("check links", "err", err)
		}
		n, err := a.svc.AnnouncePages(ctx, func(ctx context.Context, endpoint, site string, urls []string) error {
			return client.Announce(ctx, endpoint, site, a.indexNowKey(), urls)
		})
		if err != nil && ctx.Err() == nil {
			a.log.Warn("announce pages", "err", err) // they stay owed
		}
		if n > 0 {
			a.log.Info("pages announced", "pages", n)
		}
	}
}

// indexNowKey is the house's for as long as its first secret is.
func (a *app) indexNowKey() string {
	sum := sha256.Sum256([]byte("indexnow" + a.keys.Sign(newsletter.PurposePreview, 1, time.Time{})))
	return hex.EncodeToString(sum[:16])
}

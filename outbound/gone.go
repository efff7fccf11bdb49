package outbound

import (
	"context"
	"errors"
	"net"
	"net/http"
)

// Gone tells that a page is certainly no more: its host has no name any longer, or the host says 404 or 410. Everything else, a refusal, a time-out,
// a fault of theirs, is no proof.
func (c *Client) Gone(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	if c.agent != "" {
		r.Header.Set("User-Agent", c.agent)
	}
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.5")
	r.Header.Set("Accept-Language", "ko,en;q=0.5")
	res, err := c.http.Do(r)
	if err != nil {
		var dns *net.DNSError
		return errors.As(err, &dns) && dns.IsNotFound
	}
	_ = res.Body.Close() // the head says it all
	return res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone
}

package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"techissue/newsletter"
)

// Alive looks whether an address leads anywhere. Dead is what says so itself — 404, 410, a name that nobody has; everything else that is
// no success may be a server that does not talk to programs, and is unknown.
func (c *Client) Alive(ctx context.Context, url string) newsletter.LinkCheck {
	unknown := newsletter.LinkCheck{URL: url, State: newsletter.LinkUnknown}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil) // many servers answer HEAD wrongly
	if err != nil || r.URL.Scheme != "https" && r.URL.Scheme != "http" {
		return unknown
	}
	if c.agent != "" {
		r.Header.Set("User-Agent", c.agent)
	}
	r.Header.Set("Accept", "text/html,*/*;q=0.5")
	res, err := c.http.Do(r)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			return newsletter.LinkCheck{URL: url, State: newsletter.LinkDead, Said: "없는 주소"}
		}
		return unknown
	}
	_ = res.Body.Close() // the answer is in its first line
	switch {
	case res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone:
		return newsletter.LinkCheck{URL: url, State: newsletter.LinkDead, Said: fmt.Sprint(res.StatusCode)}
	case res.StatusCode < 400:
		return newsletter.LinkCheck{URL: url, State: newsletter.LinkAlive}
	}
	return unknown
}

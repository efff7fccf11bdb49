// Package outbound is HTTP out of the house: whatever fetches an address that somebody else has named goes through a Client, which
// cannot reach this machine or its private networks.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"code.dny.dev/ssrf"
)

// Limits of one fetch (S33).
const (
	wholeTime    = 5 * time.Second
	maxRedirects = 3
	maxHeader    = 64 << 10
)

// ErrTooLarge tells that an answer is longer than was asked for.
var ErrTooLarge = errors.New("the answer is too large")

// Client fetches public addresses only. It may be used from several goroutines. The address that is judged is the one the connection
// goes to, after DNS and after each redirect, so no name can point inside once it has been looked at.
type Client struct {
	http  *http.Client
	agent string
}

// Options of a Client.
type Options struct {
	Agent string // User-Agent
	// Allowed networks and ports are reachable although they are private: tests serve on this machine.
	Allowed []netip.Prefix
	AnyPort bool
	Roots   *x509.CertPool // nil: the system's
}

// New makes a client.
func New(o Options) *Client {
	var v4, v6 []netip.Prefix
	for _, p := range o.Allowed {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	opts := []ssrf.Option{ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...)}
	if o.AnyPort {
		opts = append(opts, ssrf.WithAnyPort())
	}
	dialer := &net.Dialer{Timeout: wholeTime, Control: ssrf.New(opts...).Safe}
	return &Client{agent: o.Agent, http: &http.Client{
		Timeout: wholeTime,
		Transport: &http.Transport{
			// No proxy of the environment: it would be asked to connect in our place, past the guard.
			TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			DialContext:     dialer.DialContext, TLSHandshakeTimeout: wholeTime, ResponseHeaderTimeout: wholeTime, MaxResponseHeaderBytes: maxHeader,
			MaxIdleConns: 4, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errors.New("too many redirects")
			}
			if r.URL.Scheme != "https" && via[0].URL.Scheme == "https" {
				return errors.New("a redirect away from https")
			}
			return nil
		},
	}}
}

// Get returns the body behind an http(s) address, at most limit bytes; ErrTooLarge when there are more. Any status but 200 is an error.
func (c *Client) Get(ctx context.Context, url string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	if r.URL.Scheme != "https" && r.URL.Scheme != "http" {
		return nil, fmt.Errorf("fetch: %q is no web address", r.URL.Scheme)
	}
	if c.agent != "" {
		r.Header.Set("User-Agent", c.agent)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch: %s answered %s", r.URL.Host, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("fetch %s: %w", r.URL.Host, ErrTooLarge)
	}
	return body, nil
}

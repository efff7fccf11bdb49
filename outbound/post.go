package outbound

import (
	"net/http"
)

// post sends a request and follows nothing: a redirect is an answer like another, and the body was meant for this address alone.
func (c *Client) post(r *http.Request) (*http.Response, error) {
	if c.agent != "" {
		r.Header.Set("User-Agent", c.agent)
	}
	once := *c.http
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return once.Do(r)
}

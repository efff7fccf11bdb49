package outbound

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Announce tells a search engine that pages are new or have changed (indexnow.org). endpoint is its address, site our own base address, under
// which the key lies as KEY.txt. Both 200 and 202 are thanks.
func (c *Client) Announce(ctx context.Context, endpoint, site, key string, urls []string) error {
	base, err := url.Parse(site)
	if err != nil {
		return fmt.Errorf("announce pages: %w", err)
	}
	body, err := json.Marshal(struct {
		Host        string   `json:"host"`
		Key         string   `json:"key"`
		KeyLocation string   `json:"keyLocation"`
		URLs        []string `json:"urlList"`
	}{base.Host, key, site + "/" + key + ".txt", urls})
	if err != nil {
		return fmt.Errorf("announce pages: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("announce pages: %w", err)
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	if c.agent != "" {
		r.Header.Set("User-Agent", c.agent)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("announce pages: %w", err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10))
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusAccepted {
		return fmt.Errorf("announce pages: %s answered %s", r.URL.Host, res.Status)
	}
	return nil
}

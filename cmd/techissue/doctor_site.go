package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// examineSite asks the public address as a reader's browser and a mail provider's one-click would.
func (d *doctor) examineSite(ctx context.Context) {
	u, err := url.Parse(d.cfg.BaseURL)
	if err != nil || u.Host == "" {
		return // told among the settings
	}
	loopback := loopbackHost(u.Hostname())
	switch {
	case u.Scheme == "https":
		d.ok(groupSite, "https", "%s is https", d.cfg.BaseURL)
	case loopback:
		d.warn(groupSite, "https", "TECHISSUE_BASE_URL=https://letter.example.kr", "%s can be opened on this machine only", d.cfg.BaseURL)
	default:
		d.fail(groupSite, "https", "put Caddy or nginx in front (deploy/) and set TECHISSUE_BASE_URL=https://"+u.Host, "%s is not https: providers refuse one-click unsubscribes there, and no letter leaves", d.cfg.BaseURL)
	}
	status, body, err := d.ask(ctx, http.MethodGet, "/healthz", nil)
	switch {
	case err != nil && loopback && errors.Is(err, syscall.ECONNREFUSED):
		d.warn(groupSite, "base_url", "techissue serve", "nobody answers at %s: the server is not running", d.cfg.BaseURL)
		return
	case err != nil:
		d.fail(groupSite, "base_url", "the name must lead to this machine, ports 80 and 443 must be open, the proxy and techissue serve must run", "%s cannot be reached: %v", d.cfg.BaseURL, err)
		return
	case status != http.StatusOK:
		d.fail(groupSite, "base_url", "let the proxy pass everything on to TECHISSUE_ADDR ("+d.cfg.Addr+"); TECHISSUE_BASE_URL must be the final address", "%s/healthz answers %d %s", d.cfg.BaseURL, status, short(body, 60))
		return
	}
	d.ok(groupSite, "base_url", "%s answers", d.cfg.BaseURL)
	d.examineOneClick(ctx)
	if status, body, err := d.ask(ctx, http.MethodGet, "/readyz", nil); err != nil || status != http.StatusOK {
		d.fail(groupSite, "ready", "journalctl -u techissue", "the server says it is not ready: %d %s %v", status, short(body, 60), err)
	} else {
		d.ok(groupSite, "ready", "database, schema and queue are ready")
	}
}

// examineOneClick posts what RFC 8058 says with a token of nobody's: the program itself must answer 404, with no redirect and no
// question for cookies in between.
func (d *doctor) examineOneClick(ctx context.Context) {
	const path = "/u/doctor-looks-whether-posts-arrive"
	status, body, err := d.ask(ctx, http.MethodPost, path, url.Values{"List-Unsubscribe": {"One-Click"}})
	fix := "let the proxy pass POST /u/… on as it is: no redirect, no login, no challenge for robots"
	switch {
	case err != nil:
		d.fail(groupSite, "one_click", fix, "a one-click unsubscribe cannot be posted: %v", err)
	case status != http.StatusNotFound:
		d.fail(groupSite, "one_click", fix, "a one-click unsubscribe of nobody is answered with %d instead of 404: %s", status, short(body, 60))
	default:
		d.ok(groupSite, "one_click", "one-click unsubscribes arrive")
	}
}

func (d *doctor) ask(ctx context.Context, method, path string, form url.Values) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, d.cfg.BaseURL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", fmt.Errorf("ask %s: %w", path, err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := d.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	return res.StatusCode, strings.TrimSpace(string(raw)), err
}

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"techissue/db"
	"techissue/handlers"
	"techissue/newsletter"
	"techissue/outbound"
	"techissue/templates"
)

func (c *cli) serve() *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the site, the desk, the API and the mailer", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if role != "all" && role != "web" && role != "mailer" {
				return usage("--role is all, web or mailer, not %q", role)
			}
			cfg, err := c.settings()
			if err != nil {
				return err
			}
			if role != "all" && !cfg.postgres() {
				return usage("--role %s needs PostgreSQL: with SQLite one process does everything", role)
			}
			return serve(cmd.Context(), cfg, role)
		},
	}
	cmd.Flags().StringVar(&role, "role", "all", "all, web or mailer")
	return cmd
}

func serve(ctx context.Context, cfg *Config, role string) error {
	log := newLog(cfg)
	a, err := openApp(ctx, cfg, log, !cfg.postgres())
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.firstOwner(ctx); err != nil {
		return err
	}
	parts := newParts(ctx)
	if role != "web" {
		if err := cfg.sendingRefused(); err != nil || cfg.relay == nil {
			log.Warn("no letter will leave", "err", err)
		} else {
			a.newQueue(nil)
			parts.run("mailer", a.runQueue)
		}
		parts.run("retention", a.keepHouse)
		if err := a.receive(parts); err != nil {
			parts.stop()
			return errors.Join(err, parts.wait())
		}
	}
	if role != "mailer" {
		if err := a.listen(parts, nil); err != nil {
			parts.stop()
			return errors.Join(err, parts.wait())
		}
	}
	if err := a.listenInternal(parts); err != nil {
		parts.stop()
		return errors.Join(err, parts.wait())
	}
	parts.run("views", a.keepViews)
	parts.run("leavers", a.keepLeavers)
	parts.run("backups", a.keepBackups)
	if role != "web" {
		parts.run("webhooks", a.webhooks().Run)
	}
	a.greet(ctx)
	return parts.wait()
}

// listen binds the public listener now, so that a busy port is told at once, and serves until the end.
func (a *app) listen(parts *parts, demo *handlers.Demo) error {
	h, err := a.door(parts, demo)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", a.cfg.Addr)
	if err != nil {
		return &exitError{code: exitConfig, err: fmt.Errorf("TECHISSUE_ADDR: %w", err)}
	}
	a.cfg.Addr = l.Addr().String()
	parts.run("revision", func(ctx context.Context) error {
		a.svc.WatchRevision(ctx, func(err error) { a.log.Error("look for changed pages", "err", err) })
		return nil
	})
	if demo == nil {
		parts.run("cards", a.readCards)
		parts.run("sender's domain", a.watchSender)
		parts.run("links", a.checkLinks)
	}
	parts.run("articles", a.publishDue)
	parts.run("search", func(ctx context.Context) error {
		if err := a.svc.KeepSearch(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("index for the search", "err", err) // the next start tries again; all but the search works
		}
		return nil
	})
	server := handlers.Server(a.cfg.Addr, h)
	parts.run("web", func(ctx context.Context) error {
		done := make(chan error, 1)
		go func() { done <- server.Serve(handlers.Crowded(l, a.cfg.proxy)) }()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
		}
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			_ = server.Close() // a request that stays open must not hold the stop
		}
		handlers.Stop(h)
		return nil
	})
	return nil
}

// door builds the HTTP handler.
func (a *app) door(parts *parts, demo *handlers.Demo) (http.Handler, error) {
	pages, err := templates.New(templates.Options{Location: a.cfg.loc, Now: now})
	if err != nil {
		return nil, err
	}
	var fetch func(context.Context, string, int64) ([]byte, error)
	if demo == nil { // the demo asks nothing of the network
		fetch = outbound.New(outbound.Options{Agent: "techissue (+" + a.cfg.BaseURL + ")"}).Get
	}
	formKey := sha256.Sum256([]byte(a.keys.Sign(newsletter.PurposePreview, 0, time.Time{})))
	return handlers.New(handlers.Options{
		Service: a.svc, Pages: pages, Log: a.log, Now: now, Location: a.cfg.loc, BaseURL: a.cfg.BaseURL, TrustedProxies: a.cfg.proxy,
		FormKey: formKey[:], Ready: a.ready, Demo: demo, Transport: a.transportText(), Version: versionText(), Observe: a.metrics.observe, Feedback: a.hook(), Fetch: fetch, IndexNowKey: a.indexNowKey(),
		Background: func(work func(context.Context)) {
			parts.run("work of a request", func(ctx context.Context) error {
				work(ctx)
				return nil
			})
		},
	})
}

// transportText is what the desk says of the way out, without user and password.
func (a *app) transportText() string {
	if a.cfg.relay == nil {
		return ""
	}
	return a.cfg.relay.Addr()
}

func (a *app) ready(ctx context.Context) error {
	if err := a.db.Ping(ctx); err != nil {
		return err
	}
	if err := a.db.CheckSchema(ctx); err != nil {
		return err
	}
	return a.pulse.alive()
}

// keepViews writes view counts every 5 seconds, and openings and clicks every second; at most as many are lost by a crash.
func (a *app) keepViews(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := a.svc.FlushHits(ctx); err != nil {
				a.log.Error("flush hits", "err", err)
			}
			if n%5 != 0 {
				continue
			}
			if err := a.svc.FlushViews(ctx); err != nil {
				a.log.Error("flush views", "err", err)
			}
		}
	}
}

// every does something over and over until ctx ends. Of failures in a row the first is told.
func (a *app) every(ctx context.Context, pause time.Duration, doing string, do func(context.Context) error) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := do(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			a.log.Error(doing, "err", err)
		}
		failed = err != nil
	}
}

// publishDue publishes planned articles when their time has come, within a few seconds.
func (a *app) publishDue(ctx context.Context) error {
	return a.every(ctx, 5*time.Second, "publish planned articles", func(ctx context.Context) error {
		_, err := a.svc.PublishDue(ctx)
		return err
	})
}

// firstOwner makes the owner that a container's settings name.
func (a *app) firstOwner(ctx context.Context) error {
	if a.cfg.AdminEmail == "" || a.cfg.AdminPassword == "" {
		return nil
	}
	has, err := a.svc.HasAdmin(ctx)
	if err != nil || has {
		return err
	}
	_, err = a.svc.CreateAdmin(ctx, "cli", a.cfg.AdminEmail, newsletter.Owner, a.cfg.AdminPassword)
	return err
}

// greet tells on the terminal where everything is; the setup link goes nowhere else.
func (a *app) greet(ctx context.Context) {
	fmt.Fprintf(os.Stderr, "테크잇슈 is running.\n ├─ site   %s/\n ├─ admin  %s/admin\n └─ data   %s\n", a.cfg.BaseURL, a.cfg.BaseURL, filepath.Clean(a.cfg.Data))
	if r, err := a.svc.HouseRest(ctx); err == nil && r.Why != newsletter.Awake {
		fmt.Fprintf(os.Stderr, "The house is at rest (%s): it sends nothing until techissue wake --yes.\n", r.Why)
	}
	if has, err := a.svc.HasAdmin(ctx); err != nil || has {
		return
	}
	token, err := a.svc.SetupToken(ctx)
	if err != nil {
		a.log.Error("setup link", "err", err)
		return
	}
	fmt.Fprintf(os.Stderr, "No admin yet. Open this link within 30 minutes, or run: techissue admin create EMAIL\n    %s/admin/setup?t=%s\n", a.cfg.BaseURL, token)
}

func (c *cli) migrate() *cobra.Command {
	var dry bool
	status := func(cmd *cobra.Command, _ []string) error {
		return c.bare(cmd, func(ctx context.Context, d *db.DB) error {
			list, err := d.MigrationStatus(ctx)
			if err != nil {
				return err
			}
			return c.print(list, func() {
				for _, m := range list {
					fmt.Printf("%+v\n", m)
				}
			})
		})
	}
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the database's schema up to date; serve does it by itself", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dry {
				return status(cmd, args)
			}
			return c.bare(cmd, func(ctx context.Context, d *db.DB) error { return d.Migrate(ctx) })
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only tell what would be done")
	cmd.AddCommand(&cobra.Command{Use: "status", Short: "Tell which migrations are applied", Args: cobra.NoArgs, RunE: status})
	return cmd
}

// bare opens the database alone.
func (c *cli) bare(cmd *cobra.Command, do func(context.Context, *db.DB) error) error {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	d, err := db.Open(cmd.Context(), db.Options{URL: cfg.database(), Now: now, Log: newLog(cfg)})
	if err != nil {
		return err
	}
	defer d.Close()
	return do(cmd.Context(), d)
}

func (c *cli) healthcheck() *cobra.Command {
	return &cobra.Command{
		Use: "healthcheck", Short: "Ask the running server whether it is ready", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings()
			if err != nil {
				return err
			}
			req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, "http://"+cfg.Addr+"/readyz", nil)
			if err != nil {
				return err
			}
			res, err := (&http.Client{Timeout: 5 * time.Second}).Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("not ready: %s", res.Status)
			}
			return nil
		},
	}
}

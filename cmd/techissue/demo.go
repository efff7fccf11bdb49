package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"techissue/db"
	"techissue/mailer/smtptest"
	"techissue/newsletter"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	addr        string
	subscribers int
	rate        float64
	noSend      bool
	keep        string
}

func (c *cli) demo() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use: "demo", Short: "The whole newsletter in one process, with a mailbox of its own; nothing leaves the machine", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.subscribers < 0 || o.subscribers > 100_000 {
				return usage("--subscribers is between 0 and 100000")
			}
			return runDemo(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "listen here; a busy port gives way to the next free one")
	f.IntVar(&o.subscribers, "subscribers", 200, "made-up readers")
	f.Float64Var(&o.rate, "rate", 20, "letters per second")
	f.BoolVar(&o.noSend, "no-send", false, "do not send the sample issue by itself")
	f.StringVar(&o.keep, "keep", "", "keep the data in this folder")
	return cmd
}

func runDemo(ctx context.Context, o demoOptions) error {
	dir, err := demoFolder(o.keep)
	if err != nil {
		return err
	}
	if o.keep == "" {
		defer os.RemoveAll(dir)
	}
	addr, err := freeAddr(o.addr, "--addr")
	if err != nil {
		return err
	}
	box, err := startMailbox()
	if err != nil {
		return err
	}
	defer box.Close()
	cfg, err := demoConfig(dir, addr, box.URL())
	if err != nil {
		return err
	}
	log := newLog(cfg)
	if err := onlyDemo(ctx, cfg, log); err != nil {
		return err
	}
	a, err := openApp(ctx, cfg, log, true)
	if err != nil {
		return err
	}
	defer a.close()
	number, err := a.seed(ctx, o.subscribers)
	if err != nil {
		return err
	}
	return a.demoRun(ctx, o, box, number)
}

// demoFolder is the one to keep, or a new one with a short name.
func demoFolder(keep string) (string, error) {
	if keep != "" {
		return keep, nil
	}
	for {
		dir := filepath.Join(os.TempDir(), "techissue-demo-"+newsletter.Random(2))
		if err := os.Mkdir(dir, 0o700); !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
	}
}

// startMailbox is the relay of the demo: three readers do not exist, two are put off once.
func startMailbox() (*smtptest.Server, error) {
	for {
		addr, err := freeAddr("127.0.0.1:1025", "the mailbox")
		if err != nil {
			return nil, err
		}
		box, err := smtptest.Start(smtptest.Config{Addr: addr, Hostname: "mailbox.localhost", LogLimit: -1, Rules: append(
			smtptest.HardBounce("reader11@example.com", "reader47@example.com", "reader92@example.com"),
			smtptest.Defer(1, "reader19@example.net", "reader61@example.net")...)})
		switch {
		case err == nil:
			return box, nil
		case !errors.Is(err, syscall.EADDRINUSE): // of two demos that start at once one is quicker
			return nil, fmt.Errorf("start the mailbox: %w", err)
		}
	}
}

// onlyDemo refuses a database that is not a demo's before anything of it is touched: its readers must not get the samples.
func onlyDemo(ctx context.Context, cfg *Config, log *slog.Logger) error {
	d, err := db.Open(ctx, db.Options{URL: cfg.database(), MustExist: true, Now: now, Log: log})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	demo := false
	err = d.View(ctx, func(tx *db.Tx) (err error) {
		demo, err = tx.IsDemo(ctx)
		return err
	})
	if err == nil && demo {
		return nil
	}
	return &exitError{code: exitConfig, err: fmt.Errorf("%s holds a house that is not a demo's; give --keep an empty folder", cfg.Data)}
}

// demoConfig is a house that cannot reach anybody: its relay is the mailbox.
func demoConfig(dir, addr, smtp string) (*Config, error) {
	cfg, _, err := loadConfig([]string{
		prefix + "ADDR=" + addr, prefix + "BASE_URL=http://" + addr, prefix + "DATA=" + dir, prefix + "SMTP_URL=" + smtp, prefix + "FROM=테크잇슈 <letter@techissue.example>",
		prefix + "REPLY_TO=hello@techissue.example", prefix + "LIST_ID=letter.techissue.example", prefix + "LOG_LEVEL=warn",
		prefix + "LEGAL_NAME=테크잇슈", prefix + "LEGAL_REPRESENTATIVE=이재훈", prefix + "LEGAL_ADDRESS=서울시 보기구 보기로 1", prefix + "LEGAL_PHONE=02-000-0000", prefix + "LEGAL_EMAIL=hello@techissue.example",
	}, filepath.Join(dir, ".env"), nil)
	return cfg, err
}

// freeAddr gives the address or, when its port is taken, the next free one.
func freeAddr(addr, name string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", usage("%s is host:port, not %q", name, addr)
	}
	first, err := strconv.Atoi(port)
	if err != nil || first < 0 || first > 65535 {
		return "", usage("%s is host:port, not %q", name, addr)
	}
	for n := range 100 {
		try := net.JoinHostPort(host, strconv.Itoa(first+n))
		l, err := net.Listen("tcp", try)
		if err != nil {
			continue
		}
		try = l.Addr().String()
		return try, l.Close()
	}
	return "", fmt.Errorf("no free port from %s on", addr)
}

// seed fills a new demo house; a kept one goes on with what it has.
func (a *app) seed(ctx context.Context, readers int) (number int, err error) {
	var demo bool
	if err := a.db.Update(ctx, func(tx *db.Tx) (err error) {
		if demo, err = tx.IsDemo(ctx); err != nil || demo {
			return err
		}
		return tx.MarkDemo(ctx)
	}); err != nil {
		return 0, err
	}
	if !demo {
		return a.samples(ctx, readers)
	}
	issues, _, err := a.svc.Issues(ctx, newsletter.IssueFilter{Limit: 200})
	if err != nil {
		return 0, err
	}
	for _, i := range issues {
		if i.Number == sampleNumber {
			return i.Number, nil
		}
	}
	return 0, fmt.Errorf("the kept demo in %s has lost its issue %d: begin a new one in an empty folder", a.cfg.Data, sampleNumber)
}

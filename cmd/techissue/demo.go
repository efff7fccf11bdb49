package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"techissue/db"
	"techissue/handlers"
	"techissue/mailer"
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
	dir, temporary := o.keep, false
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "techissue-demo-"); err != nil {
			return err
		}
		temporary = true
		defer os.RemoveAll(dir)
	}
	addr, err := freeAddr(o.addr)
	if err != nil {
		return err
	}
	box, err := smtptest.Start(smtptest.Config{Hostname: "mailbox.localhost", LogLimit: -1, Rules: append(
		smtptest.HardBounce("reader11@example.com", "reader47@example.com", "reader92@example.com"),
		smtptest.Defer(1, "reader19@example.net", "reader61@example.net")...)})
	if err != nil {
		return fmt.Errorf("start the mailbox: %w", err)
	}
	defer box.Close()
	cfg, err := demoConfig(dir, addr, box.URL())
	if err != nil {
		return err
	}
	log := newLog(cfg)
	a, err := openApp(ctx, cfg, log, true)
	if err != nil {
		return err
	}
	defer a.close()
	number, err := a.seed(ctx, o.subscribers)
	if err != nil {
		return err
	}
	return a.demoRun(ctx, o, box, number, dir, temporary)
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
func freeAddr(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", usage("--addr is host:port, not %q", addr)
	}
	first, err := strconv.Atoi(port)
	if err != nil {
		return "", usage("--addr is host:port, not %q", addr)
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

func (a *app) demoRun(ctx context.Context, o demoOptions, box *smtptest.Server, number int, dir string, temporary bool) error {
	a.newQueue(func(q *mailer.Options) {
		q.Rate = o.rate
		q.Retries = newsletter.RetrySchedule{3 * time.Second, 6 * time.Second, 12 * time.Second}
		q.Breaker = time.Second
	})
	parts := newParts(ctx)
	parts.run("mailer", a.runQueue)
	parts.run("views", a.keepViews)
	started := make(chan struct{})
	var once sync.Once
	demo := &handlers.Demo{Bar: "데모 · 실제로 발송하지 않습니다", Mailbox: &mailbox{server: box}, OnFirstView: func() { once.Do(func() { close(started) }) }}
	if err := a.listen(parts, demo); err != nil {
		parts.stop()
		return errors.Join(err, parts.wait())
	}
	enter, err := a.svc.EnterToken(ctx)
	if err != nil {
		parts.stop()
		return errors.Join(err, parts.wait())
	}
	note := "removed when you leave"
	if !temporary {
		note = "kept"
	}
	base := a.cfg.BaseURL
	fmt.Printf("테크잇슈 demo is ready.   data: %s (%s)\n", dir, note)
	fmt.Printf(" ✓ samples    3 articles · issue %d ready to go · 1 reader + %d made-up readers\n", number, o.subscribers)
	fmt.Printf(" ✓ mailbox    %s, no mail leaves this machine\n", a.cfg.relay.Addr())
	fmt.Printf(" ├─ site      %s/\n ├─ admin     %s/admin/enter?t=%s\n ├─ watch it  %s/admin/issues/%d/send\n └─ mailbox   %s/mailbox\n", base, base, enter, base, number, base)
	fmt.Println("Ctrl+C to leave · next: \"Run it for real\" in README.md")
	if !o.noSend {
		parts.run("sample send", func(ctx context.Context) error { return a.sampleSend(ctx, number, started) })
	}
	return parts.wait()
}

// sampleSend sends the sample issue a moment after the first page view and tells how it goes, a line every 5 seconds.
func (a *app) sampleSend(ctx context.Context, number int, started <-chan struct{}) error {
	select {
	case <-started:
	case <-ctx.Done():
		return nil
	}
	if _, err := a.svc.SendIssue(ctx, "system", number, 0); err != nil {
		if newsletter.KindOf(err) == newsletter.Conflict { // sent by hand already, or a kept folder
			return nil
		}
		return err
	}
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		p, err := a.svc.Progress(ctx, number)
		if err != nil {
			return err
		}
		fmt.Println(progressLine(p))
		if p.State == newsletter.IssueDone || p.State == newsletter.IssueCancelled {
			return nil
		}
	}
}

// mailbox shows what the built-in server caught.
type mailbox struct {
	server *smtptest.Server
	mu     sync.Mutex
	hidden int // letters before this one were cleared
}

func (m *mailbox) List() []handlers.CaughtMail {
	m.mu.Lock()
	hidden := m.hidden
	m.mu.Unlock()
	all := m.server.Accepted()
	var out []handlers.CaughtMail
	for n := len(all) - 1; n >= hidden; n-- {
		out = append(out, caught(n, all[n]))
	}
	return out
}

func (m *mailbox) Get(id string) (handlers.CaughtMail, bool) {
	n, err := strconv.Atoi(id)
	all := m.server.Accepted()
	if err != nil || n < 0 || n >= len(all) {
		return handlers.CaughtMail{}, false
	}
	return caught(n, all[n]), true
}

func (m *mailbox) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hidden = len(m.server.Accepted())
}

func caught(n int, msg smtptest.Message) handlers.CaughtMail {
	return handlers.CaughtMail{ID: strconv.Itoa(n), At: msg.At, From: msg.From, To: []string{msg.Rcpt()}, Raw: msg.Data}
}

// seed fills a new demo house, and refuses a house that is not a demo's.
func (a *app) seed(ctx context.Context, readers int) (number int, err error) {
	var demo bool
	if err := a.db.View(ctx, func(tx *db.Tx) (err error) {
		demo, err = tx.IsDemo(ctx)
		return err
	}); err != nil {
		return 0, err
	}
	if demo {
		issues, _, err := a.svc.Issues(ctx, newsletter.IssueFilter{Limit: 1})
		if err != nil || len(issues) == 0 {
			return 0, errors.Join(err, errors.New("the kept demo has no issue"))
		}
		return issues[0].Number, nil
	}
	if has, err := a.svc.HasAdmin(ctx); err != nil || has {
		return 0, errors.Join(err, &exitError{code: exitConfig, err: errors.New("this folder holds a real house, not a demo's")})
	}
	if err := a.db.Update(ctx, func(tx *db.Tx) error { return tx.MarkDemo(ctx) }); err != nil {
		return 0, err
	}
	return a.samples(ctx, readers)
}

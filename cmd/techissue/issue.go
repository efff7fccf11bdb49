package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"techissue/db"
	"techissue/mailer"
	"techissue/newsletter"
)

// issueFile is the front matter of an issue's file; the Markdown below it is the greeting.
type issueFile struct {
	Number           int                      `yaml:"number"`
	Subject          string                   `yaml:"subject"`
	Preheader        string                   `yaml:"preheader"`
	Kind             string                   `yaml:"kind"`
	WithoutAdConsent string                   `yaml:"without_ad_consent"`
	Uncertain        string                   `yaml:"uncertain"`
	Links            []newsletter.RoundupLink `yaml:"links"`
	Articles         []string                 `yaml:"articles"`
	Sponsor          string                   `yaml:"sponsor"`
	Outro            string                   `yaml:"outro"`
	Tags             []string                 `yaml:"tags"`
}

// articleFile is the front matter of an article's file.
type articleFile struct {
	Title   string   `yaml:"title"`
	Slug    string   `yaml:"slug"`
	Summary string   `yaml:"summary"`
	Author  string   `yaml:"author"`
	Tags    []string `yaml:"tags"`
	Date    string   `yaml:"date"`
}

func (c *cli) article() *cobra.Command {
	cmd := &cobra.Command{Use: "article", Short: "Articles"}
	var publish bool
	imp := &cobra.Command{
		Use: "import FILE.md…", Short: "Take articles in from Markdown with front matter", Args: cobra.MinimumNArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			var made []map[string]any
			for _, path := range args {
				var f articleFile
				body, err := readFrontMatter(path, &f)
				if err != nil {
					return err
				}
				art := newsletter.Article{Title: f.Title, Slug: f.Slug, Summary: f.Summary, Author: f.Author, Tags: f.Tags, Body: body, Status: newsletter.ArticleDraft}
				if publish {
					art.Status = newsletter.ArticlePublished
				}
				if f.Date != "" {
					if art.PublishedAt, err = parseTime(f.Date, a.cfg.loc); err != nil {
						return fmt.Errorf("%s: date: %w", path, err)
					}
				}
				out, err := a.svc.CreateArticle(ctx, actorCLI, art)
				if err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				made = append(made, map[string]any{"slug": out.Slug, "title": out.Title, "status": out.Status})
			}
			return c.print(made, func() {
				for _, m := range made {
					fmt.Println(m["slug"])
				}
			})
		}),
	}
	imp.Flags().BoolVar(&publish, "publish", false, "publish them")
	list := &cobra.Command{
		Use: "list", Short: "Articles, newest first", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			page, _, err := a.svc.Articles(ctx, newsletter.ArticleFilter{Limit: 200})
			if err != nil {
				return err
			}
			views, rows := make([]map[string]any, len(page)), make([][]any, len(page))
			for i, art := range page {
				views[i] = map[string]any{"slug": art.Slug, "title": art.Title, "status": art.Status, "views": art.Views}
				rows[i] = []any{art.Slug, short(art.Title, 40), art.Status, art.Views}
			}
			return c.print(views, func() { columns([]any{"slug", "title", "status", "views"}, rows) })
		}),
	}
	cmd.AddCommand(imp, list)
	return cmd
}

func (c *cli) issue() *cobra.Command {
	cmd := &cobra.Command{Use: "issue", Short: "Issues"}
	cmd.AddCommand(c.issueCreate(), c.issueList(), c.issuePreview(), c.issueCheck(), c.issueTest(), c.issueSend(), c.issueReport(), c.issueDeliveries())
	for _, v := range []struct {
		use, short string
		do         func(*newsletter.Service, context.Context, string, int) (newsletter.Issue, error)
	}{
		{"pause", "Stop at the next letter", (*newsletter.Service).PauseIssue},
		{"resume", "Go on", (*newsletter.Service).ResumeIssue},
		{"cancel", "End it for good", (*newsletter.Service).CancelIssue},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: v.use + " N", Short: v.short, Args: cobra.ExactArgs(1),
			RunE: c.numbered(func(ctx context.Context, a *app, n int, _ []string) error {
				i, err := v.do(a.svc, ctx, actorCLI, n)
				if err != nil {
					return err
				}
				return c.printIssue(i)
			}),
		})
	}
	return cmd
}

// numbered opens the house for a command about one issue.
func (c *cli) numbered(do func(ctx context.Context, a *app, n int, rest []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 {
			return usage("%q is no issue's number", args[0])
		}
		return c.with(func(ctx context.Context, a *app, args []string) error { return do(ctx, a, n, args[1:]) })(cmd, args)
	}
}

func issueView(i newsletter.Issue) map[string]any {
	return map[string]any{"number": i.Number, "state": i.State, "subject": i.Subject, "kind": i.Kind, "recipients": i.Recipients}
}

func (c *cli) printIssue(i newsletter.Issue) error {
	return c.print(issueView(i), func() { fmt.Printf("%d\t%s\t%s\n", i.Number, i.State, i.Subject) })
}

func (c *cli) issueCreate() *cobra.Command {
	return &cobra.Command{
		Use: "create FILE.md", Short: "Make a draft of Markdown with front matter; prints its number", Args: cobra.ExactArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			var f issueFile
			intro, err := readFrontMatter(args[0], &f)
			if err != nil {
				return err
			}
			i, err := a.svc.CreateIssue(ctx, actorCLI, newsletter.Issue{
				Number: f.Number, WithoutAdConsent: f.WithoutAdConsent, Uncertain: newsletter.UncertainPolicy(f.Uncertain),
				Audience: newsletter.Audience{Tags: f.Tags},
				Content: newsletter.Content{
					Subject: f.Subject, Preheader: f.Preheader, Kind: newsletter.IssueKind(f.Kind), Intro: intro, Links: f.Links, Articles: f.Articles,
					Sponsor: f.Sponsor, Outro: f.Outro,
				},
			})
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return c.print(issueView(i), func() { fmt.Println(i.Number) })
		}),
	}
}

func (c *cli) issueList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Issues, highest number first", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			page, _, err := a.svc.Issues(ctx, newsletter.IssueFilter{Limit: 200})
			if err != nil {
				return err
			}
			views, rows := make([]map[string]any, len(page)), make([][]any, len(page))
			for n, i := range page {
				views[n], rows[n] = issueView(i), []any{i.Number, i.State, short(i.Subject, 50), i.Recipients}
			}
			return c.print(views, func() { columns([]any{"number", "state", "subject", "recipients"}, rows) })
		}),
	}
}

func (c *cli) issuePreview() *cobra.Command {
	var text bool
	cmd := &cobra.Command{
		Use: "preview N", Short: "The letter as it would go out: HTML, or with --text the text part", Args: cobra.ExactArgs(1),
		RunE: c.numbered(func(ctx context.Context, a *app, n int, _ []string) error {
			html, plain, err := a.svc.PreviewIssue(ctx, n)
			if err != nil {
				return err
			}
			return c.print(map[string]string{"html": html, "text": plain}, func() {
				if text {
					html = plain
				}
				fmt.Print(html)
			})
		}),
	}
	cmd.Flags().BoolVar(&text, "text", false, "the text part")
	return cmd
}

func (c *cli) issueCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check N", Short: "What to mend before sending; fails when something blocks", Args: cobra.ExactArgs(1),
		RunE: c.numbered(func(ctx context.Context, a *app, n int, _ []string) error {
			checks, err := a.svc.CheckIssue(ctx, n)
			if err != nil {
				return err
			}
			blocked := false
			for _, k := range checks {
				blocked = blocked || k.Level == "block"
			}
			err = c.print(map[string]any{"checks": checks}, func() {
				for _, k := range checks {
					fmt.Printf("%-5s %s %s\n", k.Level, k.Field, k.Text)
				}
			})
			if err == nil && blocked {
				return &exitError{code: exitFailed, said: true}
			}
			return err
		}),
	}
}

func (c *cli) issueReport() *cobra.Command {
	return &cobra.Command{
		Use: "report N", Short: "An issue in figures", Args: cobra.ExactArgs(1),
		RunE: c.numbered(func(ctx context.Context, a *app, n int, _ []string) error {
			r, err := a.svc.Report(ctx, n)
			if err != nil {
				return err
			}
			view := map[string]any{"number": r.Number, "state": r.State, "recipients": r.Recipients, "opened": r.Opened, "clicked": r.Clicked, "bounced": r.Bounced, "unsubscribed": r.Unsubscribed}
			for _, s := range newsletter.DeliveryStates {
				view[string(s)] = r.Counts[s]
			}
			return c.print(view, func() { fmt.Println(progressLine(r.Progress)) })
		}),
	}
}

func (c *cli) issueDeliveries() *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use: "deliveries N", Short: "Every letter of an issue and what became of it", Args: cobra.ExactArgs(1),
		RunE: c.numbered(func(ctx context.Context, a *app, n int, _ []string) error {
			views := []map[string]any{}
			var rows [][]any
			for f := (newsletter.DeliveryFilter{State: newsletter.DeliveryState(state), Limit: 200}); ; {
				page, more, err := a.svc.Deliveries(ctx, n, f)
				if err != nil {
					return err
				}
				for _, d := range page {
					views = append(views, map[string]any{"id": d.ID, "email": d.Email, "state": d.State, "reason": d.Reason, "attempts": d.Attempts, "reply": d.Reply})
					rows = append(rows, []any{d.ID, d.Email, d.State, d.Reason, d.Attempts, short(d.Reply, 60)})
					f.Cursor = int64(d.ID)
				}
				if !more {
					break
				}
			}
			return c.print(views, func() { columns([]any{"id", "email", "state", "reason", "attempts", "reply"}, rows) })
		}),
	}
	cmd.Flags().StringVar(&state, "state", "", "queued, leased, handing, sent, uncertain, failed, expired, skipped or cancelled")
	return cmd
}

func (c *cli) issueTest() *cobra.Command {
	return &cobra.Command{
		Use: "test N EMAIL…", Short: "Send the letter to at most five addresses and tell what the server said", Args: cobra.MinimumNArgs(2),
		RunE: c.numbered(func(ctx context.Context, a *app, n int, to []string) error {
			ids, err := a.svc.TestIssue(ctx, actorCLI, n, to)
			if err != nil {
				return err
			}
			refused := false
			err = c.drive(ctx, a, func(ctx context.Context) (bool, error) {
				for _, id := range ids {
					n, err := a.svc.Notice(ctx, id)
					if err != nil || n.State == newsletter.Queued && n.Attempts == 0 || n.State == newsletter.Leased || n.State == newsletter.Handing {
						return false, err
					}
				}
				return true, nil
			})
			if err != nil {
				return err
			}
			var views []map[string]any
			for _, id := range ids {
				n, err := a.svc.Notice(ctx, id)
				if err != nil {
					return err
				}
				refused = refused || n.State != newsletter.Sent
				views = append(views, map[string]any{"email": n.Email, "state": n.State, "reply": n.Reply})
			}
			err = c.print(views, func() {
				for _, v := range views {
					fmt.Printf("%s\t%s\t%s\n", v["email"], v["state"], v["reply"])
				}
			})
			if err == nil && refused {
				return &exitError{code: exitPartly, said: true}
			}
			return err
		}),
	}
}

func (c *cli) issueSend() *cobra.Command {
	var at string
	var wait bool
	cmd := &cobra.Command{
		Use: "send N", Short: "Send now, or with --at later; --wait stays until it is done", Args: cobra.ExactArgs(1),
		RunE: c.numbered(func(ctx context.Context, a *app, n int, _ []string) error {
			i, err := c.startSend(ctx, a, n, at, wait)
			if err != nil {
				return err
			}
			if !wait {
				return c.printIssue(i)
			}
			last := time.Now()
			err = c.drive(ctx, a, func(ctx context.Context) (bool, error) {
				p, err := a.svc.Progress(ctx, n)
				if err != nil {
					return false, err
				}
				if time.Since(last) >= 5*time.Second {
					last = time.Now()
					fmt.Fprintln(os.Stderr, progressLine(p))
				}
				return p.State == newsletter.IssueDone || p.State == newsletter.IssueCancelled || p.State == newsletter.IssuePaused, nil
			})
			if err != nil {
				if ctx.Err() != nil {
					fmt.Fprintf(os.Stderr, "stopped; go on with: techissue issue send %d --wait\n", n)
				}
				return err
			}
			return c.sendResult(ctx, a, n)
		}),
	}
	cmd.Flags().StringVar(&at, "at", "", "when: 2026-12-01 08:00")
	cmd.Flags().BoolVar(&wait, "wait", false, "stay until it is done; drives the mailer when no server does")
	return cmd
}

// startSend accepts the send. With wait, an issue that is on its way already is only waited for: that is how an interrupted wait goes on.
func (c *cli) startSend(ctx context.Context, a *app, n int, at string, wait bool) (newsletter.Issue, error) {
	if at != "" {
		when, err := parseTime(at, a.cfg.loc)
		if err != nil {
			return newsletter.Issue{}, err
		}
		return a.svc.ScheduleIssue(ctx, actorCLI, n, when)
	}
	i, err := a.svc.SendIssue(ctx, actorCLI, n, 0)
	if !wait || newsletter.KindOf(err) != newsletter.Conflict {
		return i, err
	}
	i, lookErr := a.svc.Issue(ctx, n)
	if lookErr == nil && (i.State == newsletter.IssuePreparing || i.State == newsletter.IssueSending) {
		return i, nil
	}
	return i, errors.Join(err, lookErr)
}

func (c *cli) sendResult(ctx context.Context, a *app, n int) error {
	p, err := a.svc.Progress(ctx, n)
	if err != nil {
		return err
	}
	view := map[string]any{"number": n, "state": p.State, "recipients": p.Recipients}
	for _, s := range newsletter.DeliveryStates {
		view[string(s)] = p.Counts[s]
	}
	if err := c.print(view, func() { fmt.Println(progressLine(p)) }); err != nil {
		return err
	}
	if p.State != newsletter.IssueDone {
		return fmt.Errorf("issue %d is %s", n, p.State)
	}
	if p.Counts[newsletter.Sent]+p.Counts[newsletter.Skipped] < p.Recipients {
		return &exitError{code: exitPartly, said: true}
	}
	return nil
}

func progressLine(p newsletter.Progress) string {
	line := fmt.Sprintf("issue %d %s: recipients %d", p.Number, p.State, p.Recipients)
	for _, s := range newsletter.DeliveryStates {
		if p.Counts[s] > 0 {
			line += fmt.Sprintf(" · %s %d", s, p.Counts[s])
		}
	}
	if p.Rate > 0 {
		line += fmt.Sprintf(" · %.0f/s", p.Rate)
	}
	return line
}

// drive waits until done; when no server holds the folder it drives the mailer itself meanwhile.
func (c *cli) drive(ctx context.Context, a *app, done func(context.Context) (bool, error)) error {
	parts := newParts(ctx)
	if !a.cfg.postgres() {
		lock, err := db.LockFolder(a.cfg.Data)
		if err == nil {
			defer lock.Release()
			a.newQueue(nil)
			parts.run("mailer", a.queue.Run)
		}
	} else {
		a.newQueue(func(o *mailer.Options) { o.Alone = false })
		parts.run("mailer", a.queue.Run)
	}
	parts.run("wait", func(ctx context.Context) error {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			ok, err := done(ctx)
			if err != nil || ok {
				parts.stop()
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
	})
	return parts.wait()
}

package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"techissue/newsletter"
)

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
			switch err := a.lookAtLinks(ctx, n); {
			case newsletter.KindOf(err) == newsletter.Unavailable: // what was seen cannot be kept; the rest of the check needs no write
				fmt.Fprintln(os.Stderr, "links were not looked at: the database is busy")
			case err != nil:
				return err
			}
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

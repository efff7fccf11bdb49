package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"techissue/newsletter"
)

func (c *cli) subscribers() *cobra.Command {
	cmd := &cobra.Command{Use: "subscribers", Short: "Readers"}
	cmd.AddCommand(c.importSubscribers(), c.exportSubscribers(), c.listSubscribers())
	byEmail := func(use, short string, do func(context.Context, *app, newsletter.SubscriberID) error) *cobra.Command {
		return &cobra.Command{
			Use: use + " EMAIL", Short: short, Args: cobra.ExactArgs(1),
			RunE: c.with(func(ctx context.Context, a *app, args []string) error {
				s, err := a.svc.SubscriberByEmail(ctx, args[0])
				if err != nil {
					return err
				}
				return do(ctx, a, s.ID)
			}),
		}
	}
	cmd.AddCommand(
		byEmail("unsubscribe", "End a reader's subscription", func(ctx context.Context, a *app, id newsletter.SubscriberID) error {
			_, err := a.svc.UnsubscribeReader(ctx, actorCLI, id)
			return err
		}),
		byEmail("erase", "Forget a reader", func(ctx context.Context, a *app, id newsletter.SubscriberID) error {
			return a.svc.EraseReader(ctx, actorCLI, id)
		}))
	return cmd
}

func (c *cli) listSubscribers() *cobra.Command {
	var status, query string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "Readers, newest first", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			page, _, err := a.svc.Subscribers(ctx, newsletter.SubscriberFilter{Status: newsletter.Status(status), Query: query, Limit: limit})
			if err != nil {
				return err
			}
			views, rows := make([]map[string]any, len(page)), make([][]any, len(page))
			for i, s := range page {
				views[i] = map[string]any{"id": s.ID, "email": s.Email.String(), "name": s.Name, "status": s.Shown(), "tags": s.Tags}
				rows[i] = []any{s.ID, s.Email, s.Name, s.Shown(), strings.Join(s.Tags, ", ")}
			}
			return c.print(views, func() { columns([]any{"id", "email", "name", "status", "tags"}, rows) })
		}),
	}
	cmd.Flags().StringVar(&status, "status", "", "pending, active, unsubscribed or suppressed")
	cmd.Flags().StringVar(&query, "query", "", "part of the address or name")
	cmd.Flags().IntVar(&limit, "limit", 50, "1 to 200")
	return cmd
}

func (c *cli) exportSubscribers() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "export", Short: "All readers as CSV on standard output", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			n, err := a.svc.ExportSubscribers(ctx, actorCLI, os.Stdout, newsletter.SubscriberFilter{}, format)
			fmt.Fprintf(os.Stderr, "%d readers\n", n)
			return err
		}),
	}
	cmd.Flags().StringVar(&format, "format", "csv", "csv (lossless), safe (for spreadsheets) or stibee")
	return cmd
}

func (c *cli) importSubscribers() *cobra.Command {
	o := newsletter.ImportOptions{}
	var as string
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Bring readers in from a CSV file", Args: cobra.ExactArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return usage("%v", err)
			}
			defer f.Close()
			o.File, o.As = args[0], newsletter.ImportAs(as)
			if o.ConsentSource == "" && o.As == newsletter.ImportActive {
				return usage("--consent-source is needed to make active readers: name what they agreed to and when, for example --consent-source \"Stibee 2024, double opt-in\"; or use --as pending, which mails each a confirmation")
			}
			last := time.Now()
			o.OnProgress = func(i newsletter.Import) {
				if time.Since(last) >= 5*time.Second {
					last = time.Now()
					fmt.Fprintf(os.Stderr, "%d rows\n", i.Rows)
				}
			}
			done, err := a.svc.ImportSubscribers(ctx, actorCLI, f, o)
			if err != nil {
				return err
			}
			return c.reportImport(ctx, a, done)
		}),
	}
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "judge every line, save nothing")
	cmd.Flags().StringVar(&o.Format, "format", "auto", "auto, stibee, mailchimp, substack, ghost, listmonk, beehiiv, techissue")
	cmd.Flags().StringVar(&as, "as", "active", "active, pending, unsubscribed or suppressed")
	cmd.Flags().StringVar(&o.ConsentSource, "consent-source", "", "evidence of consent")
	return cmd
}

func (c *cli) reportImport(ctx context.Context, a *app, i newsletter.Import) error {
	view := map[string]any{
		"id": i.ID, "state": i.State, "format": i.Format, "rows": i.Rows, "created": i.Created, "updated": i.Updated,
		"unsubscribed": i.Unsubscribed, "rejected": i.Rejected, "dry_run": i.DryRun,
	}
	err := c.print(view, func() {
		fmt.Printf("format: %s, %d rows\nnew %d · updated %d · as unsubscribed %d · refused %d\n", i.Format, i.Rows, i.Created, i.Updated, i.Unsubscribed, i.Rejected)
		if i.DryRun {
			fmt.Println("nothing saved yet: run again without --dry-run")
		}
	})
	if err != nil || i.Rejected == 0 {
		return err
	}
	if err := a.svc.ImportRejects(ctx, i.ID, os.Stderr); err != nil {
		return err
	}
	return &exitError{code: exitPartly, said: true}
}

package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

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

func (f issueFile) issue(intro string) newsletter.Issue {
	return newsletter.Issue{
		Number: f.Number, WithoutAdConsent: f.WithoutAdConsent, Uncertain: newsletter.UncertainPolicy(f.Uncertain),
		Audience: newsletter.Audience{Tags: f.Tags},
		Content: newsletter.Content{
			Subject: f.Subject, Preheader: f.Preheader, Kind: newsletter.IssueKind(f.Kind), Intro: intro, Links: f.Links, Articles: f.Articles,
			Sponsor: f.Sponsor, Outro: f.Outro,
		},
	}
}

func (c *cli) issue() *cobra.Command {
	cmd := &cobra.Command{Use: "issue", Short: "Issues"}
	cmd.AddCommand(c.issueCreate(), c.issueImport(), c.issueList(), c.issuePreview(), c.issueCheck(), c.issueTest(), c.issueSend(), c.issueReport(), c.issueDeliveries())
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
			i, err := a.svc.CreateIssue(ctx, actorCLI, f.issue(intro))
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

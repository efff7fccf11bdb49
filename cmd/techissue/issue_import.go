package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"techissue/newsletter"
)

// pastIssue is the front matter of an issue that was sent long ago, from elsewhere.
type pastIssue struct {
	issueFile `yaml:",inline"`
	SentAt    string `yaml:"sent_at"`
	Date      string `yaml:"date"` // as in articles
}

func (c *cli) issueImport() *cobra.Command {
	var urls string
	cmd := &cobra.Command{
		Use: "import FILE…", Short: "Take issues of the past into the archive; nothing is ever sent",
		Long: `Take issues of the past into the archive, in state done; nothing is ever sent. A file is Markdown with the front matter of "issue create"
and sent_at (2024-03-01 08:00). A file that cannot be taken in is named, the others are.`,
		Example: "  techissue issue import archive/*.md",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case urls != "":
				return usage("--urls is not there yet: this program fetches no pages. Save them as Markdown files and import those")
			case len(args) == 0:
				return usage("name the files to import")
			}
			return c.with(c.importIssues)(cmd, args)
		},
	}
	cmd.Flags().StringVar(&urls, "urls", "", "file with an address a line")
	return cmd
}

func (c *cli) importIssues(ctx context.Context, a *app, args []string) error {
	views, refused := []map[string]any{}, 0
	for _, path := range args {
		if err := ctx.Err(); err != nil {
			return err
		}
		i, err := a.importIssue(ctx, path)
		if err != nil {
			refused++
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			continue
		}
		v := issueView(i)
		v["sent_at"] = i.SentAt()
		views = append(views, v)
	}
	err := c.print(views, func() {
		for _, v := range views {
			fmt.Println(v["number"])
		}
	})
	switch {
	case err != nil:
		return err
	case refused == len(args):
		return &exitError{code: exitFailed, said: true}
	case refused > 0:
		return &exitError{code: exitPartly, said: true}
	}
	return nil
}

func (a *app) importIssue(ctx context.Context, path string) (newsletter.Issue, error) {
	var f pastIssue
	intro, err := readFrontMatter(path, &f)
	if err != nil {
		return newsletter.Issue{}, err
	}
	when := f.SentAt
	if when == "" {
		when = f.Date
	}
	if when == "" {
		return newsletter.Issue{}, fmt.Errorf("sent_at is missing: an issue of the past has a date")
	}
	at, err := parseTime(when, a.cfg.loc)
	if err != nil {
		return newsletter.Issue{}, err
	}
	if at.After(now()) {
		return newsletter.Issue{}, fmt.Errorf("sent_at %s is still to come: use issue create", when)
	}
	i := f.issue(intro)
	i.Archived, i.AcceptedAt = true, at
	return a.svc.CreateIssue(ctx, actorCLI, i)
}

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"techissue/newsletter"
)

func (c *cli) link() *cobra.Command {
	cmd := &cobra.Command{Use: "link", Short: "The pile of links for the next round-up"}
	var given newsletter.RoundupLink
	add := &cobra.Command{
		Use: "add URL", Short: "Put a link on the pile", Args: cobra.ExactArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			given.URL = args[0]
			l, err := a.svc.AddLink(ctx, actorCLI, given)
			if err != nil {
				return err
			}
			return c.print(linkView(l), func() { fmt.Println(l.ID) })
		}),
	}
	f := add.Flags()
	f.StringVar(&given.Title, "title", "", "its title")
	f.StringVar(&given.Source, "source", "", "who published it")
	f.StringVar(&given.Summary, "summary", "", "one line about it")
	list := &cobra.Command{
		Use: "list", Short: "The pile, newest first", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			views, rows := []map[string]any{}, [][]any{}
			for cursor := int64(0); ; {
				page, more, err := a.svc.Pile(ctx, "", cursor, 200)
				if err != nil {
					return err
				}
				for _, l := range page {
					view := linkView(l.Link)
					view["issue"], view["same_as"] = l.Issue, l.Twin
					views = append(views, view)
					note := ""
					if l.Issue != 0 {
						note = fmt.Sprintf("in issue %d", l.Issue)
					}
					rows = append(rows, []any{l.ID, short(l.Title, 40), l.URL, note})
					cursor = l.ID
				}
				if !more {
					break
				}
			}
			return c.print(views, func() { columns([]any{"id", "title", "url", ""}, rows) })
		}),
	}
	cmd.AddCommand(add, list)
	return cmd
}

func linkView(l newsletter.Link) map[string]any {
	return map[string]any{"id": l.ID, "url": l.URL, "title": l.Title, "source": l.Source, "summary": l.Summary, "created_at": l.CreatedAt}
}

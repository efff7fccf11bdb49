package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"techissue/newsletter"
)

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

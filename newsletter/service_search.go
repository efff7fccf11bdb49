package newsletter

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// searchLayout names how texts are cut and kept. Another number makes the next start index everything anew.
const searchLayout = 1

const searchLayoutName = "search_layout" // among the settings, but none of the admin's

// Search finds articles, issues and lines of round-ups that hold every word of the query, the best first.
func (s *Service) Search(ctx context.Context, f SearchFilter) (Found, error) {
	words := parseSearch(f.Query)
	if len(words) == 0 {
		return Found{}, nil
	}
	var terms []SearchTerm
	for _, w := range words {
		terms = append(terms, w.terms()...)
	}
	docs, err := get(ctx, s, func(tx Tx) ([]SearchDoc, error) { return tx.FindSearch(ctx, terms, f.Kind, searchCandidates) })
	if err != nil {
		return Found{}, fmt.Errorf("search: %w", err)
	}
	ranked := rank(docs, words)
	out := Found{Total: len(ranked)}
	f.Limit = pageLimit(f.Limit)
	from := min(max(f.Offset, 0), len(ranked))
	to := min(from+f.Limit, len(ranked))
	out.More = to < len(ranked)
	for _, r := range ranked[from:to] {
		out.Hits = append(out.Hits, SearchHit{r.doc, marked(words, r.doc.Title), excerpt(words, r.doc.Text)})
	}
	return out, nil
}

// indexArticle makes a published article findable, and a draft not.
func indexArticle(ctx context.Context, tx Tx, a Article) error {
	var docs []SearchDoc
	if a.Status == ArticlePublished {
		tags := ""
		if len(a.Tags) > 0 {
			tags = "#" + strings.Join(a.Tags, " #")
		}
		docs = []SearchDoc{{Kind: FoundArticle, Slug: a.Slug, At: a.PublishedAt, Title: a.Title, Text: oneLine(a.Summary, plainWords(a.Body), tags)}}
	}
	if err := tx.PutSearch(ctx, FoundArticle, int64(a.ID), docs); err != nil {
		return fmt.Errorf("index article: %w", err)
	}
	return nil
}

// indexIssue makes a public issue and each line of its round-up findable, as the edition has them.
func indexIssue(ctx context.Context, tx Tx, i Issue, snap Snapshot) error {
	var docs []SearchDoc
	if i.Public() {
		whole := SearchDoc{Kind: FoundIssue, Number: i.Number, At: i.SentAt(), Title: snap.Subject}
		whole.Text = oneLine(snap.Preheader, plainWords(snap.Intro), plainWords(snap.Outro))
		docs = append(docs, whole)
		for n, l := range snap.Links {
			docs = append(docs, SearchDoc{
				Kind: FoundLink, Number: i.Number, Position: n + 1, At: i.SentAt(), URL: l.URL, Source: l.Source, Title: l.Title,
				Text: oneLine(l.Summary, l.Source),
			})
		}
	}
	if err := tx.PutSearch(ctx, FoundIssue, int64(i.ID), docs); err != nil {
		return fmt.Errorf("index issue %d: %w", i.Number, err)
	}
	return nil
}

// indexNewest indexes an issue by the newest edition it has.
func indexNewest(ctx context.Context, tx Tx, i Issue) error {
	e, err := newestEdition(ctx, tx, i.ID)
	if known, err := found(err); err != nil {
		return err
	} else if !known {
		return nil
	}
	return indexIssue(ctx, tx, i, e.Snapshot)
}

// KeepSearch indexes everything published when that was not done by this layout of the index: after an upgrade, or a
// copy that left the index out. It works in small steps, may be cut off, and two nodes may do it at once.
func (s *Service) KeepSearch(ctx context.Context) error {
	done, err := get(ctx, s, func(tx Tx) (bool, error) {
		set, err := tx.Settings(ctx)
		if err != nil || set[searchLayoutName] != strconv.Itoa(searchLayout) {
			return false, err
		}
		n, err := tx.CountSearch(ctx)
		return n > 0, err
	})
	if err != nil || done {
		return err
	}
	if err := s.searchArticles(ctx); err != nil {
		return err
	}
	if err := s.searchIssues(ctx); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		return tx.PutSetting(ctx, searchLayoutName, strconv.Itoa(searchLayout), s.opt.Now())
	})
}

const searchStep = 20 // articles in one transaction: letters and readers wait no longer for the writer

func (s *Service) searchArticles(ctx context.Context) error {
	f := ArticleFilter{Limit: searchStep}
	for more := true; more; {
		err := s.update(ctx, func(tx Tx) error {
			list, err := tx.Articles(ctx, f)
			if err != nil {
				return err
			}
			list, more = page(list, searchStep)
			for _, a := range list {
				if err := indexArticle(ctx, tx, a); err != nil {
					return err
				}
			}
			if len(list) > 0 {
				f.Cursor = int64(list[len(list)-1].ID)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("index articles: %w", err)
		}
	}
	return nil
}

func (s *Service) searchIssues(ctx context.Context) error {
	f := IssueFilter{Public: true, Limit: searchStep}
	for more := true; more; {
		err := s.update(ctx, func(tx Tx) error {
			list, err := tx.Issues(ctx, f)
			if err != nil {
				return err
			}
			list, more = page(list, searchStep)
			for _, i := range list {
				if err := indexNewest(ctx, tx, i); err != nil {
					return err
				}
			}
			if len(list) > 0 {
				f.Cursor = int64(list[len(list)-1].Number)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("index issues: %w", err)
		}
	}
	return nil
}

package db

import (
	"context"
	"errors"
	"slices"
	"time"

	"techissue/newsletter"
)

const articleColumns = `
SELECT a.id, a.slug, a.title, a.summary, a.body, a.author, a.status, a.published_at, a.views, a.version, a.created_at, a.updated_at, a.comments_closed, a.cover, a.cover_alt, a.publish_at,
	(SELECT COUNT(*) FROM comments k WHERE k.on_kind = 'article' AND k.on_id = a.id AND k.status = 'published')
FROM articles a WHERE TRUE`

func scanArticle(r scanner) (a newsletter.Article, err error) {
	return a, r.Scan(&a.ID, &a.Slug, &a.Title, &a.Summary, &a.Body, &a.Author, &a.Status, asTime(&a.PublishedAt), &a.Views, &a.Version,
		asTime(&a.CreatedAt), asTime(&a.UpdatedAt), asFlag(&a.CommentsClosed), &a.Cover, &a.CoverAlt, asTime(&a.PublishAt), &a.Comments)
}

// Article returns one by its slug, or by one that it had while it was published.
func (t *Tx) Article(ctx context.Context, slug string) (newsletter.Article, error) {
	a, err := scanArticle(t.queryRow(ctx, articleColumns+` AND a.slug = ?`, slug))
	if newsletter.KindOf(err) == newsletter.NotFound {
		a, err = scanArticle(t.queryRow(ctx, articleColumns+` AND a.id = (SELECT o.article_id FROM old_slugs o WHERE o.slug = ?)`, slug))
	}
	if err != nil {
		return a, missing(err, "없는 아티클이에요.")
	}
	a.Tags, err = list(ctx, t, scanText, `SELECT tag FROM article_tags WHERE article_id = ? ORDER BY tag`, a.ID)
	return a, err
}

// ArticleByID returns one by its id, without tags.
func (t *Tx) ArticleByID(ctx context.Context, id newsletter.ArticleID) (newsletter.Article, error) {
	a, err := scanArticle(t.queryRow(ctx, articleColumns+` AND a.id = ?`, id))
	return a, missing(err, "없는 아티클이에요.")
}

// PutArticle inserts or changes an article with its tags.
func (t *Tx) PutArticle(ctx context.Context, a *newsletter.Article) error {
	args := []any{a.Slug, a.Title, a.Summary, a.Body, a.Author, a.Status, orNull(a.PublishedAt), ms(a.UpdatedAt), flag(a.CommentsClosed), a.Cover, a.CoverAlt, orNull(a.PublishAt)}
	if a.ID == 0 {
		id, err := t.insert(ctx, `
			INSERT INTO articles (slug, title, summary, body, author, status, published_at, updated_at, comments_closed, cover, cover_alt, publish_at, created_at, version)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1) RETURNING id`, append(args, ms(a.CreatedAt))...)
		if err != nil {
			return taken(err, "slug", "이미 쓰고 있는 주소(slug)예요.")
		}
		a.ID, a.Version = newsletter.ArticleID(id), 1
	} else {
		if err := t.keepSlug(ctx, *a); err != nil {
			return err
		}
		err := t.swap(ctx, errVersion, `
			UPDATE articles SET slug = ?, title = ?, summary = ?, body = ?, author = ?, status = ?, published_at = ?, updated_at = ?, comments_closed = ?, cover = ?, cover_alt = ?, publish_at = ?,
				version = version + 1
			WHERE id = ? AND version = ?`, append(args, a.ID, a.Version)...)
		if err != nil {
			if errors.Is(err, errVersion) {
				return err
			}
			return taken(err, "slug", "이미 쓰고 있는 주소(slug)예요.")
		}
		a.Version++
	}
	a.Tags = slices.Compact(slices.Sorted(slices.Values(a.Tags)))
	if _, err := t.exec(ctx, `DELETE FROM article_tags WHERE article_id = ?`, a.ID); err != nil {
		return err
	}
	for _, tag := range a.Tags {
		if _, err := t.exec(ctx, `INSERT INTO article_tags (article_id, tag) VALUES (?, ?)`, a.ID, tag); err != nil {
			return err
		}
	}
	return nil
}

// keepSlug remembers the address that a published article gives up, and forgets one that it takes back.
func (t *Tx) keepSlug(ctx context.Context, a newsletter.Article) error {
	_, err := t.exec(ctx, `
		INSERT INTO old_slugs (slug, article_id) SELECT slug, id FROM articles WHERE id = ? AND version = ? AND slug <> ? AND status = 'published'
		ON CONFLICT DO NOTHING`, a.ID, a.Version, a.Slug)
	if err == nil {
		_, err = t.exec(ctx, `DELETE FROM old_slugs WHERE slug = ? AND article_id = ?`, a.Slug, a.ID)
	}
	return err
}

// OldSlugs lists the addresses that an article had.
func (t *Tx) OldSlugs(ctx context.Context, id newsletter.ArticleID) ([]string, error) {
	return list(ctx, t, scanText, `SELECT slug FROM old_slugs WHERE article_id = ? ORDER BY slug`, id)
}

// DeleteArticle removes one with its tags.
func (t *Tx) DeleteArticle(ctx context.Context, id newsletter.ArticleID) error {
	if _, err := t.exec(ctx, `DELETE FROM comments WHERE on_kind = 'article' AND on_id = ?`, id); err != nil {
		return err
	}
	return t.swap(ctx, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 아티클이에요."}, `DELETE FROM articles WHERE id = ?`, id)
}

// Articles lists the newest first: by publication, drafts by their making.
func (t *Tx) Articles(ctx context.Context, f newsletter.ArticleFilter) ([]newsletter.Article, error) {
	var w where
	if f.Status != "" {
		w.and(`a.status = ?`, f.Status)
	}
	if f.Tag != "" {
		w.and(`EXISTS (SELECT 1 FROM article_tags g WHERE g.article_id = a.id AND g.tag = ?)`, f.Tag)
	}
	if f.Query != "" {
		w.and(`(a.title {{like}} ? ESCAPE '\' OR a.body {{like}} ? ESCAPE '\')`, contains(f.Query), contains(f.Query))
	}
	than, order := `<`, ` ORDER BY COALESCE(a.published_at, a.created_at) DESC, a.id DESC LIMIT ?`
	if f.Upwards {
		than, order = `>`, ` ORDER BY COALESCE(a.published_at, a.created_at), a.id LIMIT ?`
	}
	switch {
	case f.Cursor > 0 && !f.Before.IsZero():
		w.and(`(COALESCE(a.published_at, a.created_at), a.id) `+than+` (?, ?)`, ms(f.Before), f.Cursor)
	case f.Cursor > 0:
		w.and(`(COALESCE(a.published_at, a.created_at), a.id) `+than+` (SELECT COALESCE(c.published_at, c.created_at), c.id FROM articles c WHERE c.id = ?)`, f.Cursor)
	}
	rows, err := list(ctx, t, scanArticle, articleColumns+w.text+order, append(w.args, f.Limit+1)...)
	if err != nil || len(rows) == 0 {
		return rows, err
	}
	at := make(map[newsletter.ArticleID]int, len(rows))
	ids := make([]any, len(rows))
	for n, a := range rows {
		at[a.ID], ids[n] = n, a.ID
	}
	_, err = list(ctx, t, func(r scanner) (struct{}, error) {
		var id newsletter.ArticleID
		var tag string
		err := r.Scan(&id, &tag)
		if err == nil {
			rows[at[id]].Tags = append(rows[at[id]].Tags, tag)
		}
		return struct{}{}, err
	}, `SELECT article_id, tag FROM article_tags WHERE article_id IN (`+marks(len(ids))+`) ORDER BY tag`, ids...)
	return rows, err
}

// DueArticles lists the drafts whose time has come.
func (t *Tx) DueArticles(ctx context.Context, now time.Time) ([]string, error) {
	return list(ctx, t, scanText, `SELECT slug FROM articles WHERE publish_at <= ? AND status = 'draft' ORDER BY publish_at, id`, ms(now))
}

// AddViews adds what was counted in memory.
func (t *Tx) AddViews(ctx context.Context, views map[newsletter.ArticleID]int64) error {
	for id, n := range views {
		if _, err := t.exec(ctx, `UPDATE articles SET views = views + ? WHERE id = ?`, n, id); err != nil {
			return err
		}
	}
	return nil
}

package newsletter

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxTitle   = 200     // characters
	maxSummary = 500     // characters
	maxBody    = 1 << 20 // bytes of Markdown
)

// coverAddress is a picture of the house's own.
var coverAddress = regexp.MustCompile(`^/media/[A-Za-z0-9_-]+\.(jpg|png|gif)$`)

// CreateArticle keeps a new article: a draft unless a.Status says published. Without a slug it gets one from its title, with
// a number behind it when that is taken. Errors: Faults (title, slug, summary, body, tags, author, status);
// Conflict (code exists) when the slug given is taken.
func (s *Service) CreateArticle(ctx context.Context, actor string, a Article) (Article, error) {
	now := s.opt.Now()
	if a.Status == "" {
		a.Status = ArticleDraft
	}
	given := a.Slug != ""
	if err := a.judge(); err != nil {
		return Article{}, err
	}
	a.Version, a.CreatedAt, a.UpdatedAt = 0, now, now
	if a.Status == ArticlePublished && a.PublishedAt.IsZero() {
		a.PublishedAt = now
	}
	base := a.Slug
	err := s.update(ctx, func(tx Tx) (err error) {
		a.ID = 0
		if a.Slug, err = freeSlug(ctx, tx, base, given); err != nil {
			return err
		}
		if err := tx.PutArticle(ctx, &a); err != nil {
			return err
		}
		if err := indexArticle(ctx, tx, a); err != nil {
			return err
		}
		if err := s.wantCards(ctx, tx, a); err != nil {
			return err
		}
		if err := s.rememberArticle(ctx, tx, actor, a, false); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, actor, "article_create", articleName(a.ID), a.Slug); err != nil {
			return err
		}
		if err := tellPublished(ctx, tx, Article{}, a); err != nil {
			return err
		}
		if err := s.announceArticle(ctx, tx, Article{}, a); err != nil {
			return err
		}
		return bumpIf(ctx, tx, a.Status == ArticlePublished)
	})
	if err != nil {
		return Article{}, fmt.Errorf("create article: %w", err)
	}
	return a, nil
}

// freeSlug returns base, or base-2, base-3, … when it is taken and was only our proposal.
func freeSlug(ctx context.Context, tx Tx, base string, given bool) (string, error) {
	slug := base
	for n := 2; n < 1000; n++ {
		_, err := tx.Article(ctx, slug)
		taken, err := found(err)
		if err != nil {
			return "", err
		}
		if !taken {
			return slug, nil
		}
		if given {
			break
		}
		suffix := fmt.Sprintf("-%d", n)
		slug = cutAtWord(base, maxSlug-len(suffix)) + suffix
	}
	return "", errSlugTaken()
}

func errSlugTaken() error {
	return &Error{Kind: Conflict, Field: "slug", Code: "exists", Msg: "이미 쓰고 있는 주소(slug)예요."}
}

// judge cleans what the editor wrote and names everything that is wrong with it.
func (a *Article) judge() error {
	var faults Faults
	line := func(field, raw string, max int) string {
		clean, err := CleanLine(raw, max)
		if err != nil {
			faults = append(faults, at(field, err))
		}
		return clean
	}
	a.Title = line("title", a.Title, maxTitle)
	if strings.TrimSpace(a.Title) == "" && len(faults) == 0 {
		faults = append(faults, invalid("title", "제목을 적어 주세요."))
	}
	a.Author = line("author", a.Author, maxName)
	a.CoverAlt = line("cover_alt", a.CoverAlt, maxAlt)
	if a.Cover = strings.TrimSpace(a.Cover); a.Cover != "" && !coverAddress.MatchString(a.Cover) {
		faults = append(faults, invalid("cover", "대표 그림은 ‘그림’에 올린 것을 골라 주세요."))
	}
	if a.Status == ArticlePublished {
		a.PublishAt = time.Time{}
	}
	a.Summary = strings.TrimSpace(CleanText(a.Summary))
	if utf8.RuneCountInString(a.Summary) > maxSummary {
		faults = append(faults, invalid("summary", fmt.Sprintf("요약은 %d자까지 적을 수 있어요.", maxSummary)))
	}
	a.Body = CleanText(a.Body)
	switch {
	case strings.TrimSpace(a.Body) == "":
		faults = append(faults, invalid("body", "본문을 적어 주세요."))
	case len(a.Body) > maxBody:
		faults = append(faults, invalid("body", "본문이 너무 길어요. 1MB까지 쓸 수 있어요."))
	}
	if a.Status != ArticleDraft && a.Status != ArticlePublished {
		faults = append(faults, invalid("status", "상태는 draft나 published 가운데 하나예요."))
	}
	tags, err := cleanTags(a.Tags)
	if err != nil {
		faults = append(faults, FaultsOf(err)...)
	}
	a.Tags = tags
	if err := a.judgeSlug(); err != nil {
		faults = append(faults, err)
	}
	return faults.Err()
}

// judgeSlug proposes a slug where there is none, and refuses one that would have to be rewritten.
func (a *Article) judgeSlug() *Error {
	given := norm.NFC.String(strings.TrimSpace(a.Slug))
	if given == "" {
		if a.Slug = Slug(a.Title); a.Slug == "" && a.Title != "" {
			return invalid("slug", "제목에서 주소를 만들 수 없어요. 한글이나 영문으로 주소(slug)를 정해 주세요.")
		}
		return nil
	}
	a.Slug = given
	if ValidSlug(given) {
		return nil
	}
	if better := Slug(given); better != "" {
		return invalid("slug", "주소(slug)에는 한글, 영문 소문자, 숫자, 붙임표(-)만 쓸 수 있어요. 예: "+better)
	}
	return invalid("slug", "주소(slug)에는 한글, 영문 소문자, 숫자, 붙임표(-)만 쓸 수 있어요.")
}

// at names the field of an error that CleanLine left without one.
func at(field string, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return &Error{Kind: Invalid, Field: field, Code: e.Code, Msg: e.Msg}
	}
	return &Error{Kind: Invalid, Field: field, Err: err}
}

// UpdateArticle changes an article. change gets a copy and may be called again after a conflict. version is the one that the
// editor saw, 0 means any. Errors: NotFound; Conflict with code version when somebody else was faster, exists when
// the slug is taken; Faults. A published article's former slug goes on leading to it: letters and search engines know it.
func (s *Service) UpdateArticle(ctx context.Context, actor, slug string, change func(*Article) error, version int64) (Article, error) {
	return s.updateArticle(ctx, actor, slug, change, version, false)
}

// AutosaveArticle is UpdateArticle for a draft that saves itself: it leaves no line in the audit, and several make one row of the history.
// Conflict with code published: what readers see changes by an editor's press only.
func (s *Service) AutosaveArticle(ctx context.Context, actor, slug string, change func(*Article) error, version int64) (Article, error) {
	return s.updateArticle(ctx, actor, slug, change, version, true)
}

func (s *Service) updateArticle(ctx context.Context, actor, slug string, change func(*Article) error, version int64, auto bool) (Article, error) {
	now := s.opt.Now()
	var a Article
	err := s.update(ctx, func(tx Tx) (err error) {
		was, err := tx.Article(ctx, norm.NFC.String(slug))
		if err != nil {
			return err
		}
		if version != 0 && was.Version != version {
			return &Error{Kind: Conflict, Code: "version", Msg: "다른 창에서 바뀌었어요. 새로 고쳐서 비교해 주세요."}
		}
		if auto && was.Status == ArticlePublished {
			return &Error{Kind: Conflict, Code: "published", Msg: "발행한 글은 저장을 눌러야 바뀌어요."}
		}
		if a, err = was.changed(change); err != nil {
			return err
		}
		if a.Slug != was.Slug {
			other, err := tx.Article(ctx, a.Slug)
			if taken, err := found(err); err != nil {
				return err
			} else if taken && other.ID != a.ID { // its own former address it may have back
				return errSlugTaken()
			}
		}
		if a.Status == ArticlePublished && a.PublishedAt.IsZero() {
			a.PublishedAt = now
		}
		a.UpdatedAt = now
		if err := tx.PutArticle(ctx, &a); err != nil {
			return err
		}
		if err := indexArticle(ctx, tx, a); err != nil {
			return err
		}
		if err := s.wantCards(ctx, tx, a); err != nil {
			return err
		}
		if err := s.rememberArticle(ctx, tx, actor, a, auto); err != nil {
			return err
		}
		if auto {
			return nil
		}
		if err := s.audit(ctx, tx, actor, "article_update", articleName(a.ID), a.Slug); err != nil {
			return err
		}
		if err := tellPublished(ctx, tx, was, a); err != nil {
			return err
		}
		if err := s.announceArticle(ctx, tx, was, a); err != nil {
			return err
		}
		return bumpIf(ctx, tx, was.Status == ArticlePublished || a.Status == ArticlePublished)
	})
	if err != nil {
		return Article{}, fmt.Errorf("update article: %w", err)
	}
	return a, nil
}

// tellPublished writes the event of an article that readers see from now on.
func tellPublished(ctx context.Context, tx Tx, was, is Article) error {
	if is.Status != ArticlePublished || was.Status == ArticlePublished {
		return nil
	}
	return tx.Emit(ctx, "article.published", fmt.Sprintf(`{"id":%d}`, is.ID), is.UpdatedAt)
}

// changed applies change, and keeps what is not the editor's to change.
func (a Article) changed(change func(*Article) error) (Article, error) {
	was := a
	a.Tags = append([]string(nil), was.Tags...)
	if err := change(&a); err != nil {
		return Article{}, err
	}
	a.ID, a.Version, a.Views, a.Comments, a.CreatedAt = was.ID, was.Version, was.Views, was.Comments, was.CreatedAt
	if a.Slug == "" {
		a.Slug = was.Slug
	}
	if err := a.judge(); err != nil {
		return Article{}, err
	}
	return a, nil
}

// DeleteArticle removes an article. Letters that carried it keep its text in their edition.
func (s *Service) DeleteArticle(ctx context.Context, actor, slug string) error {
	err := s.update(ctx, func(tx Tx) error {
		a, err := tx.Article(ctx, norm.NFC.String(slug))
		if err != nil {
			return err
		}
		if err := tx.DeleteArticle(ctx, a.ID); err != nil {
			return err
		}
		if err := tx.PutSearch(ctx, FoundArticle, int64(a.ID), nil); err != nil {
			return err
		}
		if err := tx.CutHistory(ctx, HistoryArticle, int64(a.ID), 0); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, actor, "article_delete", articleName(a.ID), a.Slug); err != nil {
			return err
		}
		return bumpIf(ctx, tx, a.Status == ArticlePublished)
	})
	if err != nil {
		return fmt.Errorf("delete article: %w", err)
	}
	return nil
}

// PublishDue publishes the drafts whose time has come and tells how many. It may be run by any number of nodes.
func (s *Service) PublishDue(ctx context.Context) (int, error) {
	now := s.opt.Now()
	slugs, err := get(ctx, s, func(tx Tx) ([]string, error) { return tx.DueArticles(ctx, now) })
	if err != nil {
		return 0, fmt.Errorf("list articles that are due: %w", err)
	}
	n := 0
	for _, slug := range slugs {
		_, err := s.UpdateArticle(ctx, "system", slug, func(a *Article) error {
			if a.Status == ArticlePublished || a.PublishAt.IsZero() || a.PublishAt.After(now) { // another node, or the editor, was faster
				return errNotDue
			}
			a.Status, a.PublishedAt = ArticlePublished, a.PublishAt
			return nil
		}, 0)
		switch {
		case errors.Is(err, errNotDue):
		case err != nil:
			return n, fmt.Errorf("publish %s: %w", slug, err)
		default:
			n++
		}
	}
	return n, nil
}

var errNotDue = errors.New("not due any more")

func bumpIf(ctx context.Context, tx Tx, shows bool) error {
	if !shows {
		return nil
	}
	return tx.BumpRevision(ctx)
}

// Article returns one by its slug, a draft too: whoever shows it to readers looks at its status.
func (s *Service) Article(ctx context.Context, slug string) (Article, error) {
	return get(ctx, s, func(tx Tx) (Article, error) { return tx.Article(ctx, norm.NFC.String(slug)) })
}

// Articles lists the newest published first, at most 200, and tells whether there are more.
func (s *Service) Articles(ctx context.Context, f ArticleFilter) ([]Article, bool, error) {
	f.Limit = pageLimit(f.Limit)
	f.Query, f.Tag = norm.NFC.String(strings.TrimSpace(f.Query)), norm.NFC.String(f.Tag)
	rows, err := get(ctx, s, func(tx Tx) ([]Article, error) { return tx.Articles(ctx, f) })
	rows, more := page(rows, f.Limit)
	return rows, more, err
}

// IssuesOfArticle lists the public issues that carried the article, newest first.
func (s *Service) IssuesOfArticle(ctx context.Context, slug string) ([]Issue, error) {
	return get(ctx, s, func(tx Tx) ([]Issue, error) {
		a, err := tx.Article(ctx, norm.NFC.String(slug))
		if err != nil {
			return nil, err
		}
		names, err := tx.OldSlugs(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		var all []Issue
		for _, name := range append([]string{a.Slug}, names...) {
			list, err := tx.IssuesWithArticle(ctx, name)
			if err != nil {
				return nil, err
			}
			all = append(all, list...)
		}
		slices.SortFunc(all, func(a, b Issue) int { return b.Number - a.Number })
		return slices.CompactFunc(all, func(a, b Issue) bool { return a.ID == b.ID }), nil
	})
}

// NumbersOfArticles tells in which issue each article appeared first; one that has not appeared is left out.
func (s *Service) NumbersOfArticles(ctx context.Context, list []Article) (map[ArticleID]int, error) {
	numbers := map[ArticleID]int{}
	err := s.view(ctx, func(tx Tx) error {
		for _, a := range list {
			issues, err := tx.IssuesWithArticle(ctx, a.Slug)
			if err != nil {
				return err
			}
			if n := len(issues); n > 0 {
				numbers[a.ID] = issues[n-1].Number
			}
		}
		return nil
	})
	return numbers, err
}

// CountView counts one view of an article, in memory; the caller has left out bots and repeated looks. FlushViews
// writes them down.
func (s *Service) CountView(id ArticleID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.views[id]++
}

// FlushViews writes the views counted since the last time. When it fails they are kept for the next.
func (s *Service) FlushViews(ctx context.Context) error {
	s.mu.Lock()
	views := s.views
	s.views = map[ArticleID]int64{}
	s.mu.Unlock()
	if len(views) == 0 {
		return nil
	}
	err := s.update(ctx, func(tx Tx) error { return tx.AddViews(ctx, views) })
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, n := range views {
		s.views[id] += n
	}
	return fmt.Errorf("write %d counted articles: %w", len(views), err)
}

func articleName(id ArticleID) string { return fmt.Sprintf("article:%d", id) }

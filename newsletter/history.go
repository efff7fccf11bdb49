package newsletter

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Kinds of what has a history.
const (
	HistoryIssue   = "issue"
	HistoryArticle = "article"
)

// Version is what an issue or an article said at a time.
type Version struct {
	ID      int64
	Kind    string
	Object  int64 // the issue's or article's id
	Version int64 // its ETag then
	Actor   string
	Auto    bool // saved by itself; the next save may take its place
	Content string
	BegunAt time.Time // of the first save that this row stands for
	At      time.Time
}

// ArticleText is the part of an article that its history keeps.
type ArticleText struct {
	Title    string   `json:"title"`
	Summary  string   `json:"summary"`
	Body     string   `json:"body"`
	Tags     []string `json:"tags"`
	Cover    string   `json:"cover"`
	CoverAlt string   `json:"cover_alt"`
}

// HistoryTx keeps versions.
type HistoryTx interface {
	// PutVersion inserts (ID 0, which it sets), or changes the content and times of a row.
	PutVersion(ctx context.Context, v *Version) error
	// LastVersion is NotFound for something without a history.
	LastVersion(ctx context.Context, kind string, object int64) (Version, error)
	VersionByID(ctx context.Context, id int64) (Version, error)
	// Versions lists the newest first.
	Versions(ctx context.Context, kind string, object int64, limit int) ([]Version, error)
	// CutHistory keeps the newest rows of an object; 0 forgets it.
	CutHistory(ctx context.Context, kind string, object int64, keep int) error
}

const (
	sameSitting  = 10 * time.Minute // saves by itself within it are one row
	keptVersions = 100
)

// remember writes what an object says now into its history.
func (s *Service) remember(ctx context.Context, tx Tx, v Version, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("remember %s %d: %w", v.Kind, v.Object, err)
	}
	now := s.opt.Now()
	v.Content, v.BegunAt, v.At = string(text), now, now
	last, err := tx.LastVersion(ctx, v.Kind, v.Object)
	known, err := found(err)
	if err != nil {
		return err
	}
	if known && (last.Content == v.Content || last.Auto && last.Actor == v.Actor && now.Sub(last.BegunAt) < sameSitting) {
		v.ID, v.BegunAt = last.ID, last.BegunAt
		v.Auto = v.Auto && last.Auto
	}
	if err := tx.PutVersion(ctx, &v); err != nil {
		return err
	}
	return tx.CutHistory(ctx, v.Kind, v.Object, keptVersions)
}

func (s *Service) rememberIssue(ctx context.Context, tx Tx, actor string, i Issue, auto bool) error {
	return s.remember(ctx, tx, Version{Kind: HistoryIssue, Object: int64(i.ID), Version: i.Version, Actor: actor, Auto: auto}, i.Content)
}

func (s *Service) rememberArticle(ctx context.Context, tx Tx, actor string, a Article, auto bool) error {
	return s.remember(ctx, tx, Version{Kind: HistoryArticle, Object: int64(a.ID), Version: a.Version, Actor: actor, Auto: auto},
		ArticleText{a.Title, a.Summary, a.Body, a.Tags, a.Cover, a.CoverAlt})
}

// IssueHistory lists what an issue said before, the newest first.
func (s *Service) IssueHistory(ctx context.Context, number int) ([]Version, error) {
	return get(ctx, s, func(tx Tx) ([]Version, error) {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return nil, err
		}
		return tx.Versions(ctx, HistoryIssue, int64(i.ID), keptVersions)
	})
}

// ArticleHistory lists what an article said before, the newest first.
func (s *Service) ArticleHistory(ctx context.Context, slug string) ([]Version, error) {
	return get(ctx, s, func(tx Tx) ([]Version, error) {
		a, err := tx.Article(ctx, slug)
		if err != nil {
			return nil, err
		}
		return tx.Versions(ctx, HistoryArticle, int64(a.ID), keptVersions)
	})
}

// oldVersion reads one row of an object's history into what it holds.
func (s *Service) oldVersion(ctx context.Context, kind string, object, id int64, into any) error {
	v, err := get(ctx, s, func(tx Tx) (Version, error) { return tx.VersionByID(ctx, id) })
	if err != nil {
		return err
	}
	if v.Kind != kind || v.Object != object {
		return &Error{Kind: NotFound, Msg: "없는 판이에요."}
	}
	return json.Unmarshal([]byte(v.Content), into)
}

// OldIssue is an issue as it was in a version of its history.
func (s *Service) OldIssue(ctx context.Context, number int, version int64) (Issue, error) {
	i, err := s.Issue(ctx, number)
	if err != nil {
		return Issue{}, err
	}
	i.Content = Content{}
	return i, s.oldVersion(ctx, HistoryIssue, int64(i.ID), version, &i.Content)
}

// OldArticle is an article as it was in a version of its history.
func (s *Service) OldArticle(ctx context.Context, slug string, version int64) (Article, error) {
	a, err := s.Article(ctx, slug)
	if err != nil {
		return Article{}, err
	}
	var t ArticleText
	err = s.oldVersion(ctx, HistoryArticle, int64(a.ID), version, &t)
	a.Title, a.Summary, a.Body, a.Tags, a.Cover, a.CoverAlt = t.Title, t.Summary, t.Body, t.Tags, t.Cover, t.CoverAlt
	return a, err
}

// RestoreIssue gives a draft the content of an older version. What it says now stays in the history.
func (s *Service) RestoreIssue(ctx context.Context, actor string, number int, version int64) (Issue, error) {
	old, err := s.OldIssue(ctx, number, version)
	if err != nil {
		return Issue{}, err
	}
	return s.UpdateIssue(ctx, actor, number, func(i *Issue) error {
		i.Content = old.Content
		return nil
	}, 0)
}

// RestoreArticle gives an article the text of an older version.
func (s *Service) RestoreArticle(ctx context.Context, actor, slug string, version int64) (Article, error) {
	old, err := s.OldArticle(ctx, slug, version)
	if err != nil {
		return Article{}, err
	}
	return s.UpdateArticle(ctx, actor, slug, func(a *Article) error {
		a.Title, a.Summary, a.Body, a.Tags, a.Cover, a.CoverAlt = old.Title, old.Summary, old.Body, old.Tags, old.Cover, old.CoverAlt
		return nil
	}, 0)
}

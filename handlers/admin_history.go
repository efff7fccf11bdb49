package handlers

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// savedAnswer is what a script learns from a save by itself.
type savedAnswer struct {
	Version int64  `json:"version"`
	At      string `json:"at"`             // 08:12
	Path    string `json:"path,omitempty"` // of something new: where its form saves from now on
	Save    string `json:"save,omitempty"` // and where it saves by itself
}

func (s *server) savedAt(version int64) savedAnswer {
	return savedAnswer{Version: version, At: s.now().In(s.loc).Format("15:04")}
}

// autosaveIssue keeps what stands in the composer. A newer version of another window is a 409, nothing of it is overwritten.
func (s *server) autosaveIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	values, err := c.FormParams()
	if err != nil {
		return err
	}
	f := readForm(values)
	i, err := s.svc.AutosaveIssue(c.Request().Context(), actorOf(c), n, func(i *newsletter.Issue) error { return f.apply(i, s.loc) }, f.Version)
	if err != nil {
		return err
	}
	answer := s.savedAt(i.Version)
	if i.Number != n {
		answer.Path = fmt.Sprintf("/admin/issues/%d", i.Number)
		answer.Save = answer.Path + "/autosave"
	}
	return c.JSON(http.StatusOK, answer)
}

// autosaveNew makes a draft of what stands in the composer.
func (s *server) autosaveNew(c echo.Context) error {
	values, err := c.FormParams()
	if err != nil {
		return err
	}
	f := readForm(values)
	var i newsletter.Issue
	if err := f.apply(&i, s.loc); err != nil {
		return err
	}
	if i, err = s.svc.CreateIssue(c.Request().Context(), actorOf(c), i); err != nil {
		return err
	}
	answer := s.savedAt(i.Version)
	answer.Path = fmt.Sprintf("/admin/issues/%d", i.Number)
	answer.Save = answer.Path + "/autosave"
	return c.JSON(http.StatusOK, answer)
}

// autosaveArticle keeps a draft. What readers see already changes by the editor's own press only.
func (s *server) autosaveArticle(c echo.Context) error {
	slug := param(c, "slug")
	var v articleEdit
	readArticle(c, &v)
	a, err := s.svc.AutosaveArticle(c.Request().Context(), actorOf(c), slug, func(a *newsletter.Article) error {
		v.apply(a, "")
		return nil
	}, v.Version)
	if err != nil {
		return err
	}
	answer := s.savedAt(a.Version)
	if a.Slug != slug {
		answer.Path = deskArticle(a.Slug)
		answer.Save = answer.Path + "/autosave"
	}
	return c.JSON(http.StatusOK, answer)
}

type historyRow struct {
	ID      int64
	At      time.Time
	Who     string
	Auto    bool
	Title   string
	Changes []changedField // against what is stored now; Theirs is the old text
	Same    bool
}

type historyView struct {
	Heading, Back, Action string
	CanRestore            bool
	Rows                  []historyRow
}

// shownVersions is how many of a history are compared on its page.
const shownVersions = 30

func (s *server) issueHistory(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	i, err := s.svc.Issue(ctx, n)
	if err != nil {
		return err
	}
	versions, err := s.svc.IssueHistory(ctx, n)
	if err != nil {
		return err
	}
	at := fmt.Sprintf("/admin/issues/%d", n)
	v := historyView{Heading: fmt.Sprintf("%d호의 지난 판", n), Back: at, Action: at + "/history", CanRestore: i.State == newsletter.IssueDraft}
	who := s.people(c)
	for _, ver := range versions[:min(len(versions), shownVersions)] {
		old, err := s.svc.OldIssue(ctx, n, ver.ID)
		if err != nil {
			return err
		}
		row := historyRow{ID: ver.ID, At: ver.At, Who: who(ver.Actor), Auto: ver.Auto, Title: old.Subject, Changes: changedFields(formOf(i, s.loc), formOf(old, s.loc))}
		row.Same = len(row.Changes) == 0
		v.Rows = append(v.Rows, row)
	}
	return s.deskPage(c, http.StatusOK, "admin/history", "issues", v.Heading, v)
}

func (s *server) articleHistory(c echo.Context) error {
	ctx, slug := c.Request().Context(), param(c, "slug")
	a, err := s.svc.Article(ctx, slug)
	if err != nil {
		return err
	}
	versions, err := s.svc.ArticleHistory(ctx, slug)
	if err != nil {
		return err
	}
	v := historyView{Heading: "‘" + a.Title + "’의 지난 판", Back: deskArticle(a.Slug), Action: deskArticle(a.Slug) + "/history", CanRestore: true}
	who := s.people(c)
	for _, ver := range versions[:min(len(versions), shownVersions)] {
		old, err := s.svc.OldArticle(ctx, slug, ver.ID)
		if err != nil {
			return err
		}
		row := historyRow{ID: ver.ID, At: ver.At, Who: who(ver.Actor), Auto: ver.Auto, Title: old.Title, Changes: changedTexts(articleForm(a), articleForm(old))}
		row.Same = len(row.Changes) == 0
		v.Rows = append(v.Rows, row)
	}
	return s.deskPage(c, http.StatusOK, "admin/history", "articles", "지난 판", v)
}

// people names who did something as the desk knows them.
func (s *server) people(c echo.Context) func(actor string) string {
	me := adminOf(c)
	return func(actor string) string {
		switch kind, id, _ := strings.Cut(actor, ":"); {
		case actor == fmt.Sprintf("admin:%d", me.ID):
			return "나"
		case kind == "admin":
			return "다른 편집자"
		case kind == "key":
			return "API 키 " + id
		case actor == "cli":
			return "터미널"
		}
		return "테크잇슈"
	}
}

func versionParam(c echo.Context) (int64, error) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return 0, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 판이에요."}
	}
	return id, nil
}

func (s *server) restoreIssue(c echo.Context) error {
	n, err := numberOf(c)
	if err != nil {
		return err
	}
	id, err := versionParam(c)
	if err != nil {
		return err
	}
	i, err := s.svc.RestoreIssue(c.Request().Context(), actorOf(c), n, id)
	if err != nil {
		return err
	}
	return doneAt(c, fmt.Sprintf("/admin/issues/%d", i.Number), "restored")
}

func (s *server) restoreArticle(c echo.Context) error {
	id, err := versionParam(c)
	if err != nil {
		return err
	}
	a, err := s.svc.RestoreArticle(c.Request().Context(), actorOf(c), param(c, "slug"), id)
	if err != nil {
		return err
	}
	return doneAt(c, deskArticle(a.Slug), "restored")
}

package handlers

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// cardsView is the form of an article's link cards.
type cardsView struct {
	Title, Back, Action string
	Cards               []cardForm
	Faults              faults
}

type cardForm struct {
	URL, Title, Summary, Site string
	Edited                    bool
	DeadAt                    time.Time
	Hint                      string
}

// cards shows what the bare links of an article have become, to be put right.
func (s *server) cards(c echo.Context) error {
	a, err := s.svc.Article(c.Request().Context(), param(c, "slug"))
	if err != nil {
		return err
	}
	list, err := s.svc.CardsOfArticle(c.Request().Context(), a)
	if err != nil {
		return err
	}
	return s.showCards(c, http.StatusOK, a, list, nil)
}

func (s *server) showCards(c echo.Context, status int, a newsletter.Article, list []newsletter.Card, wrong faults) error {
	v := cardsView{Title: a.Title, Back: deskArticle(a.Slug), Action: deskArticle(a.Slug) + "/cards", Faults: wrong}
	for _, k := range list {
		f := cardForm{URL: k.URL, Title: k.Title, Summary: k.Summary, Site: k.Site, Edited: k.Edited, DeadAt: k.DeadAt}
		if f.Title == "" {
			f.Hint = "아직 읽지 못했어요. 직접 적어도 돼요."
		}
		v.Cards = append(v.Cards, f)
	}
	return s.deskPage(c, status, "admin/cards", "articles", "링크 카드", v)
}

// saveCards writes what was changed; a card whose title is empty is read anew from its page.
func (s *server) saveCards(c echo.Context) error {
	ctx := c.Request().Context()
	a, err := s.svc.Article(ctx, param(c, "slug"))
	if err != nil {
		return err
	}
	form, err := c.FormParams()
	if err != nil {
		return err
	}
	cell := func(name string, n int) string {
		if list := form[name]; n < len(list) {
			return list[n]
		}
		return ""
	}
	var list []newsletter.Card
	for n, u := range form["url"] {
		list = append(list, newsletter.Card{URL: u, Title: cell("title", n), Summary: cell("summary", n), Site: cell("site", n)})
	}
	err = s.svc.EditCards(ctx, actorOf(c), a.Slug, list)
	if wrong, status, ok := faultsFrom(err); ok {
		return s.showCards(c, status, a, list, wrong)
	}
	if err != nil {
		return err
	}
	return doneAt(c, deskArticle(a.Slug)+"/cards", "saved")
}

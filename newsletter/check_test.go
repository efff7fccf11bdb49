package newsletter_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/db/dbtest"
	"techissue/newsletter"
)

func TestCheckIssue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content newsletter.Content
		want    string // level code field
	}{
		"a picture without words":    {newsletter.Content{Intro: "![](https://img.example/a.png)"}, "warn alt intro"},
		"a link that leads nowhere":  {newsletter.Content{Outro: "[여기]()"}, "block empty_link outro"},
		"a link to the top":          {newsletter.Content{Outro: "[여기](#)"}, "block empty_link outro"},
		"a tag nobody knows":         {newsletter.Content{Preheader: "{성함}님께"}, "warn merge_tag preheader"},
		"a tag misspelt":             {newsletter.Content{Intro: "{이름님}"}, "warn merge_tag intro"},
		"words of advertising":       {newsletter.Content{Intro: "30% 할인 쿠폰"}, "warn ad_words kind"},
		"no preheader":               {newsletter.Content{Intro: "글"}, "warn no_preheader preheader"},
		"nothing in it":              {newsletter.Content{Preheader: "모음"}, "block empty intro"},
		"a subject that is cut off":  {newsletter.Content{Subject: strings.Repeat("가", 51), Intro: "글"}, "warn long_subject subject"},
		"an ad without a sender":     {newsletter.Content{Kind: newsletter.KindAd, Intro: "글"}, "block legal "},
		"nobody to send an ad to":    {newsletter.Content{Kind: newsletter.KindAd, Intro: "글"}, "block empty_audience audience"},
		"a sponsor in an info issue": {newsletter.Content{Sponsor: "글"}, "warn sponsor_in_info kind"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newDesk(t)
			k.addActive("a@example.com")
			if c.content.Subject == "" {
				c.content.Subject = "소식"
			}
			i, err := k.CreateIssue(t.Context(), "admin:1", newsletter.Issue{Content: c.content})
			k.must(err)
			checks, err := k.CheckIssue(t.Context(), i.Number)
			k.must(err)
			if !slices.ContainsFunc(checks, func(got newsletter.Check) bool {
				return got.Level+" "+got.Code+" "+got.Field == c.want && got.Text != ""
			}) {
				t.Errorf("%+v, want %s", checks, c.want)
			}
		})
	}
}

// Only (광고) itself, at the very start, of an advertising issue.
func TestTheAdLabelHasOneSpelling(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	for _, subject := range []string{
		"(광/고) 소식", "[광고] 소식", "（광고） 소식", "(광\u200b고) 소식", "(\u1100\u116a\u11bc\u1100\u1169) 소식", " (광 고) 소식", "소식 (광고)", "<광고> 소식", "광고) 소식", "\u200b(광고) 소식",
	} {
		for _, kind := range []newsletter.IssueKind{newsletter.KindInfo, newsletter.KindAd} {
			i, err := k.CreateIssue(t.Context(), "admin:1", newsletter.Issue{Content: newsletter.Content{Subject: subject, Kind: kind, Intro: "글"}})
			if err == nil && kind == newsletter.KindAd && newsletter.HasAdLabel(i.Subject) {
				continue // tidied into the right one
			}
			if newsletter.KindOf(err) != newsletter.Invalid {
				t.Errorf("%q as %s: %q, %v", subject, kind, i.Subject, err)
			}
		}
	}
	i, err := k.CreateIssue(t.Context(), "admin:1", newsletter.Issue{Content: newsletter.Content{Subject: "(광고) 소식", Kind: newsletter.KindAd, Intro: "글"}})
	k.must(err)
	_, snap, err := k.Snapshot(t.Context(), i.Number)
	k.must(err)
	if snap.Subject != "(광고) 소식" {
		t.Errorf("subject %q", snap.Subject)
	}
}

// What was left over from the issues before, what they carried already, and where links lead, is told before it is sent.
func TestCheckRemembersTheIssuesBefore(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		k.addActive("a@example.com")
		old := newsletter.Content{
			Subject: "11호 · 11월 2일의 소식", Preheader: "미리", Intro: "지난주와 똑같은 인사", Outro: "마지막 말",
			Links: []newsletter.RoundupLink{{URL: "https://a.example/1", Title: "하나"}},
		}
		a, err := k.CreateArticle(ctx, "admin:1", newsletter.Article{Title: "긴 글", Slug: "long", Body: "본문", Status: newsletter.ArticlePublished})
		k.must(err)
		old.Articles = []string{a.Slug}
		_, err = k.CreateIssue(ctx, "admin:1", newsletter.Issue{Number: 11, Content: old, Archived: true, AcceptedAt: time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)})
		k.must(err)
		now := old
		now.Subject, now.Links = "11호 · 11월 2일의 소식!", []newsletter.RoundupLink{{URL: "http://www.a.example/1?utm_source=x", Title: "하나"}, {URL: "https://b.example/gone", Title: "사라진 글"}}
		i, err := k.CreateIssue(ctx, "admin:1", newsletter.Issue{Content: now})
		k.must(err)
		looked := 0
		_, err = k.FetchLinkChecks(ctx, func(_ context.Context, url string) newsletter.LinkCheck {
			looked++
			if strings.HasSuffix(url, "/gone") {
				return newsletter.LinkCheck{State: newsletter.LinkDead, Said: "404"}
			}
			return newsletter.LinkCheck{State: newsletter.LinkAlive}
		})
		if err != nil || looked != 2 {
			t.Fatalf("%d links were looked at, %v", looked, err)
		}
		checks, err := k.CheckIssue(ctx, i.Number)
		k.must(err)
		var got []string
		for _, c := range checks {
			got = append(got, c.Level+" "+c.Code+" "+c.Field)
		}
		for _, want := range []string{
			"warn repeated_link links[0].url", "warn repeated_article articles[0]", "warn old_number subject", "warn old_date subject", "warn same_text intro", "warn same_text outro",
			"warn dead_link links[1].url",
		} {
			if !slices.Contains(got, want) {
				t.Errorf("%s is missing of %q", want, got)
			}
		}
		_, err = k.UpdateIssue(ctx, "admin:1", i.Number, func(i *newsletter.Issue) error {
			i.Subject, i.Intro, i.Outro, i.Links, i.Content.Articles = "12호 · 112월 2일", "새 인사", "새 말", nil, nil
			return nil
		}, 0)
		k.must(err)
		if checks, err = k.CheckIssue(ctx, i.Number); err != nil || len(checks) != 1 || checks[0].Code != "legal" {
			t.Errorf("a fresh one has %+v, %v", checks, err)
		}
	})
}

// The letter itself is looked at: an opt-out at both ends, a text part, nothing that mail programs drop.
func TestCheckLooksAtTheLetter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ html, text, want string }{
		"one opt-out":           {`<a>수신거부</a>`, "글", "block opt_out "},
		"no text part":          {`수신거부 수신거부`, " \n", "block no_text intro"},
		"a layout of the web":   {`수신거부 수신거부 <div style="display: flex">`, "글", "warn css "},
		"a picture of any size": {`수신거부 수신거부 <img src="x" alt="y">`, "글", "warn img_width articles"},
		"a huge letter":         {`수신거부 수신거부` + strings.Repeat("x", 101<<10), "글", "block size "},
	} {
		k := openDeskWith(t, dbtest.New(t), func(o *newsletter.Options) { o.Renderer = fixedLetter{c.html, c.text} })
		k.addActive("a@example.com")
		i, err := k.CreateIssue(t.Context(), "admin:1", newsletter.Issue{Content: newsletter.Content{Subject: "제목", Intro: "글"}})
		k.must(err)
		checks, err := k.CheckIssue(t.Context(), i.Number)
		k.must(err)
		if !slices.ContainsFunc(checks, func(got newsletter.Check) bool { return got.Level+" "+got.Code+" "+got.Field == c.want }) {
			t.Errorf("%s: %+v, want %s", name, checks, c.want)
		}
	}
}

// fixedLetter is what a renderer made, whatever it was given.
type fixedLetter struct{ html, text string }

func (f fixedLetter) RenderIssue(newsletter.Snapshot, string) (html, text string, err error) {
	return f.html, f.text, nil
}

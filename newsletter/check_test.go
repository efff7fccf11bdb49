package newsletter_test

import (
	"slices"
	"strings"
	"testing"

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

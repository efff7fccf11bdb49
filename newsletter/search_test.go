package newsletter_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"techissue/newsletter"
)

func TestSearchWords(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		text string
		want string
	}{
		{"인재육성", "성 육성 인재 재육"},
		{"인재를", "를 인재 재를"},
		{"집", "집"},
		{"GPT-4o를 AI반도체", "4o ai gpt 도체 를 반도 체"},
		{"ÉCOLE Ａ", "école ａ"},
		{"2026년 11월", "11 2026 년 월"},
		{"…!? ", ""},
		{"人工知能", "人工 工知 知能 能"},
	} {
		for _, form := range []string{row.text, norm.NFD.String(row.text)} {
			if got := strings.Join(newsletter.SearchWords(form), " "); got != row.want {
				t.Errorf("%+q: %q, want %q", form, got, row.want)
			}
		}
	}
}

// found tells what a search gives: slugs of articles, numbers of issues, number.position of links.
func (k *desk) found(f newsletter.SearchFilter) []string {
	k.t.Helper()
	r, err := k.Search(k.t.Context(), f)
	k.must(err)
	var names []string
	for _, h := range r.Hits {
		switch h.Kind {
		case newsletter.FoundArticle:
			names = append(names, h.Slug)
		case newsletter.FoundIssue:
			names = append(names, fmt.Sprint(h.Number))
		case newsletter.FoundLink:
			names = append(names, fmt.Sprintf("%d.%d", h.Number, h.Position))
		}
	}
	return names
}

// The same shelf, the same questions, the same answers on both engines.
func TestSearch(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		write := func(slug, title, summary, body string, tags ...string) {
			_, err := k.CreateArticle(t.Context(), "admin:1", newsletter.Article{
				Slug: slug, Title: title, Summary: summary, Body: body, Tags: tags, Status: newsletter.ArticlePublished,
			})
			k.must(err)
			k.clock.add(time.Hour)
		}
		write("talent", "화수분 야구와 인재육성", "두산의 인재를 키우는 법", "**인재**는 자라요.\n\n[원문](https://secret.example/인재주소)")
		write("chips", "AI반도체 지형도", "GPT-4o와 반도체", "# 반도체\n\n메모리 반도체 이야기. `HBM` 3E를 씁니다.", "반도체", "hardware")
		write("cloud", "구름 위의 회사들", "클라우드", "집값과 반도체, 그리고 인재 이야기. 우리집은 어디일까요? "+strings.Repeat("긴 글이에요. ", 60)+"마지막 낱말은 등대예요.")
		write("old-word", "낡은 제목", "요약", "사라질낱말")
		_, err := k.UpdateArticle(t.Context(), "admin:1", "old-word", func(a *newsletter.Article) error { a.Body = "새로운 본문"; return nil }, 0)
		k.must(err)
		write("gone", "지워질 글", "요약", "지워질 본문")
		k.must(k.DeleteArticle(t.Context(), "admin:1", "gone"))
		_, err = k.CreateArticle(t.Context(), "admin:1", newsletter.Article{Slug: "draft", Title: "초안의 비밀", Body: "아직 비밀"})
		k.must(err)
		write("hidden", "내린 글", "요약", "내려간 본문")
		_, err = k.UpdateArticle(t.Context(), "admin:1", "hidden", func(a *newsletter.Article) error { a.Status = newsletter.ArticleDraft; return nil }, 0)
		k.must(err)
		_, err = k.CreateIssue(t.Context(), "admin:1", newsletter.Issue{Number: 11, Archived: true, AcceptedAt: k.clock.Now().Add(-time.Hour), Content: newsletter.Content{
			Subject: "메모리의 봄", Preheader: "미리보기", Intro: "안녕하세요, {이름|독자}님", Outro: "다음 주에는 등대를 봐요.",
			Links: []newsletter.RoundupLink{
				{URL: "https://news.example/1", Title: "반도체 수출 늘어", Source: "예시일보", Summary: "인재가 모자라요"},
				{URL: "https://news.example/2", Title: "OpenAI의 새 모델", Source: "Wired", Summary: "GPT 5를 봤어요"},
			},
		}})
		k.must(err)
		_, err = k.CreateIssue(t.Context(), "admin:1", newsletter.Issue{Number: 12, Content: newsletter.Content{Subject: "아직 초안인 반도체 호", Intro: "x"}})
		k.must(err)

		for _, row := range []struct {
			says  string
			query string
			kind  newsletter.SearchKind
			want  []string
		}{
			{"two syllables, with a particle and within a compound, the title first", "인재", "", []string{"talent", "11.1", "cloud"}},
			{"the same in NFD", norm.NFD.String("인재"), "", []string{"talent", "11.1", "cloud"}},
			{"a title outranks a count", "반도체", "", []string{"chips", "11.1", "cloud"}},
			{"words are joined by AND, over title and text", "반도체 메모리", "", []string{"chips"}},
			{"in any order", "메모리  반도체", "", []string{"chips"}},
			{"Latin in any case", "hbm", "", []string{"chips"}},
			{"Latin is a whole word", "open", "", nil},
			{"Latin with a particle", "openai", "", []string{"11.2"}},
			{"a hyphen is a blank", "gpt 5", "", []string{"11.2"}},
			{"and a blank a hyphen", "gpt-5", "", []string{"11.2"}},
			{"digits with letters", "GPT-4o", "", []string{"chips"}},
			{"Latin and Hangul run together", "AI반도체", "", []string{"chips"}},
			{"one syllable begins a word", "집", "", []string{"cloud"}},
			{"a source", "예시일보", "", []string{"11.1"}},
			{"a tag", "hardware", "", []string{"chips"}},
			{"the end of a long text, an older article below the newer issue", "등대", "", []string{"11", "cloud"}},
			{"a greeting as it reads without a name", "독자님 안녕하세요", "", []string{"11"}},
			{"one kind", "반도체", newsletter.FoundLink, []string{"11.1"}},
			{"another kind", "등대", newsletter.FoundArticle, []string{"cloud"}},
			{"pairs that stand apart are no word", "반도도체", "", nil},
			{"addresses are not text", "secret", "", nil},
			{"nor signs of Markdown", "**", "", nil},
			{"what was changed", "사라질낱말", "", nil},
			{"what was deleted", "지워질", "", nil},
			{"a draft", "비밀", "", nil},
			{"an article taken down", "내려간", "", nil},
			{"words of the index's own language", `"OR" NOT NEAR AND`, "", nil},
			{"quotes and stars", `'반도체' "메모리*`, "", []string{"chips"}},
			{"a column's name", "title:반도체", "", nil},
			{"nothing", " \t", "", nil},
		} {
			if got := k.found(newsletter.SearchFilter{Query: row.query, Kind: row.kind}); !slices.Equal(got, row.want) {
				t.Errorf("%s (%s): %v, want %v", row.says, row.query, got, row.want)
			}
		}
	})
}

func TestSearchMarksAndPages(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	for n := range 15 {
		_, err := k.CreateArticle(t.Context(), "admin:1", newsletter.Article{
			Title: fmt.Sprintf("글 %d", n), Body: strings.Repeat("앞말 ", 40) + strings.Repeat("İstanbul의 HBM을 봐요. ", 1+n%3) + "끝", Status: newsletter.ArticlePublished,
		})
		k.must(err)
		k.clock.add(time.Minute)
	}
	r, err := k.Search(t.Context(), newsletter.SearchFilter{Query: "hbm", Limit: 10})
	k.must(err)
	if len(r.Hits) != 10 || r.Total != 15 || !r.More {
		t.Fatalf("%d of %d, more %v", len(r.Hits), r.Total, r.More)
	}
	if r.Hits[0].Title != "글 14" || r.Hits[1].Title != "글 11" || r.Hits[5].Title != "글 13" {
		t.Errorf("first %s, then %s and %s", r.Hits[0].Title, r.Hits[1].Title, r.Hits[5].Title)
	}
	var marked, whole strings.Builder
	for _, p := range r.Hits[0].Excerpt {
		whole.WriteString(p.Text)
		if p.Mark {
			marked.WriteString(p.Text + "|")
		}
	}
	if marked.String() != "HBM|HBM|HBM|" {
		t.Errorf("marked %q in %q", marked.String(), whole.String())
	}
	if !strings.HasPrefix(whole.String(), "…앞말") || !strings.Contains(whole.String(), "İstanbul의 HBM을") {
		t.Errorf("excerpt %q", whole.String())
	}
	last, err := k.Search(t.Context(), newsletter.SearchFilter{Query: "hbm", Offset: 10, Limit: 10})
	k.must(err)
	if len(last.Hits) != 5 || last.More {
		t.Errorf("%d on the second page, more %v", len(last.Hits), last.More)
	}
}

// A store filled by an older program is indexed at the next start, and only then.
func TestKeepSearch(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		for n := range 45 {
			_, err := k.CreateArticle(t.Context(), "admin:1", newsletter.Article{Title: fmt.Sprintf("등대 %d", n), Body: "본문", Status: newsletter.ArticlePublished})
			k.must(err)
		}
		_, err := k.CreateIssue(t.Context(), "admin:1", newsletter.Issue{Number: 3, Archived: true, AcceptedAt: k.clock.Now(), Content: newsletter.Content{
			Subject: "등대", Links: []newsletter.RoundupLink{{URL: "https://news.example/1", Title: "등대 소식"}},
		}})
		k.must(err)
		k.must(k.store.Update(t.Context(), func(tx newsletter.Tx) error {
			for id := range int64(60) {
				for _, kind := range []newsletter.SearchKind{newsletter.FoundArticle, newsletter.FoundIssue} {
					if err := tx.PutSearch(t.Context(), kind, id, nil); err != nil {
						return err
					}
				}
			}
			return nil
		}))
		if got := k.found(newsletter.SearchFilter{Query: "등대", Limit: 100}); len(got) != 0 {
			t.Fatalf("not emptied: %v", got)
		}
		for range 2 {
			k.must(k.KeepSearch(t.Context()))
			if got := k.found(newsletter.SearchFilter{Query: "등대", Limit: 100}); len(got) != 47 {
				t.Errorf("%d found", len(got))
			}
		}
	})
}

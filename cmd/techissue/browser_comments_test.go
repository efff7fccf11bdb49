package main_test

import (
	"net/url"
	"strings"
	"testing"
)

// comment fills in the form under the open page. A browser is faster than a person: the form may ask to press once more.
func (b *tab) comment(name, email, text string) {
	b.t.Helper()
	before := eval[string](b, "location.href")
	for n := 0; eval[string](b, "location.href") == before || !strings.Contains(eval[string](b, "location.search"), "comment="); n++ {
		if n == 8 {
			b.t.Fatalf("the comment is not taken:\n%s", b.peek())
		}
		eval[bool](b, `(document.querySelector("#comment-body").value = `+jsString(text)+`) !== ""`)
		b.fill("#comment-name", name)
		b.fill("#comment-email", email)
		b.press("#comment-submit")
		b.forget("422")
	}
}

func jsString(s string) string {
	return `decodeURIComponent("` + strings.ReplaceAll(url.QueryEscape(s), "+", "%20") + `")`
}

// A comment in a real browser, with scripts and without: written, proved by the mailed link, approved, answered by the author.
func TestBrowserComments(t *testing.T) {
	t.Parallel()
	for _, script := range []bool{true, false} {
		d := startDemo(t, "--no-send", "--subscribers", "5")
		b := openTab(t, d.base, script)
		page := "/articles/" + b.slug()
		b.open(page)
		b.comment("브라우저", "commenter@example.com", "브라우저에서 남긴 댓글이에요.")
		b.must("확인 메일을 보냈어요")
		letter := b.newest("commenter@example.com", "댓글을 확인해")
		b.open(b.linkIn(letter, "/c/"))
		b.must("이 댓글을 올릴까요?", "브라우저에서 남긴 댓글이에요.")
		b.press("main form button")
		b.must("글쓴이가 확인하면 올라가요")
		b.open(d.enter)
		b.press("main form button")
		b.open("/admin/comments")
		b.must("브라우저에서 남긴 댓글이에요.", "commenter@example.com")
		b.press(".comment-row button[value=published]")
		b.must("댓글을 처리했어요")
		b.open(page)
		b.must("브라우저에서 남긴 댓글이에요.")
		b.comment("브라우저", "commenter@example.com", "이제는 바로 올라와요.")
		b.must("댓글을 올렸어요", "이제는 바로 올라와요.")
		if script { // the form takes the name without loading the page again
			b.click(".thread > li:last-child .comment-act a")
		} else {
			b.press(".thread > li:last-child .comment-act a")
		}
		b.must("브라우저님에게 답글")
		b.comment("브라우저", "commenter@example.com", "제 댓글에 제가 답해요.")
		b.must("제 댓글에 제가 답해요.")
		if n := eval[int](b, `document.querySelectorAll(".replies").length`); n == 0 {
			t.Error("the reply stands beside the comment, not under it")
		}
		b.clean()
	}
}

// xssCorpus are ways to make a page do something, as a comment or a name might carry them (S19, S20).
var xssCorpus = []string{
	`<script>pwned()</script>`, `<img src=x onerror=pwned()>`, `<svg/onload=pwned()>`, `"><script>pwned()</script>`, `'-pwned()-'`,
	`<a href="javascript:pwned()">x</a>`, `[x](javascript:pwned())`, `[x](data:text/html;base64,PHNjcmlwdD4=)`, `<iframe srcdoc="<script>parent.pwned()</script>">`,
	`<math><mtext></table><mglyph><style><img src=x onerror=pwned()>`, `<details open ontoggle=pwned()>`, `<style>*{background:url(//evil.example)}</style>`,
	`<!--><script>pwned()</script>`, `</textarea><script>pwned()</script>`, `</title><script>pwned()</script>`, `{{.Site}}`, `${pwned()}`,
	`<input autofocus onfocus=pwned()>`, `<body onload=pwned()>`, `<form action=//evil.example><button>`, `<meta http-equiv=refresh content="0;url=//evil.example">`,
	`<base href="//evil.example/">`, `<link rel=stylesheet href=//evil.example>`, `java&#x09;script:pwned()`, `<noscript><p title="</noscript><img src=x onerror=pwned()>">`,
	`https://ok.example/"onmouseover="pwned()`, `https://ok.example/'><script>pwned()</script>`, "http://ok.example/\u0000javascript:pwned()",
}

// The corpus in comments, in a search, and in an article's Markdown: nothing runs, nothing is asked of another host, on the page and at the desk.
func TestBrowserCorpusOfXSS(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--no-send", "--subscribers", "5")
	b := openTab(t, d.base, true)
	page := "/articles/" + b.slug()
	var batch, batches []string
	for n, v := range xssCorpus {
		batch = append(batch, v)
		if (n+1)%9 == 0 || n+1 == len(xssCorpus) {
			text := strings.Join(batch, "\n")
			text = strings.ReplaceAll(text, "https://ok", "HTTPS://ok") // at most three links a comment
			batches, batch = append(batches, text), nil
		}
	}
	for n, text := range batches {
		b.open(page)
		email := "x" + string(rune('a'+n)) + "@example.com"
		b.comment(xssCorpus[n], email, text)
		letter := b.newest(email, "댓글을 확인해")
		b.open(b.linkIn(letter, "/c/"))
		b.press("main form button")
	}
	b.open(d.enter)
	b.press("main form button")
	quiet := func(where string) {
		t.Helper()
		if eval[bool](b, `[...document.querySelectorAll("main script, main iframe, main [onerror], main [onload], main [onfocus], main style, main base, main meta, main link, main img[src=x]")].length > 0`) {
			t.Errorf("%s: the page has an element of the corpus", where)
		}
		if bad := eval[string](b, `[...document.querySelectorAll("main a[href]")].map(a => a.getAttribute("href")).filter(h => /^(javascript|data|vbscript):/i.test(h.trim())).join(" ")`); bad != "" {
			t.Errorf("%s: a link to %s", where, bad)
		}
	}
	b.open("/admin/comments")
	quiet("the desk")
	for range batches {
		b.press(".comment-row button[value=published]")
		b.open("/admin/comments")
	}
	b.open(page)
	b.must("<script>pwned()</script>")
	quiet("the article")
	for _, v := range xssCorpus {
		b.open("/search?q=" + url.QueryEscape(v))
		quiet("a search for " + v)
	}
	b.open("/admin/articles/new")
	b.fill("#title", `<script>pwned()</script> 말썽`)
	b.fill("#slug", "corpus")
	eval[bool](b, `(document.querySelector("#body").value = `+jsString(strings.Join(xssCorpus, "\n\n"))+`) !== ""`)
	b.press("button[value=publish]")
	b.open("/articles/corpus")
	b.must("말썽")
	quiet("Markdown")
	for _, p := range []string{"/", "/articles", "/search?q=pwned"} {
		b.open(p)
		quiet(p)
	}
	b.clean()
}

// talked is the slug of the sample that has comments: the oldest.
func (b *tab) talked() string {
	b.t.Helper()
	slugs := hrefs.FindAllStringSubmatch(fetch(b.t, b.base+"/articles"), -1)
	for n := len(slugs) - 1; n >= 0; n-- {
		if path, ok := strings.CutPrefix(slugs[n][1], "/articles/"); ok {
			slug, err := url.PathUnescape(path)
			if err != nil {
				b.t.Fatal(err)
			}
			return slug
		}
	}
	b.t.Fatal("no article")
	return ""
}

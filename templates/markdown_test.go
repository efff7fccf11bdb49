package templates_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yuin/goldmark"

	"techissue/templates"
)

func TestMarkdown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"emphasis closes before a 조사", `**"화수분 야구"**라는 별명`, `<strong>&quot;화수분 야구&quot;</strong>라는`},
		{"emphasis closes behind a bracket", `**두산(베어스)**의 힘`, `<strong>두산(베어스)</strong>의`},
		{"strikethrough too", `~~"옛말"~~이다`, `<del>&quot;옛말&quot;</del>이다`},
		{"snake_case stays", `a_b_c`, `a_b_c`},
		{"addresses run together are split", "https://a.example/1https://b.example/2?x=1", `<p class="source"><a href="https://a.example/1" rel="noopener">https://a.example/1</a>` + "\n" + `<a href="https://b.example/2?x=1"`},
		{"a link in brackets is one link", `[글](https://a.example/?u=https://b.example)`, `<a href="https://a.example/?u=https://b.example" rel="noopener">글</a>`},
		{"code keeps its addresses", "`https://a.examplehttps://b.example`", `<code>https://a.examplehttps://b.example</code>`},
		{"headings begin below the title", "# 제목", `<h2>제목</h2>`},
		{"raw HTML is left out", `<script>alert(1)</script>`, `<!-- raw HTML omitted -->`},
		{"scripts are no links", `[x](javascript:alert(1))`, `<a href="" rel="noopener">x</a>`},
		{"data is no link", `[x](data:text/html,x)`, `<a href="" rel="noopener">x</a>`},
	} {
		got, err := templates.Markdown(c.in)
		if err != nil || !strings.Contains(string(got), c.want) {
			t.Errorf("%s: %q gives\n%s, %v\nwant it to hold\n%s", c.name, c.in, got, err, c.want)
		}
	}
}

func TestBareAddressesInKorean(t *testing.T) {
	t.Parallel()
	const wiki = "https://ko.example/wiki/%ED%95%9C%EA%B5%AD"
	for _, c := range []struct{ name, in, href, rest string }{
		{"a particle behind a letter is the sentence's", "https://a.example/x를 보세요", "https://a.example/x", "를 보세요"},
		{"behind a digit, too", "https://a.example/?id=20에서 봤어요", "https://a.example/?id=20", "에서 봤어요"},
		{"behind a host", "https://a.example은 좋아요", "https://a.example", "은 좋아요"},
		{"behind the last slash", "https://a.example/b/를 보세요", "https://a.example/b/", "를 보세요"},
		{"a word of many syllables", "https://a.example/x같은곳", "https://a.example/x", "같은곳"},
		{"a Hangul path stays", "https://ko.example/wiki/한국 을 보세요", wiki, " 을 보세요"},
		{"a Hangul path at the end of a sentence", "(https://ko.example/wiki/한국).", wiki, ")."},
		{"Hangul behind a hyphen", "https://a.example/2024년-결산 글", "https://a.example/2024%EB%85%84-%EA%B2%B0%EC%82%B0", " 글"},
		{"Hangul in a query", "https://a.example/?q=반도체&p=2 글", "https://a.example/?q=%EB%B0%98%EB%8F%84%EC%B2%B4&amp;p=2", " 글"},
		{"Hangul in front of a fragment", "https://ko.example/wiki/한국#역사 글", wiki + "#%EC%97%AD%EC%82%AC", " 글"},
		{"www", "www.a.example/x를 보세요", "http://www.a.example/x", "를 보세요"},
		{"a Hangul host", "https://한글.한국/x 글", "https://%ED%95%9C%EA%B8%80.%ED%95%9C%EA%B5%AD/x", " 글"},
	} {
		got, err := templates.Markdown(c.in)
		s := string(got)
		_, after, _ := strings.Cut(s, "</a>")
		if err != nil || !strings.Contains(s, `href="`+c.href+`"`) || strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(after), "</p>")) != strings.TrimSpace(c.rest) {
			t.Errorf("%s: %q gives\n%s, %v\nwant a link to %s and then %q", c.name, c.in, s, err, c.href, c.rest)
		}
	}
}

func TestPlainText(t *testing.T) {
	t.Parallel()
	got := templates.PlainText("## 소제목\n\n[글](https://a.example) **굵게** 씁니다.\n\n- 하나\n- 둘\n\n> 인용\n\nhttps://a.example/1https://b.example/2\n")
	want := "■ 소제목\n\n글 ( https://a.example ) 굵게 씁니다.\n\n- 하나\n- 둘\n\n> 인용\n\nhttps://a.example/1\nhttps://b.example/2"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The Korean rule changes nothing of CommonMark: every example of its specification renders as it does without the rule.
func TestKoreanEmphasisKeepsCommonMark(t *testing.T) {
	t.Parallel()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yuin/goldmark").Output()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "_test", "spec.json"))
	if err != nil {
		t.Fatal(err)
	}
	var examples []struct{ Markdown string }
	if err := json.Unmarshal(raw, &examples); err != nil || len(examples) < 600 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	plain, korean := goldmark.New(), templates.KoreanOnly()
	for n, e := range examples {
		var want, got bytes.Buffer
		if err := plain.Convert([]byte(e.Markdown), &want); err != nil {
			t.Fatal(err)
		}
		if err := korean.Convert([]byte(e.Markdown), &got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("example %d: %q gives\n%s, without the rule\n%s", n+1, e.Markdown, &got, &want)
		}
	}
}

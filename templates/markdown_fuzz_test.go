package templates_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"

	"techissue/templates"
)

// S19, S20: what Markdown may become. Everything else is a hole.
var mayAppear = map[string]string{
	"p": "class", "h1": "id", "h2": "id", "h3": "id", "h4": "id", "h5": "id", "h6": "id", "a": "href title id class rel role target aria-label", "img": "src alt title loading width height",
	"em": "", "strong": "", "del": "", "code": "class", "pre": "", "blockquote": "", "hr": "", "br": "", "ul": "class", "ol": "start", "li": "id class", "table": "class", "thead": "", "tbody": "",
	"tr": "", "th": "align style scope", "td": "align style", "input": "type checked disabled", "sup": "id class", "div": "class role", "section": "class role", "figure": "class", "figcaption": "",
}

var linkCorpus = []string{
	"[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](java\nscript:alert(1))", "[x](&#106;avascript:alert(1))", "[x](javascript&colon;alert(1))", "[x](\x01javascript:alert(1))",
	"[x](<java\tscript:alert(1)>)", "[x](data:text/html;base64,PHNjcmlwdD4=)", "![x](javascript:alert(1))", "![x](data:image/svg+xml;base64,PHN2Zz4=)", "[x](vbscript:x)", "[x](//evil.example)",
	"<javascript:alert(1)>", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "[x]: javascript:alert(1)\n\n[x]", "`<script>`", "```html onload=x\n<script>\n```",
	"[x](https://a.example/\"onmouseover=\"alert(1))", "![\" onerror=\"alert(1)](https://a.example/x.png)", "[x](https://a.example 'a\" onclick=\"x')", "## <b>제목</b>", "**\"화수분 야구\"**라는", "~~가~~나",
	"https://a.example/1https://b.example/2", "[^1]\n\n[^1]: <script>", "- [ ] 할 일", "|a|b|\n|-|-|\n|<i>|x|", "<!-- --><script>", "<style>*{}</style>", "[x](mailto:a@b.kr?body=<script>)", "[x](\\\\evil.example)",
	"<a href=javascript:x>", "[x](A&colon;)", "<A0:>", "<feed:javascript:alert(1)>", "<file:///etc/passwd>", "<tel:010>", "[x](feed:javascript:alert(1))", "[x](blob:https://a.example/1)", "[x](file:///etc/passwd)",
}

// Whatever is written, the page and the letter get no script, no handler, no frame, no foreign scheme, and nothing panics.
func FuzzMarkdown(f *testing.F) {
	for _, s := range linkCorpus {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		web, err := templates.Markdown(source)
		if err != nil {
			t.Fatalf("%q: %v", source, err)
		}
		mail, err := templates.MailMarkdown(source)
		if err != nil {
			t.Fatalf("%q: %v", source, err)
		}
		harmless(t, source, string(web))
		harmless(t, source, string(mail))
		if plain := templates.PlainText(source); utf8.ValidString(source) && !utf8.ValidString(plain) {
			t.Fatalf("the text part of %q is %q", source, plain)
		}
	})
}

// WHATWG URL: leading controls and blanks are dropped, tabs and line ends vanish wherever they are.
var (
	scheme         = regexp.MustCompile(`^[\x00-\x20]*([A-Za-z][A-Za-z0-9+.-]*):`)
	asBrowsersRead = strings.NewReplacer("\t", "", "\n", "", "\r", "")
)

func harmless(t *testing.T, source, rendered string) {
	t.Helper()
	for z := html.NewTokenizer(strings.NewReader(rendered)); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			return
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		tag := z.Token()
		allowed, ok := mayAppear[tag.Data]
		if !ok {
			t.Fatalf("%q became <%s>: %s", source, tag.Data, rendered)
		}
		for _, a := range tag.Attr {
			if !strings.Contains(" "+allowed+" ", " "+a.Key+" ") {
				t.Fatalf("%q became <%s %s=%q>: %s", source, tag.Data, a.Key, a.Val, rendered)
			}
			if a.Key != "href" && a.Key != "src" {
				continue
			}
			if m := scheme.FindStringSubmatch(asBrowsersRead.Replace(a.Val)); m != nil && !strings.Contains(" http https mailto ", " "+strings.ToLower(m[1])+" ") {
				t.Fatalf("%q leads to %q: %s", source, a.Val, rendered)
			}
		}
	}
}

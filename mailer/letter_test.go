package mailer_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"

	"techissue/newsletter"
)

// adEdition is a sponsored issue.
func adEdition() newsletter.Edition {
	e := edition()
	e.Snapshot.Kind, e.Snapshot.Subject = newsletter.KindAd, "(광고) 가을 강연 소식과 링크 모음"
	e.Snapshot.Sponsor = "**예시 강연**이 열립니다. [신청하기](https://sponsor.example/event?from=letter)"
	return e
}

// richEdition has everything that an editor may write.
func richEdition() newsletter.Edition {
	e := adEdition()
	e.Snapshot.Articles[0].Body = "![공장의 사진](https://img.example/a.png)\n\n| 해 | 값 |\n|---|---|\n| 2026 | 3 |\n\n- [x] 한 일\n- [ ] 할 일\n\n```\ncode\n```\n\n> 인용\n\n" +
		"[우리 글](/articles/다른-글) · [제목](https://c.example/x) · <mailto:hello@example.kr>\n\n각주[^1]\n\n[^1]: 풀이\n\n" + e.Snapshot.Articles[0].Body
	return e
}

func letterOf(t *testing.T, e newsletter.Edition, c newsletter.Claimed) (m *mail.Message, htmlPart, text string) {
	t.Helper()
	out, err := letters(t, nil).ComposeDelivery(t.Context(), c, e)
	if err != nil {
		t.Fatal(err)
	}
	return readLetter(t, out.Data)
}

// readLetter reads a letter as a mail program does.
func readLetter(t *testing.T, data []byte) (m *mail.Message, htmlPart, text string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	var kinds, bodies []string
	for {
		p, err := r.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if enc := p.Header.Get("Content-Transfer-Encoding"); enc != "base64" {
			t.Errorf("a part is in %s", enc)
		}
		body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, p))
		if err != nil || !utf8.Valid(body) {
			t.Fatalf("a part: %v, UTF-8 %v", err, utf8.Valid(body))
		}
		kinds, bodies = append(kinds, p.Header.Get("Content-Type")), append(bodies, string(body))
	}
	if !slices.Equal(kinds, []string{"text/plain; charset=utf-8", "text/html; charset=utf-8"}) {
		t.Fatalf("parts %v", kinds)
	}
	return m, bodies[1], bodies[0]
}

func TestLetterHeadersStandInOrder(t *testing.T) {
	t.Parallel()
	out := compose(t, letters(t, nil), claimed)
	head, _, _ := strings.Cut(string(out.Data), "\r\n\r\n")
	var names []string
	for line := range strings.SplitSeq(head, "\r\n") {
		if name, _, ok := strings.Cut(line, ":"); ok && line[0] != ' ' {
			names = append(names, name)
		}
	}
	want := []string{
		"From", "To", "Subject", "Date", "Message-ID", "Reply-To", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Precedence", "Feedback-ID",
		"MIME-Version", "Content-Type",
	}
	if !slices.Equal(names, want) {
		t.Errorf("headers %v", names)
	}
}

// RFC 2047 §5: encoded words of at most 75 characters, each whole characters, on lines of at most 76.
func TestKoreanHeadersFoldRight(t *testing.T) {
	t.Parallel()
	word := regexp.MustCompile(`=\?utf-8\?b\?([A-Za-z0-9+/=]*)\?=`)
	for _, name := range []string{"김철수", "주식회사 예시 연구소 기술기획팀 남궁민수 책임연구원", strings.Repeat("가", 60), `홍 "길동" \`, "Kim, Chulsoo", "a@b <c>"} {
		for subject, long := range map[string]string{"short": "소식", "long": strings.Repeat("긴제목 ", 40) + "끝", "mixed": "AI 이야기 {이름}님께"} {
			e, c := edition(), claimed
			e.Snapshot.Subject, c.Name = long, name
			out, err := letters(t, nil).ComposeDelivery(t.Context(), c, e)
			if err != nil {
				t.Fatal(err)
			}
			head, _, _ := bytes.Cut(out.Data, []byte("\r\n\r\n"))
			for line := range bytes.SplitSeq(head, []byte("\r\n")) {
				if len(line) > 76 && !bytes.HasPrefix(line, []byte("List-")) {
					t.Errorf("%s, %s: a line of %d: %s", name, subject, len(line), line)
				}
				for _, w := range word.FindAllSubmatch(line, -1) {
					raw, err := base64.StdEncoding.DecodeString(string(w[1]))
					if err != nil || !utf8.Valid(raw) || len(w[0]) > 75 {
						t.Errorf("%s, %s: word %s: %v", name, subject, w[0], err)
					}
				}
			}
			m, err := mail.ReadMessage(bytes.NewReader(out.Data))
			if err != nil {
				t.Fatal(err)
			}
			to, err := m.Header.AddressList("To")
			if err != nil || len(to) != 1 || to[0].Address != claimed.Email || to[0].Name != name {
				t.Errorf("%s: To is %v, %v", name, to, err)
			}
			if got, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil || got != strings.ReplaceAll(long, "{이름}", name) {
				t.Errorf("%s: subject %q, %v", name, got, err)
			}
		}
	}
}

var addresses = regexp.MustCompile(`(?:https?://|mailto:)[^\s<>"]+`)

func TestBothPartsHaveTheSameLinks(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]newsletter.Edition{"plain": edition(), "ad": adEdition(), "rich": richEdition()} {
		_, htmlPart, text := letterOf(t, e, claimed)
		inHTML, inText := map[string]bool{}, map[string]bool{}
		each(t, htmlPart, func(n *html.Node, _ []*html.Node) {
			if href := attr(n, "href"); n.Data == "a" && !strings.HasPrefix(href, "#") {
				inHTML[href] = true
			}
		})
		for _, a := range addresses.FindAllString(text, -1) {
			inText[a] = true
		}
		for a := range inHTML {
			if !inText[a] {
				t.Errorf("%s: the text part lacks %s", name, a)
			}
		}
		for a := range inText {
			if !inHTML[a] {
				t.Errorf("%s: only the text part has %s", name, a)
			}
		}
		if len(inHTML) < 10 {
			t.Errorf("%s: %d links", name, len(inHTML))
		}
	}
}

func TestTheWayOutStandsAtBothEnds(t *testing.T) {
	t.Parallel()
	m, htmlPart, text := letterOf(t, edition(), claimed)
	out := strings.Trim(m.Header.Get("List-Unsubscribe"), "<>")
	for name, part := range map[string]string{"HTML": htmlPart[strings.Index(htmlPart, "<body"):], "text": text} {
		first, last := strings.Index(part, out), strings.LastIndex(part, out)
		if first < 0 || first > strings.Index(part, "안녕하세요") || last < strings.Index(part, "다음 호에서 만나요") {
			t.Errorf("%s: the way out stands at %d and %d of %d", name, first, last, len(part))
		}
	}
	if !strings.Contains(text, "수신거부 ( "+out+" )") || !strings.Contains(text, "unsubscribe ( "+out+" )") {
		t.Error("the text part does not say it in both languages")
	}
}

func TestBothPartsGoInTheSameOrder(t *testing.T) {
	t.Parallel()
	_, htmlPart, text := letterOf(t, adEdition(), claimed)
	body := htmlPart[strings.Index(htmlPart, "<body"):]
	for name, part := range map[string]string{"HTML": body, "text": text} {
		at := 0
		for _, want := range []string{
			"웹에서 보기", "수신거부", "테크잇슈", "12호", "2026년 11월 24일", "가을 강연 소식과 링크 모음", "김", "안녕하세요", "IT 이슈 모음", "첫 소식", "예시일보", "한 줄 요약",
			"광고", "예시 강연", "신청하기", "긴 글", "가능성과 한계", "전체 읽기", "이재훈", "쉽고 재밌는", "친구에게 권하기", "의견 남기기", "좋았어요", "아쉬워요", "다음 호에서 만나요",
			"2026년 11월 1일", "구독 정보 변경", "개인정보 처리방침", "서울시 예시구",
		} {
			n := strings.Index(part[at:], want)
			if n < 0 {
				t.Errorf("%s: %q is missing or stands too early", name, want)
				continue
			}
			at += n
		}
	}
	for _, want := range []string{
		"친구에게 권하기 ( https://letter.example.kr/issues/12/share )", "첫 소식 · 예시일보 ( https://news.example/1?a=1&b=2 )", "웹에서 보기 ( https://letter.example.kr/issues/12/letter )",
		"신청하기 ( https://sponsor.example/event?from=letter )",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text part lacks %q", want)
		}
	}
	opinion := regexp.MustCompile(`의견 남기기: 좋았어요 \( (https://letter\.example\.kr/f/\S+)\?v=good \) · 아쉬워요 \( (https://letter\.example\.kr/f/\S+)\?v=bad \)`).FindStringSubmatch(text)
	if opinion == nil || opinion[1] != opinion[2] {
		t.Fatalf("opinions: %v", opinion)
	}
	id, err := letters(t, nil).Keys().Verify(newsletter.PurposeOpinion, strings.TrimPrefix(opinion[1], "https://letter.example.kr/f/"), prepared)
	if err != nil || id != claimed.ID {
		t.Errorf("the opinion is of letter %d, %v", id, err)
	}
}

// korea.md, "Letters that look right".
func TestLetterMarkup(t *testing.T) {
	t.Parallel()
	forbidden := []string{"svg", "form", "input", "script", "iframe", "object", "video", "link", "button"}
	colour := regexp.MustCompile(`#[0-9a-fA-F]+\b`)
	pages := map[string]string{}
	_, pages["issue"], _ = letterOf(t, richEdition(), claimed)
	for _, kind := range noticeKinds {
		_, pages[string(kind)], _ = readLetter(t, noticeOf(t, kind))
	}
	for name, page := range pages {
		if !strings.Contains(page, `<meta name="color-scheme" content="light dark"`) || !strings.Contains(page, `<meta name="supported-color-schemes" content="light dark"`) ||
			!strings.Contains(page, "prefers-color-scheme: dark") {
			t.Errorf("%s: nothing is said of dark mode", name)
		}
		for _, c := range colour.FindAllString(regexp.MustCompile(`href="[^"]*"|&#\d+;`).ReplaceAllString(page, ""), -1) {
			if len(c) != 7 {
				t.Errorf("%s: colour %s", name, c)
			}
		}
		for _, bad := range []string{"flex", "grid", "rgba(", "@font-face", "@import", "#000000", "position:"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s uses %s", name, bad)
			}
		}
		each(t, page, func(n *html.Node, path []*html.Node) {
			style := attr(n, "style")
			switch {
			case slices.Contains(forbidden, n.Data):
				t.Errorf("%s holds <%s>", name, n.Data)
			case n.Data == "html" && attr(n, "lang") != "ko":
				t.Errorf("%s: lang %q", name, attr(n, "lang"))
			case n.Data == "table" && attr(n, "role") != "presentation" && !within(path, "text"):
				t.Errorf("%s: a table without role", name)
			case n.Data == "table" && attr(n, "width") != "" && !strings.Contains(style, "width:"):
				t.Errorf("%s: width only as an attribute: %q", name, style)
			case n.Data == "img" && (!has(n, "alt") || attr(n, "width") == "" || !strings.Contains(style, "width:")):
				t.Errorf("%s: a picture without alt or width: %v", name, n.Attr)
			case n.Data == "td" && text(n) != "" && !cellStyle(n, path):
				t.Errorf("%s: a cell without its own font and breaks: %q", name, clip(text(n)))
			case n.Data == "a" && strings.HasPrefix(attr(n, "href"), "/"):
				t.Errorf("%s: a link that leads nowhere from a letter: %s", name, attr(n, "href"))
			}
		})
	}
	issue := pages["issue"]
	if !strings.Contains(issue, "☑") || !strings.Contains(issue, "☐") || !strings.Contains(issue, `href="https://letter.example.kr/articles/`) {
		t.Error("tick boxes or our own links are lost")
	}
	if !strings.Contains(issue, ">한 주의 소식\u034f\u200c\u00a0") {
		t.Error("the preheader has no filler behind it")
	}
	for _, tag := range []string{"<h1", "<h2", "<h3", "max-width:600px", "'Apple SD Gothic Neo','Malgun Gothic','Noto Sans KR',sans-serif"} {
		if !strings.Contains(strings.ReplaceAll(issue, "&#39;", "'"), tag) {
			t.Errorf("the issue lacks %s", tag)
		}
	}
	if sub := e2eSubject(t, adEdition()); !strings.HasPrefix(sub, "(광고) ") {
		t.Errorf("an ad's subject is %q", sub)
	}
	if h := regexp.MustCompile(`(?s)class="inner sponsor"[^>]*border:1px solid[^>]*>\s*<p class="label"[^>]*>광고</p>`); !h.MatchString(issue) {
		t.Error("the sponsor's box has no border or no label")
	}
}

// cellStyle tells that a cell with text of its own says how it is set; a cell that only holds a table need not.
func cellStyle(n *html.Node, path []*html.Node) bool {
	own := false
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		own = own || c.Type == html.TextNode && strings.TrimSpace(c.Data) != "" || c.Type == html.ElementNode && c.Data != "table"
	}
	style := attr(n, "style")
	font := strings.Contains(style, "font-family") || within(path, "text")
	return !own || n.FirstChild.Data == "a" && within([]*html.Node{n}, "push") || font && strings.Contains(style, "word-break:keep-all") && strings.Contains(style, "overflow-wrap:anywhere")
}

func e2eSubject(t *testing.T, e newsletter.Edition) string {
	t.Helper()
	m, _, _ := letterOf(t, e, claimed)
	s, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func each(t *testing.T, page string, see func(n *html.Node, path []*html.Node)) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var walk func(n *html.Node, path []*html.Node)
	walk = func(n *html.Node, path []*html.Node) {
		if n.Type == html.ElementNode {
			see(n, path)
		}
		path = append(slices.Clone(path), n)
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, path)
		}
	}
	walk(root, nil)
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func within(path []*html.Node, class string) bool {
	return slices.ContainsFunc(path, func(n *html.Node) bool { return slices.Contains(strings.Fields(attr(n, "class")), class) })
}

func text(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(text(c))
	}
	return strings.TrimSpace(b.String())
}

func clip(s string) string { return string([]rune(s)[:min(30, utf8.RuneCountInString(s))]) }

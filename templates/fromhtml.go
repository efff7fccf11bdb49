package templates

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/JohannesKaufmann/html-to-markdown/v2/converter"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/base"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/commonmark"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/strikethrough"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/table"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// What programs put on the clipboard is a picture of a text more than the text: Word's lists are paragraphs with a dot, Google Docs says
// bold by a style and "not bold" by a <b>, 한글 knows headings by the name of a class. FromHTML reads all of them for what they mean.

// FromHTML turns pasted HTML into Markdown: headings, bold, italic, struck text, lists, quotes, tables, links and pictures stay, the rest goes.
// picture is asked for the address under which a picture is to stand; "" leaves it out.
func FromHTML(source string, picture func(src, alt string) string) (string, error) {
	doc, err := html.Parse(strings.NewReader(source))
	if err != nil {
		return "", fmt.Errorf("read pasted HTML: %w", err)
	}
	c := cleaner{picture: picture, headings: hangulHeadings(source)}
	c.clean(doc)
	wordLists(doc)
	conv := converter.NewConverter(converter.WithPlugins(
		base.NewBasePlugin(), commonmark.NewCommonmarkPlugin(commonmark.WithHorizontalRule("---"), commonmark.WithListEndComment(false)),
		strikethrough.NewStrikethroughPlugin(), table.NewTablePlugin(table.WithHeaderPromotion(true), table.WithNewlineBehavior(table.NewlineBehaviorPreserve)),
	))
	md, err := conv.ConvertNode(doc)
	if err != nil {
		return "", fmt.Errorf("turn pasted HTML into Markdown: %w", err)
	}
	return tidyPasted(string(md)), nil
}

// cleaner walks the tree once, children first.
type cleaner struct {
	picture  func(src, alt string) string
	headings map[string]int // 한글: the level of a class of paragraphs
}

// dropped are elements that go with all that is in them.
var dropped = []atom.Atom{
	atom.Script, atom.Style, atom.Meta, atom.Link, atom.Title, atom.Noscript, atom.Template, atom.Iframe, atom.Object, atom.Embed, atom.Svg, atom.Canvas,
	atom.Audio, atom.Video, atom.Form, atom.Button, atom.Input, atom.Select, atom.Textarea,
}

func (c *cleaner) clean(n *html.Node) {
	for child := n.FirstChild; child != nil; {
		next := child.NextSibling
		c.clean(child)
		child = next
	}
	switch n.Type {
	case html.CommentNode:
		remove(n)
	case html.TextNode:
		n.Data = strings.NewReplacer("\u200b", "", "\ufeff", "", "\u00a0", " ", "\u2060", "").Replace(n.Data)
	case html.ElementNode:
		c.element(n)
	}
}

func (c *cleaner) element(n *html.Node) {
	style := styleOf(n)
	switch {
	case slices.Contains(dropped, n.DataAtom) || style["display"] == "none" || style["mso-hide"] == "all":
		remove(n)
		return
	case strings.Contains(style["mso-list"], "ignore"): // Word's dot or number: the list has its own
		if p := paragraphOf(n); p != nil {
			setAttr(p, "data-marker", strings.TrimSpace(textOf(n)))
		}
		remove(n)
		return
	}
	switch n.DataAtom {
	case atom.B, atom.Strong:
		if w := style["font-weight"]; w == "normal" || w == "400" { // Google Docs wraps the whole text in one
			unwrap(n)
		}
	case atom.Span, atom.Font:
		c.span(n, style)
	case atom.A:
		link(n)
	case atom.Img:
		c.image(n)
	case atom.P, atom.Div, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		c.block(n)
	}
	if strings.Contains(n.Data, ":") { // <o:p>, <w:sdt>, <v:shape>
		unwrap(n)
	}
}

// span says by a style what others say by an element.
func (c *cleaner) span(n *html.Node, style map[string]string) {
	if strings.TrimSpace(textOf(n)) == "" {
		unwrap(n)
		return
	}
	deco := style["text-decoration"] + " " + style["text-decoration-line"]
	weight, _ := strconv.Atoi(style["font-weight"])
	inside := func(a atom.Atom) {
		if !within(n, a) {
			wrapChildren(n, a)
		}
	}
	if strings.Contains(deco, "line-through") {
		inside(atom.Del)
	}
	if style["font-style"] == "italic" {
		inside(atom.Em)
	}
	if (style["font-weight"] == "bold" || style["font-weight"] == "bolder" || weight >= 600) && !heading(n) {
		inside(atom.Strong)
	}
	unwrap(n)
}

// link keeps what leads somewhere outside. Google Docs sends every link through a page of its own.
func link(n *html.Node) {
	u, err := url.Parse(strings.TrimSpace(attr(n, "href")))
	if err == nil && strings.HasSuffix(u.Hostname(), "google.com") && u.Path == "/url" && u.Query().Get("q") != "" {
		u, err = url.Parse(u.Query().Get("q"))
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto" {
		unwrap(n)
		return
	}
	if strings.Contains(attr(n, "class"), "se-oglink") { // Naver's card of a link: ours makes one of the bare address
		for n.FirstChild != nil {
			n.RemoveChild(n.FirstChild)
		}
		n.AppendChild(&html.Node{Type: html.TextNode, Data: u.String()})
	}
	n.Attr = []html.Attribute{{Key: "href", Val: u.String()}}
}

// image finds the whole picture: blogs show a blurred one until it is looked at.
func (c *cleaner) image(n *html.Node) {
	src := attr(n, "src")
	for _, lazy := range []string{"data-lazy-src", "data-src", "data-original"} {
		if v := attr(n, lazy); v != "" {
			src = v
			break
		}
	}
	alt := strings.Join(strings.Fields(attr(n, "alt")), " ")
	u, err := url.Parse(src)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "data" || attr(n, "width") == "1" {
		remove(n)
		return
	}
	if src = c.picture(src, alt); src == "" {
		remove(n)
		return
	}
	n.Attr = []html.Attribute{{Key: "src", Val: src}, {Key: "alt", Val: alt}}
}

// block gives a paragraph the meaning that its class names, and drops the empty ones that stand for a gap.
func (c *cleaner) block(n *html.Node) {
	class := attr(n, "class")
	level := 0
	for _, name := range strings.Fields(class) {
		level = max(level, c.headings[strings.ToLower(name)])
		if name == "MsoTitle" {
			level = 1
		}
	}
	for p := n.Parent; p != nil && level == 0 && n.DataAtom == atom.P; p = p.Parent { // Naver's 소제목
		if strings.Contains(attr(p, "class"), "sectionTitle") {
			level = 2
		}
	}
	if n.DataAtom == atom.P && level > 0 {
		n.Data, n.DataAtom = fmt.Sprintf("h%d", level), atom.Lookup(fmt.Appendf(nil, "h%d", level))
	}
	if heading(n) { // a heading is bold by itself
		for _, b := range find(n, atom.B, atom.Strong) {
			unwrap(b)
		}
	}
	if strings.TrimSpace(textOf(n)) == "" && len(find(n, atom.Img, atom.Hr, atom.Table)) == 0 {
		remove(n)
	}
}

var outline = regexp.MustCompile(`(?is)P\.(HStyle\d+)[^{}]*\{[^{}]*style-name:\s*"개요 (\d)"`)

// hangulHeadings reads from 한글's style sheet which paragraphs are headings: its outline levels.
func hangulHeadings(source string) map[string]int {
	levels := map[string]int{}
	for _, m := range outline.FindAllStringSubmatch(source, -1) {
		n, _ := strconv.Atoi(m[2])
		levels[strings.ToLower(m[1])] = min(n+1, 6)
	}
	return levels
}

var (
	listLevel = regexp.MustCompile(`level(\d)`)
	counted   = regexp.MustCompile(`^\(?([0-9]+|[a-zA-Z]{1,4}|[가-힣])[.)]`)
)

// wordLists makes lists of Word's paragraphs that only look like items.
func wordLists(doc *html.Node) {
	var open []*html.Node // the list of each level
	var last *html.Node   // the item or list that the next one has to follow
	for _, p := range find(doc, atom.P) {
		m := listLevel.FindStringSubmatch(styleOf(p)["mso-list"])
		if m == nil {
			open = nil
			continue
		}
		level, _ := strconv.Atoi(m[1])
		if len(open) == 0 || !follows(last, p) {
			open = nil
		}
		open = open[:min(len(open), max(level, 1))]
		for len(open) < max(level, 1) {
			kind := atom.Ul
			if counted.MatchString(attr(p, "data-marker")) {
				kind = atom.Ol
			}
			list := &html.Node{Type: html.ElementNode, DataAtom: kind, Data: kind.String()}
			switch {
			case len(open) == 0:
				p.Parent.InsertBefore(list, p)
				last = list
			case open[len(open)-1].LastChild != nil:
				open[len(open)-1].LastChild.AppendChild(list)
			default:
				item := &html.Node{Type: html.ElementNode, DataAtom: atom.Li, Data: "li"}
				open[len(open)-1].AppendChild(item)
				item.AppendChild(list)
			}
			open = append(open, list)
		}
		remove(p)
		p.Data, p.DataAtom, p.Attr = "li", atom.Li, nil
		open[len(open)-1].AppendChild(p)
	}
}

// follows tells whether nothing but blanks stands between a list and the next paragraph.
func follows(list, p *html.Node) bool {
	for n := p.PrevSibling; n != nil; n = n.PrevSibling {
		if n == list {
			return true
		}
		if n.Type != html.TextNode || strings.TrimSpace(n.Data) != "" {
			return false
		}
	}
	return false
}

var (
	ownAddress = regexp.MustCompile(`\[([^\]\s]+)\]\((https?://[^)\s]+)\)`)
	manyBlanks = regexp.MustCompile(`\n{3,}`)
	blankLines = regexp.MustCompile(`(?m)^[ \t]+$`)
	blankEnds  = regexp.MustCompile(`(?m)[ \t]+$`)
	unescape   = strings.NewReplacer(`\_`, `_`, `\*`, `*`, `\#`, `#`, `\~`, `~`, `&amp;`, `&`)
)

// tidyPasted writes links whose text is their address as bare addresses, and single blank lines.
func tidyPasted(md string) string {
	md = ownAddress.ReplaceAllStringFunc(md, func(whole string) string {
		m := ownAddress.FindStringSubmatch(whole)
		if strings.TrimSuffix(unescape.Replace(m[1]), "/") == strings.TrimSuffix(m[2], "/") {
			return m[2]
		}
		return whole
	})
	md = blankEnds.ReplaceAllStringFunc(blankLines.ReplaceAllString(md, ""), func(blanks string) string {
		if blanks == "  " { // a break of the line
			return blanks
		}
		return ""
	})
	return strings.TrimSpace(manyBlanks.ReplaceAllString(md, "\n\n"))
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func setAttr(n *html.Node, key, val string) {
	n.Attr = append(n.Attr, html.Attribute{Key: key, Val: val})
}

// styleOf reads an element's own style, in lower case.
func styleOf(n *html.Node) map[string]string {
	style := map[string]string{}
	for part := range strings.SplitSeq(strings.ToLower(attr(n, "style")), ";") {
		if name, value, ok := strings.Cut(part, ":"); ok {
			style[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return style
}

func remove(n *html.Node) {
	if n.Parent != nil {
		n.Parent.RemoveChild(n)
	}
}

// unwrap puts an element's children in its place.
func unwrap(n *html.Node) {
	if n.Parent == nil {
		return
	}
	for child := n.FirstChild; child != nil; child = n.FirstChild {
		n.RemoveChild(child)
		n.Parent.InsertBefore(child, n)
	}
	remove(n)
}

// wrapChildren puts an element between a node and its children.
func wrapChildren(n *html.Node, a atom.Atom) {
	in := &html.Node{Type: html.ElementNode, DataAtom: a, Data: a.String()}
	for child := n.FirstChild; child != nil; child = n.FirstChild {
		n.RemoveChild(child)
		in.AppendChild(child)
	}
	n.AppendChild(in)
}

func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		b.WriteString(textOf(child))
	}
	return b.String()
}

// find lists the elements of these kinds below a node, in the order of the text.
func find(n *html.Node, kinds ...atom.Atom) (list []*html.Node) {
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		if child.Type == html.ElementNode && slices.Contains(kinds, child.DataAtom) {
			list = append(list, child)
		}
		list = append(list, find(child, kinds...)...)
	}
	return list
}

func within(n *html.Node, a atom.Atom) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.DataAtom == a {
			return true
		}
	}
	return len(find(n, a)) > 0
}

func heading(n *html.Node) bool {
	for ; n != nil; n = n.Parent {
		switch n.DataAtom {
		case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
			return true
		}
	}
	return false
}

func paragraphOf(n *html.Node) *html.Node {
	for ; n != nil; n = n.Parent {
		if n.DataAtom == atom.P {
			return n
		}
	}
	return nil
}

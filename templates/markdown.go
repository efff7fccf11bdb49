package templates

import (
	"bytes"
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// The editor's Markdown: CommonMark with tables, strikethrough, bare links and footnotes, raw HTML left out. Typographer and the CJK
// extension stay off: the latter joins Korean lines without a space.
var (
	webMarkdown  = newMarkdown(0)
	mailMarkdown = newMarkdown(1)
)

func newMarkdown(deeper int) goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList, bareLinks{}, extension.Footnote),
		goldmark.WithParserOptions(
			parser.WithInlineParsers(util.Prioritized(koreanEmphasis{}, 499), util.Prioritized(koreanStrike{}, 499)),
			parser.WithASTTransformers(util.Prioritized(tidy{deeper}, 900)),
		),
	)
}

// Markdown renders an article or a section for a page. Its headings begin at h2, below the page's title.
func Markdown(source string) (template.HTML, error) { return render(webMarkdown, source) }

// MailMarkdown renders for a letter, whose sections are h2 themselves: headings begin at h3.
func MailMarkdown(source string) (template.HTML, error) { return render(mailMarkdown, source) }

func render(md goldmark.Markdown, source string) (template.HTML, error) {
	var b bytes.Buffer
	if err := md.Convert([]byte(splitAddresses(source)), &b); err != nil {
		return "", fmt.Errorf("render Markdown: %w", err)
	}
	return template.HTML(b.String()), nil
}

// runTogether finds where an address ends because the next one begins.
var runTogether = regexp.MustCompile(`https?://`)

// splitAddresses puts bare addresses that were pasted one behind the other on lines of their own. It looks only at words that begin
// with an address, so links in brackets are left alone, and not into code.
func splitAddresses(source string) string {
	lines := strings.Split(source, "\n")
	fenced := false
	for n, line := range lines {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
			fenced = !fenced
		}
		if fenced || strings.HasPrefix(line, "    ") || strings.Contains(line, "`") || !strings.Contains(line, "://") {
			continue
		}
		words := strings.Split(line, " ")
		for w, word := range words {
			if at := runTogether.FindAllStringIndex(word, -1); len(at) > 1 && at[0][0] == 0 {
				parts := make([]string, len(at))
				for i := range at {
					end := len(word)
					if i+1 < len(at) {
						end = at[i+1][0]
					}
					parts[i] = word[at[i][0]:end]
				}
				words[w] = strings.Join(parts, "\n")
			}
		}
		lines[n] = strings.Join(words, " ")
	}
	return strings.Join(lines, "\n")
}

// tidy makes headings fit their surroundings, links safe, and marks paragraphs that hold nothing but sources.
type tidy struct{ deeper int }

func (t tidy) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	source := reader.Source()
	var unsafe []*ast.AutoLink
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			n.Level = min(max(n.Level, 2)+t.deeper, 6)
		case *ast.Link:
			if !safeLink(n.Destination) {
				n.Destination = nil
			}
			n.SetAttributeString("rel", []byte("noopener"))
		case *ast.AutoLink:
			n.SetAttributeString("rel", []byte("noopener"))
			if !safeLink(n.URL(source)) {
				unsafe = append(unsafe, n) // a walk does not survive the loss of the node it stands on
			}
		case *ast.Image:
			if !safeLink(n.Destination) {
				n.Destination = nil
			}
			n.SetAttributeString("loading", []byte("lazy"))
		case *ast.Paragraph:
			if onlySources(n, source) {
				n.SetAttributeString("class", []byte("source"))
			}
		}
		return ast.WalkContinue, nil
	})
	for _, n := range unsafe {
		n.Parent().ReplaceChild(n.Parent(), n, ast.NewString(n.Label(source)))
	}
}

// safeLink allows the schemes that lead somewhere harmless, and places on the same site. The renderer resolves
// references when it writes an address, "A&colon;" among them, so they are resolved before it is judged.
func safeLink(dest []byte) bool {
	u, err := url.Parse(string(util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(dest)))))
	if err != nil {
		return false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https", "mailto":
		return true
	case "":
		return u.Host == "" // "//host" would leave by whatever scheme the page has
	}
	return false
}

func onlySources(p *ast.Paragraph, source []byte) bool {
	links := 0
	for c := p.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.AutoLink:
			links++
		case *ast.Text:
			if strings.TrimSpace(string(c.Segment.Value(source))) != "" {
				return false
			}
		default:
			return false
		}
	}
	return links > 0
}

// PlainText renders Markdown for the text part of a letter: links as 제목 ( 주소 ), lists with dashes, headings on lines of their own.
func PlainText(source string) string {
	src := []byte(splitAddresses(source))
	doc := webMarkdown.Parser().Parse(text.NewReader(src))
	w := plainWriter{source: src}
	w.blocks(doc, "")
	return strings.TrimSpace(w.b.String())
}

type plainWriter struct {
	b      strings.Builder
	source []byte
}

func (w *plainWriter) blocks(parent ast.Node, indent string) {
	item := 1
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Heading:
			w.b.WriteString("\n" + indent + "■ " + w.inline(n) + "\n\n")
		case *ast.List:
			item = max(n.Start, 1)
			for li := n.FirstChild(); li != nil; li = li.NextSibling() {
				mark := "- "
				if n.IsOrdered() {
					mark = fmt.Sprintf("%d. ", item)
					item++
				}
				w.b.WriteString(indent + mark + strings.TrimSpace(w.nested(li)) + "\n")
			}
			w.b.WriteString("\n")
		case *ast.Blockquote:
			for line := range strings.SplitSeq(strings.TrimSpace(w.nested(n)), "\n") {
				w.b.WriteString(indent + "> " + line + "\n")
			}
			w.b.WriteString("\n")
		case *extast.Table:
			for row := n.FirstChild(); row != nil; row = row.NextSibling() {
				var cells []string
				for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
					cells = append(cells, w.inline(cell))
				}
				w.b.WriteString(indent + strings.Join(cells, " | ") + "\n")
			}
			w.b.WriteString("\n")
		case *extast.FootnoteList:
			w.notes(n, indent)
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			w.b.WriteString(string(n.Lines().Value(w.source)) + "\n")
		case *ast.ThematicBreak:
			w.b.WriteString(indent + "----------\n\n")
		case *ast.TextBlock:
			w.b.WriteString(indent + w.inline(n) + "\n")
		default:
			if n.Type() == ast.TypeBlock && n.FirstChild() != nil && n.FirstChild().Type() == ast.TypeBlock {
				w.blocks(n, indent)
				continue
			}
			w.b.WriteString(indent + w.inline(n) + "\n\n")
		}
	}
}

func (w *plainWriter) notes(list *extast.FootnoteList, indent string) {
	for n := list.FirstChild(); n != nil; n = n.NextSibling() {
		if note, ok := n.(*extast.Footnote); ok {
			w.b.WriteString(fmt.Sprintf("%s[%d] %s\n", indent, note.Index, strings.TrimSpace(w.nested(note))))
		}
	}
	w.b.WriteString("\n")
}

func (w *plainWriter) nested(n ast.Node) string {
	inner := plainWriter{source: w.source}
	inner.blocks(n, "")
	return inner.b.String()
}

func (w *plainWriter) inline(parent ast.Node) string {
	var b strings.Builder
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Text:
			b.Write(util.UnescapePunctuations(n.Segment.Value(w.source)))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte('\n')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(util.URLEscape(n.URL(w.source), false))
		case *ast.Link:
			title, dest := w.inline(n), string(util.URLEscape(n.Destination, true)) // as the HTML has it: mail programs end a link at Hangul
			if title == dest || dest == "" {
				b.WriteString(title)
				continue
			}
			b.WriteString(title + " ( " + dest + " )")
		case *ast.Image:
			if alt := w.inline(n); alt != "" {
				b.WriteString("[그림: " + alt + "]")
			}
		case *ast.RawHTML, *extast.FootnoteBacklink:
		case *extast.FootnoteLink:
			fmt.Fprintf(&b, "[%d]", n.Index)
		case *extast.TaskCheckBox:
			if n.IsChecked {
				b.WriteString("☑ ")
			} else {
				b.WriteString("☐ ")
			}
		default:
			b.WriteString(w.inline(n))
		}
	}
	return b.String()
}

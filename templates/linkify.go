package templates

import (
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Where a bare address ends in Korean, which writes particles without a space: https://a.example/x를 is followed by 를, while the
// path of https://ko.example/wiki/한국 is Hangul itself. So Hangul belongs to an address where it begins a part of it (behind a
// slash, a hyphen, an equals sign …) or where more of the address follows; glued to a letter or a digit at the end it is the
// sentence's. A particle alone behind the last slash is the sentence's too.
const (
	hangul     = `[가-힣ㄱ-ㆎ]`
	addressDel = `[-@:%_+.~#$!?&/=\(\);,'">\^{}\[\]` + "`" + `]`
	addressEnd = `(?:[/#?]` + hangul + `*(?:` + addressDel + `+` + hangul + `*|[a-zA-Z0-9]+|` + hangul + `+[-_/=&]+(?:[a-zA-Z0-9]|` + hangul + `+))*)?`
	hostName   = `[-a-zA-Z0-9가-힣@:%._\+~#=]{1,256}\.(?:[a-z]+|한국)(?::\d+)?`
)

var (
	koreanURL = regexp.MustCompile(`^(?:http|https|ftp)://` + hostName + addressEnd)
	koreanWWW = regexp.MustCompile(`^www\.` + hostName + addressEnd)
)

// particles are what can stand behind an address that ends with a slash.
var particles = []string{
	"을", "를", "은", "는", "이", "가", "에", "의", "로", "와", "과", "도", "만", "에서", "에는", "에도", "으로", "부터", "까지", "처럼", "보다", "라는", "이라는", "입니다", "이에요", "예요", "이다", "란", "이란",
}

// koreanLinks is goldmark's Linkify with the rule above.
type koreanLinks struct{ parser.InlineParser }

func (k koreanLinks) Parse(parent ast.Node, block text.Reader, pc parser.Context) ast.Node {
	n := k.InlineParser.Parse(parent, block, pc)
	link, ok := n.(*ast.AutoLink)
	if !ok || link.AutoLinkType != ast.AutoLinkURL {
		return n
	}
	label := string(link.Label(block.Source()))
	keep := withoutParticle(label)
	if keep == label {
		return n
	}
	line, at := block.Position()
	end := at.Start - len(label) + len(keep)
	block.SetPosition(line, at.WithStart(end))
	cut := ast.NewAutoLink(ast.AutoLinkURL, ast.NewTextSegment(text.NewSegment(end-len(keep), end)))
	cut.Protocol = link.Protocol
	return cut
}

// withoutParticle takes a particle alone behind the last slash away.
func withoutParticle(address string) string {
	if n := strings.LastIndexByte(address, '/'); n > 0 && slices.Contains(particles, address[n+1:]) {
		return address[:n+1]
	}
	return address
}

// bareLinks makes links of bare addresses.
type bareLinks struct{}

func (bareLinks) Extend(m goldmark.Markdown) {
	links := extension.NewLinkifyParser(extension.WithLinkifyURLRegexp(koreanURL), extension.WithLinkifyWWWRegexp(koreanWWW))
	m.Parser().AddOptions(parser.WithInlineParsers(util.Prioritized(koreanLinks{links}, 999)))
}

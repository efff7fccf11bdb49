package templates

import (
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/util"
)

// KoreanOnly is CommonMark with nothing but the Korean rule of emphasis.
func KoreanOnly() goldmark.Markdown {
	return goldmark.New(goldmark.WithParserOptions(parser.WithInlineParsers(util.Prioritized(koreanEmphasis{}, 499))))
}

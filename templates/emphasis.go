package templates

import (
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// koreanEmphasis stands in front of the standard parser of * and _. CommonMark lets ** close only at the end of a word as Latin writing
// knows it, so **"화수분 야구"**라는 keeps its asterisks: a 조사 follows the quotation mark directly. Here a run may also close before a CJK letter
// when no space stands before it, and open behind one when no space follows.
type koreanEmphasis struct{}

func (koreanEmphasis) Trigger() []byte { return []byte{'*', '_'} }

func (koreanEmphasis) Parse(_ ast.Node, block text.Reader, pc parser.Context) ast.Node {
	return scan(block, pc, emphasisRun{})
}

// koreanStrike does the same for ~~.
type koreanStrike struct{}

func (koreanStrike) Trigger() []byte { return []byte{'~'} }

func (koreanStrike) Parse(_ ast.Node, block text.Reader, pc parser.Context) ast.Node {
	return scan(block, pc, strikeRun{})
}

func scan(block text.Reader, pc parser.Context, p parser.DelimiterProcessor) ast.Node {
	before := block.PrecendingCharacter()
	line, segment := block.PeekLine()
	run := parser.ScanDelimiter(line, before, 1, p)
	if run == nil {
		return nil
	}
	if run.Char == '~' && (run.OriginalLength > 2 || before == '~') {
		return nil
	}
	after := '\n'
	if rest := line[run.OriginalLength:]; len(rest) > 0 {
		after, _ = utf8.DecodeRune(rest)
	}
	if run.Char != '_' { // within words _ means nothing: snake_case stays
		run.CanClose = run.CanClose || (cjk(after) && !unicode.IsSpace(before))
		run.CanOpen = run.CanOpen || (cjk(before) && !unicode.IsSpace(after))
	}
	run.Segment = segment.WithStop(segment.Start + run.OriginalLength)
	block.Advance(run.OriginalLength)
	pc.PushDelimiter(run)
	return run
}

func cjk(r rune) bool {
	return unicode.In(r, unicode.Hangul, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

type emphasisRun struct{}

func (emphasisRun) IsDelimiter(b byte) bool { return b == '*' || b == '_' }
func (emphasisRun) CanOpenCloser(opener, closer *parser.Delimiter) bool {
	return opener.Char == closer.Char
}
func (emphasisRun) OnMatch(consumes int) ast.Node { return ast.NewEmphasis(consumes) }

type strikeRun struct{}

func (strikeRun) IsDelimiter(b byte) bool { return b == '~' }
func (strikeRun) CanOpenCloser(opener, closer *parser.Delimiter) bool {
	return opener.Char == closer.Char
}
func (strikeRun) OnMatch(int) ast.Node { return extast.NewStrikethrough() }

package newsletter

import (
	"errors"
	"io"
	"strings"
)

// csvReader reads the records of a CSV file by RFC 4180, strictly, and goes on behind a broken one: encoding/csv would
// take the rest of the file for one cell after a quote that somebody forgot. A quoted cell may cover several lines
// as long as the record keeps within 256 KB; when it does not close, or closes in the middle of other text, its
// first line is refused and reading begins anew at the second.
type csvReader struct {
	lines *lineReader
	comma byte
}

// record is one line of data, numbered by the physical line it begins in.
type record struct {
	line  int64
	cells []string
	raw   string // the first line, for showing where there are no cells
	fault string // why it cannot be used: Korean, "" when it can
}

// newCSVReader guesses the separator from the first line that has any.
func newCSVReader(r io.Reader) (*csvReader, error) {
	lines, err := newLineReader(r)
	if err != nil {
		return nil, err
	}
	c := &csvReader{lines: lines, comma: ','}
	first, err := lines.next()
	if errors.Is(err, io.EOF) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	// Excel writes and obeys "sep=;" as a first line.
	if sep, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(first.text)), "sep="); ok && len(sep) <= 1 {
		if sep == "" { // the tab was trimmed
			sep = "\t"
		}
		c.comma = sep[0]
		return c, nil
	}
	c.comma = separator(first.text)
	lines.giveBack([]line{first})
	return c, nil
}

// separator is the most frequent of comma, tab and semicolon outside of quotes.
func separator(text string) byte {
	counts := map[byte]int{}
	quoted := false
	for i := range len(text) {
		switch b := text[i]; {
		case b == '"':
			quoted = !quoted
		case !quoted && (b == ',' || b == '\t' || b == ';'):
			counts[b]++
		}
	}
	best := byte(',')
	for _, b := range []byte{'\t', ';'} {
		if counts[b] > counts[best] {
			best = b
		}
	}
	return best
}

// next returns the next record that is not blank, or io.EOF.
func (c *csvReader) next() (record, error) {
	for {
		first, err := c.lines.next()
		if err != nil {
			return record{}, err
		}
		if first.fault == "" && strings.TrimSpace(first.text) == "" {
			continue
		}
		return c.from(first)
	}
}

func (c *csvReader) from(first line) (record, error) {
	rec := record{line: first.number, raw: first.text, fault: first.fault}
	if first.fault != "" {
		return rec, nil
	}
	var state recordState
	if rec.cells, state = splitRecord(first.text, c.comma); state == recordOpen {
		return c.continued(rec, first)
	}
	if state == recordBroken {
		rec.fault = "따옴표가 맞지 않아요."
	}
	return rec.measured(), nil
}

// continued reads on after a line that left a quote open. Only a line with a quote can change anything, so the others
// cost no second look.
func (c *csvReader) continued(rec record, first line) (record, error) {
	var text strings.Builder
	text.WriteString(first.text)
	var more []line
	refuse := func(why string) (record, error) {
		c.lines.giveBack(more)
		rec.cells, rec.fault = nil, why
		return rec, nil
	}
	for {
		next, err := c.lines.next()
		if errors.Is(err, io.EOF) {
			return refuse("따옴표가 닫히지 않았어요.")
		}
		if err != nil {
			return rec, err
		}
		more = append(more, next)
		if next.fault != "" || text.Len()+len(next.text) > maxRecord || len(more) > maxLines {
			return refuse("따옴표가 닫히지 않았어요.")
		}
		text.WriteByte('\n')
		text.WriteString(next.text)
		if strings.IndexByte(next.text, '"') < 0 {
			continue
		}
		var state recordState
		switch rec.cells, state = splitRecord(text.String(), c.comma); state {
		case recordWhole:
			return rec.measured(), nil
		case recordBroken:
			return refuse("따옴표가 맞지 않아요.")
		}
	}
}

// maxLines is how many lines one record may cover.
const maxLines = 1000

// measured refuses a record with a cell beyond any use.
func (r record) measured() record {
	for _, cell := range r.cells {
		if len(cell) > maxCell {
			r.fault = "칸 하나가 너무 길어요(64KB까지)."
		}
	}
	return r
}

type recordState int

const (
	recordWhole  recordState = iota
	recordOpen               // a quote has not closed yet
	recordBroken             // no further line can mend it
)

// splitRecord cuts text into cells. A quote may stand only around a whole cell, doubled inside of it.
func splitRecord(text string, comma byte) ([]string, recordState) {
	cells := make([]string, 0, 16)
	for {
		if !strings.HasPrefix(text, `"`) {
			end := strings.IndexByte(text, comma)
			cell := text
			if end >= 0 {
				cell = text[:end]
			}
			if strings.IndexByte(cell, '"') >= 0 {
				return nil, recordBroken
			}
			cells = append(cells, cell)
			if end < 0 {
				return cells, recordWhole
			}
			text = text[end+1:]
			continue
		}
		cell, rest, ok := unquote(text[1:])
		if !ok {
			return nil, recordOpen
		}
		cells = append(cells, cell)
		switch {
		case rest == "":
			return cells, recordWhole
		case rest[0] != comma:
			return nil, recordBroken
		}
		text = rest[1:]
	}
}

// unquote reads up to the quote that closes.
func unquote(text string) (cell, rest string, ok bool) {
	end := strings.IndexByte(text, '"')
	if end < 0 {
		return "", "", false
	}
	if !strings.HasPrefix(text[end+1:], `"`) {
		return text[:end], text[end+1:], true
	}
	var b strings.Builder
	for {
		end := strings.IndexByte(text, '"')
		if end < 0 {
			return "", "", false
		}
		b.WriteString(text[:end])
		text = text[end+1:]
		if !strings.HasPrefix(text, `"`) {
			return b.String(), text, true
		}
		b.WriteByte('"')
		text = text[1:]
	}
}

package newsletter

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Search works on pairs of syllables. Most Korean words have two, and particles are glued to them, so an index of whole
// words misses 인재 in 인재를 and one of three letters finds no word of two. The store keeps the pairs of each text as a bag
// and answers with whatever holds all pairs of the query; here the words are looked for in the text itself, counted,
// ranked and marked, so that both engines give the same answer in the same order.

// SearchKind is what was found.
type SearchKind string

const (
	FoundArticle SearchKind = "article"
	FoundIssue   SearchKind = "issue"
	FoundLink    SearchKind = "link" // a line of a round-up
)

// SearchDoc is one thing that can be found.
type SearchDoc struct {
	ID       int64
	Kind     SearchKind
	Slug     string // of an article
	Number   int    // of an issue, or of the issue that carries the link
	Position int    // of a link in its round-up, from 1
	URL      string // of a link
	Source   string // of a link: where it leads, as the editor calls it
	At       time.Time
	Title    string
	Text     string // as it is shown, without Markdown
}

// SearchTx keeps what can be found.
type SearchTx interface {
	// PutSearch replaces everything findable of one article or issue (its kind and id); no docs remove it.
	PutSearch(ctx context.Context, kind SearchKind, ref int64, docs []SearchDoc) error
	// FindSearch gives docs whose text holds all terms: the newest of those that hold all of them in the title, and the
	// newest of all, at most limit of either, in no order. kind "" is every kind.
	FindSearch(ctx context.Context, terms []SearchTerm, kind SearchKind, limit int) ([]SearchDoc, error)
	// CountSearch counts the docs of articles and issues (links left out).
	CountSearch(ctx context.Context) (int64, error)
}

// SearchTerm is a word of the index; with Prefix also the beginning of one.
type SearchTerm struct {
	Text   string
	Prefix bool
}

// SearchFilter is what somebody looks for.
type SearchFilter struct {
	Query  string
	Kind   SearchKind // "" is everything
	Offset int
	Limit  int
}

// Found is a page of results.
type Found struct {
	Hits  []SearchHit
	Total int
	More  bool // there is a next page
}

// SearchHit is one result.
type SearchHit struct {
	SearchDoc
	TitleParts []TextPart
	Excerpt    []TextPart
}

// TextPart is a piece of a text, marked where it is one of the words looked for.
type TextPart struct {
	Text string
	Mark bool
}

const (
	searchCandidates = 100 // with the words in the title, and as many of all: what is older is not ranked any more
	maxTerm          = 64  // characters of a word in the index
	maxTerms         = 60_000
	excerptBefore    = 40
	excerptLength    = 150
)

// cjk are scripts written without a space between all words, or with endings glued on.
func cjk(r rune) bool {
	return unicode.In(r, unicode.Hangul, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }

// fold makes texts comparable, character by character: as many come out as go in. Whole articles pass through it for every
// search, and most of their bytes belong to scripts without capitals.
func fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c >= 'A' && c <= 'Z':
			b.WriteByte(c + 'a' - 'A')
			i++
		case c < utf8.RuneSelf:
			b.WriteByte(c)
			i++
		case i+2 < len(s) && (c >= 0xE3 && c <= 0xE9 || c == 0xEA && s[i+1] >= 0xB0 || c >= 0xEB && c <= 0xED): // Hangul, Han, Kana
			b.WriteString(s[i : i+3])
			i += 3
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b.WriteRune(unicode.ToLower(r))
			i += size
		}
	}
	return b.String()
}

// run is a stretch of letters of one kind.
type run struct {
	text string
	cjk  bool
}

// runsOf cuts a folded text into runs.
func runsOf(s string, each func(run)) {
	start, kind := -1, false
	for i, r := range s {
		in := wordRune(r)
		k := in && (cjk(r) || unicode.IsMark(r) && kind)
		if start >= 0 && (!in || k != kind) {
			each(run{s[start:i], kind})
			start = -1
		}
		if in && start < 0 {
			start, kind = i, k
		}
	}
	if start >= 0 {
		each(run{s[start:], kind})
	}
}

// SearchWords is the bag of a text: of each run of Hangul its overlapping pairs and its last syllable, of each other run the
// whole. It is sorted, and the same for the same text in NFC and NFD, capitals and small letters.
func SearchWords(text string) []string {
	bag := map[string]struct{}{}
	add := func(w string) {
		if len(bag) < maxTerms {
			bag[w] = struct{}{}
		}
	}
	runsOf(fold(norm.NFC.String(text)), func(r run) {
		if !r.cjk {
			add(cutTerm(r.text))
			return
		}
		pairs(r.text, add)
		_, size := utf8.DecodeLastRuneInString(r.text)
		add(r.text[len(r.text)-size:])
	})
	words := make([]string, 0, len(bag))
	for w := range bag {
		words = append(words, w)
	}
	slices.Sort(words)
	return words
}

func cutTerm(s string) string {
	if utf8.RuneCountInString(s) > maxTerm {
		return string([]rune(s)[:maxTerm])
	}
	return s
}

// pairs gives the overlapping pairs of a run: none of a single syllable.
func pairs(s string, each func(string)) {
	before := -1
	for i, r := range s {
		if before >= 0 {
			each(s[before : i+utf8.RuneLen(r)])
		}
		before = i
	}
}

// searchWord is a word of a query: its runs, which a text has to hold one behind the other.
type searchWord []run

// parseSearch cuts a query into words at its blanks. Words without a letter or digit say nothing.
func parseSearch(query string) (words []searchWord) {
	for field := range strings.FieldsSeq(fold(norm.NFC.String(query))) {
		var w searchWord
		runsOf(field, func(r run) { w = append(w, r) })
		if len(w) > 0 {
			words = append(words, w)
		}
	}
	return words
}

// terms are the words of the index that a text with this word must have.
func (w searchWord) terms() (terms []SearchTerm) {
	for i, r := range w {
		if !r.cjk {
			terms = append(terms, SearchTerm{Text: cutTerm(r.text)})
			continue
		}
		last := i == len(w)-1
		if utf8.RuneCountInString(r.text) > 1 {
			pairs(r.text, func(p string) { terms = append(terms, SearchTerm{Text: p}) })
			if last {
				continue
			}
		}
		_, size := utf8.DecodeLastRuneInString(r.text) // the run ends here, or one begins with it
		terms = append(terms, SearchTerm{Text: r.text[len(r.text)-size:], Prefix: last})
	}
	return terms
}

// span is a place in a text, in bytes.
type span struct{ from, to int }

// next finds the word in a folded text at or behind a place.
func (w searchWord) next(text string, from int) (span, bool) {
	for from <= len(text) {
		i := strings.Index(text[from:], w[0].text)
		if i < 0 {
			return span{}, false
		}
		at := from + i
		if end, ok := w.at(text, at); ok {
			return span{at, end}, true
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		from = at + size
	}
	return span{}, false
}

// at tells where the word ends that begins here. Hangul may stand in the middle of a run, other letters are a whole one.
func (w searchWord) at(text string, at int) (end int, ok bool) {
	for i, r := range w {
		if i > 0 {
			for n := 0; n < 3; n++ { // "GPT-4" is also written "GPT 4"
				c, size := utf8.DecodeRuneInString(text[at:])
				if size == 0 || wordRune(c) {
					break
				}
				at += size
			}
		}
		if !strings.HasPrefix(text[at:], r.text) {
			return 0, false
		}
		before, _ := utf8.DecodeLastRuneInString(text[:at])
		end = at + len(r.text)
		after, _ := utf8.DecodeRuneInString(text[end:])
		starts := !wordRune(before) || cjk(before) != r.cjk
		ends := !wordRune(after) || cjk(after) != r.cjk && !unicode.IsMark(after)
		switch {
		case !starts && (i > 0 || !r.cjk), !ends && (i < len(w)-1 || !r.cjk):
			return 0, false
		case r.cjk && i == 0 && len(w) == 1 && utf8.RuneCountInString(r.text) == 1 && !starts && !ends:
			return 0, false // a single syllable within a word is chance
		}
		at = end
	}
	return end, true
}

// spans are all places of the words in a folded text, in order and without overlaps; each counts how often every word is there.
func spans(words []searchWord, text string) (all []span, each []int) {
	each = make([]int, len(words))
	for i, w := range words {
		for s, ok := w.next(text, 0); ok; s, ok = w.next(text, s.to) {
			all = append(all, s)
			each[i]++
		}
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	flat := all[:0]
	for _, s := range all {
		if n := len(flat); n > 0 && s.from < flat[n-1].to {
			flat[n-1].to = max(flat[n-1].to, s.to)
			continue
		}
		flat = append(flat, s)
	}
	return flat, each
}

// scored is a doc with what its rank rests on.
type scored struct {
	doc     SearchDoc
	inTitle bool // all words
	count   int
}

// rank drops what does not hold all the words and orders the rest: words in the title, how often they occur, newest.
func rank(docs []SearchDoc, words []searchWord) []scored {
	var list []scored
	for _, d := range docs {
		s := scored{doc: d, inTitle: true}
		_, title := spans(words, fold(d.Title))
		_, text := spans(words, fold(d.Text))
		whole := true
		for i := range words {
			s.inTitle = s.inTitle && title[i] > 0
			s.count += title[i] + text[i]
			whole = whole && title[i]+text[i] > 0
		}
		if whole {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b scored) int {
		if a.inTitle != b.inTitle {
			if a.inTitle {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.count, a.count), b.doc.At.Compare(a.doc.At), cmp.Compare(a.doc.Kind, b.doc.Kind),
			cmp.Compare(b.doc.Number, a.doc.Number), cmp.Compare(a.doc.Position, b.doc.Position), cmp.Compare(a.doc.Slug, b.doc.Slug))
	})
	return list
}

// marked cuts a text into parts at the words.
func marked(words []searchWord, text string) (parts []TextPart) {
	folded := fold(text)
	found, _ := spans(words, folded)
	runes := []rune(text) // as many as in folded, where bytes may differ
	done, bytes := 0, 0
	put := func(upTo int, mark bool) {
		n := utf8.RuneCountInString(folded[bytes:upTo])
		if n > 0 {
			parts = append(parts, TextPart{string(runes[done : done+n]), mark})
		}
		done, bytes = done+n, upTo
	}
	for _, s := range found {
		put(s.from, false)
		put(s.to, true)
	}
	put(len(folded), false)
	return parts
}

// excerpt is a stretch of the text around the first of the words.
func excerpt(words []searchWord, text string) []TextPart {
	folded := fold(text)
	first := 0
	if found, _ := spans(words, folded); len(found) > 0 {
		first = utf8.RuneCountInString(folded[:found[0].from])
	}
	runes := []rune(text)
	from, head := 0, ""
	if first > excerptBefore {
		from, head = first-excerptBefore, "…"
		for n := from; n < first; n++ { // begin with a word
			if runes[n] == ' ' {
				from = n + 1
				break
			}
		}
	}
	to, tail := len(runes), ""
	if to > from+excerptLength {
		to, tail = from+excerptLength, "…"
	}
	return marked(words, head+string(runes[from:to])+tail)
}

var (
	mdName    = regexp.MustCompile(`\{이름(?:\|([^{}|]*))?\}|\$%name%\$`) // where a letter greets by name
	mdFence   = regexp.MustCompile("(?m)^[ \t]*(```|~~~).*$")
	mdImage   = regexp.MustCompile(`!\[([^\]]*)\]\([^)]*\)`)
	mdLink    = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	mdAddress = regexp.MustCompile(`<?https?://[^\s>)]+>?`)
	mdTag     = regexp.MustCompile(`</?[A-Za-z][^>]*>`)
	mdLead    = regexp.MustCompile(`(?m)^[ \t]*(#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+|\|?[ \t]*:?-{3,}[-:| \t]*$)`)
	mdMarks   = strings.NewReplacer("**", "", "__", "", "~~", "", "`", "", "|", " ")
)

// oneLine makes every stretch of blanks and line ends one blank.
func oneLine(parts ...string) string {
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

// plainWords is the text of Markdown as far as a search needs it: no addresses and no signs.
func plainWords(md string) string {
	s := mdName.ReplaceAllStringFunc(md, func(tag string) string {
		if m := mdName.FindStringSubmatch(tag); m[1] != "" {
			return m[1]
		}
		return "독자"
	})
	s = mdFence.ReplaceAllString(s, "")
	s = mdImage.ReplaceAllString(s, "$1")
	s = mdLink.ReplaceAllString(s, "$1")
	s = mdAddress.ReplaceAllString(s, "")
	s = mdTag.ReplaceAllString(s, "")
	s = mdLead.ReplaceAllString(s, "")
	return mdMarks.Replace(s)
}

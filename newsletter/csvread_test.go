package newsletter

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func readAll(t *testing.T, text string) []record {
	t.Helper()
	c, err := newCSVReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var all []record
	for {
		r, err := c.next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
}

// FuzzCSV holds the reader to encoding/csv where that accepts the text, and everywhere to what a report of lines relies on: numbers
// grow, lie within the file, and a record is either cells or a fault.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{
		"a,b\n1,2\n", "a;b\r\n\"1\r\n2\";3\r\n", "\"a\"\"b\",c\n", "\"open\n1,2\n", "a\tb\n\n\"\"\t\n", "a\x00b\n", "\xb1\xe8\xb9\xce,1\n",
		"\ufeff이메일\n", "sep=;\na;b\n", "\"x\"y\n", "x\"y\n", "\"\"\"\"\n", ",\n", "\"a\n\"\n\"b\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := readAll(t, text)
		last := int64(0)
		for _, r := range got {
			if r.line <= last || r.line > int64(strings.Count(text, "\n"))+1 {
				t.Fatalf("line %d comes after %d in a file of %d", r.line, last, strings.Count(text, "\n")+1)
			}
			last = r.line
			if (r.fault == "") == (len(r.cells) == 0) && !strings.Contains(r.fault, "64KB") {
				t.Fatalf("line %d has the fault %q and the cells %q", r.line, r.fault, r.cells)
			}
			for _, c := range r.cells {
				if strings.ContainsRune(c, 0) || !utf8.ValidString(c) {
					t.Fatalf("line %d holds %q", r.line, c)
				}
			}
		}
		compare(t, text, got)
	})
}

// compare reads the same with encoding/csv, if the text is one both should understand alike.
func compare(t *testing.T, text string, got []record) {
	if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\ufeff") || len(text) > 10_000 ||
		strings.HasPrefix(strings.ToLower(strings.TrimSpace(text)), "sep=") {
		return
	}
	for l := range strings.Lines(text) { // CRs that end no line, and blank lines, are read differently
		if bare := strings.TrimSuffix(strings.TrimSuffix(l, "\n"), "\r"); strings.Contains(bare, "\r") || strings.TrimSpace(bare) == "" {
			return
		}
	}
	if strings.HasSuffix(text, "\r") {
		return
	}
	std := csv.NewReader(strings.NewReader(text))
	std.FieldsPerRecord = -1
	first, _, _ := strings.Cut(text, "\n")
	std.Comma = rune(separator(strings.TrimSuffix(first, "\r")))
	want, err := std.ReadAll()
	if err != nil {
		return
	}
	if len(got) != len(want) {
		t.Fatalf("%d records, encoding/csv has %d", len(got), len(want))
	}
	for i, r := range got {
		if r.fault != "" || !slices.Equal(r.cells, want[i]) {
			t.Fatalf("record %d is %q (%s), encoding/csv has %q", i, r.cells, r.fault, want[i])
		}
	}
}

func TestSeparator(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]byte{
		"a": ',', "a,b": ',', "a;b;c,d": ';', "a\tb": '\t', `"a,b,c";d`: ';', "": ',',
	} {
		if got := separator(text); got != want {
			t.Errorf("separator of %q is %q", text, got)
		}
	}
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"2026-11-23": "2026-11-22T15:00:00Z", "2026/11/23 08:00": "2026-11-22T23:00:00Z", "2026.11.23 08:00:01": "2026-11-22T23:00:01Z",
		"2026. 11. 23.": "2026-11-22T15:00:00Z", "2026. 1. 3. 09:05": "2026-01-03T00:05:00Z", "20261123": "2026-11-22T15:00:00Z",
		"2026년 11월 23일": "2026-11-22T15:00:00Z", "2026-11-23T01:02:03.456Z": "2026-11-23T01:02:03Z", "2026-11-23T09:00:00+09:00": "2026-11-23T00:00:00Z",
		"2024-01-02 03:04:05.678901+00": "2024-01-02T03:04:05Z", "yesterday": "", "": "", "0001-01-01": "", "9999-12-31": "",
	} {
		got := ""
		if at := parseDate(cell, kst); !at.IsZero() {
			got = at.Format("2006-01-02T15:04:05Z")
		}
		if got != want {
			t.Errorf("%q is %q, want %q", cell, got, want)
		}
	}
}

package main

import (
	"encoding/json"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// print writes data to stdout: as JSON when asked for, else as text does.
func (c *cli) print(v any, text func()) error {
	if !c.json {
		text()
		return nil
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// columns prints a table that lines up with Hangul in it.
func columns(head []any, rows [][]any) {
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.AppendHeader(head)
	for _, r := range rows {
		t.AppendRow(r)
	}
	s := table.StyleLight
	s.Options = table.OptionsNoBordersAndSeparators
	t.SetStyle(s)
	t.Render()
}

func short(s string, n int) string {
	r := []rune(strings.ReplaceAll(s, "\n", " "))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}

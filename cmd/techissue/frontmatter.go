package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

// readFrontMatter reads a Markdown file that begins with YAML between two lines of ---. Unknown keys are errors that name their line.
func readFrontMatter(path string, into any) (body string, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", usage("%v", err)
	}
	text := strings.ReplaceAll(strings.TrimPrefix(string(raw), "\ufeff"), "\r\n", "\n")
	rest, ok := strings.CutPrefix(text, "---\n")
	if !ok {
		return text, nil
	}
	head, body, ok := strings.Cut(rest, "\n---\n")
	if !ok {
		if head, ok = strings.CutSuffix(strings.TrimRight(rest, "\n"), "\n---"); !ok {
			return "", fmt.Errorf("%s: the front matter does not end with a line ---", path)
		}
	}
	dec := yaml.NewDecoder(bytes.NewReader([]byte("\n" + head))) // the line of --- counts
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%s: front matter: %s", path, strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "in type main.", "in "))
	}
	return strings.TrimLeft(body, "\n"), nil
}

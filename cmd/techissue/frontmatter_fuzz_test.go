package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file is read whole or refused by name: no front matter makes the program fall, and the body below it is kept.
func FuzzFrontMatter(f *testing.F) {
	for _, s := range []string{
		"---\nsubject: 제목\n---\n글", "---\n---\n글", "---\nsubject: 제목", "글만", "---\nlinks: [{url: x}]\n---\n", "---\nsubject: !!binary x\n---\n", "---\n&a [*a]\n---\n",
		"---\nsubject: |\n  a\n---\n---\n글", "\ufeff---\r\nsubject: 제목\r\n---\r\n글\r\n", "---\nnumber: 1e9\n---\n", "---\n<<: {subject: x}\n---\n", "--- \nsubject: x\n---\n",
	} {
		f.Add(s)
	}
	dir := f.TempDir()
	path := filepath.Join(dir, "issue.md")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var got issueFile
		body, err := readFrontMatter(path, &got)
		if err != nil {
			if !strings.Contains(err.Error(), path) || body != "" {
				t.Fatalf("%q: %v, body %q", text, err, body)
			}
			return
		}
		if !strings.Contains(strings.ReplaceAll(text, "\r\n", "\n"), body) {
			t.Fatalf("%q has the body %q", text, body)
		}
	})
}

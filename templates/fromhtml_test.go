package templates_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"techissue/templates"
)

// What each program puts on the clipboard keeps its headings, bold, lists, quotes, links and pictures, and nothing else.
func TestFromHTML(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob("testdata/paste/*.html")
	if err != nil || len(sources) < 6 {
		t.Fatalf("%d fixtures, %v", len(sources), err)
	}
	for _, name := range sources {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(name, ".html") + ".md")
		if err != nil {
			t.Fatal(err)
		}
		pictures := 0
		got, err := templates.FromHTML(string(source), func(src, _ string) string {
			pictures++
			if strings.Contains(src, "blur") {
				t.Errorf("%s: the blurred picture was taken: %s", name, src)
			}
			return fmt.Sprintf("/media/%d", pictures)
		})
		if err != nil || got+"\n" != string(want) {
			t.Errorf("%s gives\n%s\nwant\n%s\n%v", name, got, want, err)
		}
	}
}

// Nothing that is pasted can harm: whatever comes of it goes through the same renderer as what is typed.
func FuzzFromHTML(f *testing.F) {
	for _, s := range linkCorpus {
		f.Add(s)
	}
	f.Add(`<p style="mso-list:l0 level3 lfo1">x<p style="mso-list:l0 level1 lfo1"><span style="mso-list:ignore">1.</span>y`)
	f.Add(`<b style="font-weight:normal"><b><a href="https://www.google.com/url?q=javascript:alert(1)">x</a></b><table><td><table>`)
	f.Fuzz(func(t *testing.T, source string) {
		md, err := templates.FromHTML(source, func(src, _ string) string { return src })
		if err != nil {
			return
		}
		web, err := templates.Markdown(md)
		if err != nil {
			t.Fatalf("%q became %q: %v", source, md, err)
		}
		harmless(t, source, string(web))
	})
}

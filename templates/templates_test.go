package templates_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"techissue/templates"
)

func newPages(t *testing.T) *templates.Pages {
	t.Helper()
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	p, err := templates.New(templates.Options{Location: seoul, Now: func() time.Time { return time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestARenderedPageIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	var buf bytes.Buffer
	if err := p.Render(&buf, "site/confirm", templates.Page{Body: 7}); err == nil || buf.Len() != 0 {
		t.Fatalf("a view of another shape: err %v, %d bytes written", err, buf.Len())
	}
	if err := p.Render(&buf, "site/nowhere", templates.Page{}); err == nil {
		t.Fatal("a page that is not there was rendered")
	}
	if err := p.Render(&buf, "site/notice", templates.Page{
		Site: templates.Site{Name: "<b>집"}, Body: struct{ Title, Text string }{"<script>", "글"}, LinkedData: map[string]string{"x": "</script><script>alert(1)"},
	}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<b>집", "<h1><script>", "</script><script>alert"} {
		if strings.Contains(buf.String(), bad) {
			t.Errorf("the page carries %q as markup", bad)
		}
	}
}

// S22: a strict CSP lets neither inline script nor inline style run, so none may be written.
func TestTemplatesHaveNoInlineScriptOrStyle(t *testing.T) {
	t.Parallel()
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script>|srcdoc=|\sdata-hx-on|hx-on`)
	for _, dir := range []string{"layout", "partial", "site", "admin"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.html"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range inline.FindAllString(string(text), -1) {
				t.Errorf("%s has %q", f, m)
			}
		}
	}
}

func TestEveryTemplateFileIsAPage(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	files, err := filepath.Glob("site/*.html")
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.ToSlash(f), ".html")
		err := p.Render(&bytes.Buffer{}, name, templates.Page{})
		if err != nil && strings.Contains(err.Error(), "no page") {
			t.Errorf("%s is not in the list of pages", f)
		}
	}
}

func TestAssetsAreServedByHashAndNothingElse(t *testing.T) {
	t.Parallel()
	a := newPages(t).Assets()
	for _, name := range []string{"site.css", "vendor/pretendard/pretendard.css"} {
		u, err := a.URL(name)
		if err != nil {
			t.Fatal(err)
		}
		hash, rest, _ := strings.Cut(strings.TrimPrefix(u, "/assets/"), "/")
		if rest != name {
			t.Fatalf("%s lives at %s", name, u)
		}
		if data, fresh, err := a.Open(hash, name); err != nil || !fresh || len(data) == 0 {
			t.Errorf("%s: fresh %v, %d bytes, %v", u, fresh, len(data), err)
		}
		if _, fresh, err := a.Open("0123", name); err != nil || fresh {
			t.Errorf("%s under another hash: fresh %v, %v", name, fresh, err)
		}
	}
	// The style sheet's relative addresses must lead to files of the same bundle.
	css, err := a.URL("vendor/pretendard/pretendard.css")
	if err != nil {
		t.Fatal(err)
	}
	font, err := a.URL("vendor/pretendard/woff2-dynamic-subset/Pretendard-Bold.subset.0.woff2")
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSuffix(css, "pretendard.css") != strings.TrimSuffix(font, "woff2-dynamic-subset/Pretendard-Bold.subset.0.woff2") {
		t.Errorf("style sheet at %s, font at %s", css, font)
	}
	for _, name := range []string{"", ".", "..", "../templates.go", "vendor", "vendor/../site.css", "/etc/passwd", "site.css/", "vendor\\pretendard", "site.css\x00"} {
		if _, _, err := a.Open("x", name); err == nil {
			t.Errorf("%q was opened", name)
		}
	}
	if _, err := a.URL("gone.css"); err == nil {
		t.Error("a missing file has an address")
	}
}

// What was taken from elsewhere is what the table says it is.
func TestVendoredFilesMatchTheirTable(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("static/vendor/VENDORED.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| ([a-z0-9@._-]+) \\| [0-9][^|]* \\| [^|]+ \\| [^|]+ \\| [^|]+ \\| `([0-9a-f]{64})` \\|$")
	listed := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(table), -1) {
		listed[m[1]] = m[2]
	}
	dirs, err := os.ReadDir("static/vendor")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		if got := sumOf(t, filepath.Join("static/vendor", d.Name())); got != listed[d.Name()] {
			t.Errorf("%s: sum %s, the table says %q", d.Name(), got, listed[d.Name()])
		}
		delete(listed, d.Name())
	}
	for name := range listed {
		t.Errorf("the table lists %s, which is not there", name)
	}
}

func sumOf(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.ToSlash(strings.TrimPrefix(p, dir+string(filepath.Separator))))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(names)
	var list bytes.Buffer
	for _, n := range names {
		data, err := os.ReadFile(filepath.Join(dir, n))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(data), n)
	}
	return fmt.Sprintf("%x", sha256.Sum256(list.Bytes()))
}

package main_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"techissue/mailer/smtptest"
)

// A real page of the archive becomes an article and an issue, and goes to 2,000 readers.
func TestStoryOfAnArchivePage(t *testing.T) {
	t.Parallel()
	page := os.Getenv("ARCHIVE_PAGE")
	if page == "" {
		t.Skip("ARCHIVE_PAGE names no page of the archive")
	}
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const n = 2000
	h := newHouse(t, smtptest.Config{LogLimit: -1})
	title, article, links := archive(string(raw))
	if len(links) < 12 {
		t.Fatalf("found %d links", len(links))
	}
	h.run(0, "article", "import", h.write("article.md", fmt.Sprintf("---\ntitle: %q\nslug: ai\n---\n%s", title, article)), "--publish")
	var list strings.Builder
	for i, l := range links {
		fmt.Fprintf(&list, "  - {url: %q, title: \"소식 %d\"}\n", l, i+1)
	}
	h.run(0, "issue", "create", h.write("issue.md", fmt.Sprintf("---\nsubject: %q\narticles: [ai]\nlinks:\n%s---\n{이름|독자}님, 안녕하세요.\n", title, &list)))
	h.run(0, "subscribers", "import", h.write("readers.csv", readers(n)), "--consent-source", "test")
	start := time.Now()
	h.run(0, "issue", "send", "1", "--wait")
	took := time.Since(start)
	seen := map[string]bool{}
	for _, m := range h.smtp.Accepted() {
		if seen[m.Rcpt()] {
			t.Errorf("%s got two", m.Rcpt())
		}
		seen[m.Rcpt()] = true
		text, html := m.Text(), m.HTML()
		for _, l := range links {
			if !strings.Contains(text, l) || !strings.Contains(html, strings.ReplaceAll(l, "&", "&amp;")) {
				t.Fatalf("%s lacks %s", m.Rcpt(), l)
			}
		}
		opt := strings.Trim(m.Header().Get("List-Unsubscribe"), "<>")
		if m.Subject() != title || strings.Count(text, opt) < 2 || strings.Count(html, opt) < 2 || len(html) > 100<<10 || strings.Contains(html, "**") {
			t.Fatalf("letter of %s: subject %q, %d bytes", m.Rcpt(), m.Subject(), len(html))
		}
	}
	t.Logf("%d letters in %s: %.0f/s", len(seen), took.Round(time.Millisecond), float64(n)/took.Seconds())
	if len(seen) != n {
		t.Errorf("%d of %d readers got one", len(seen), n)
	}
	if faults := h.smtp.Faults(); len(faults) > 0 {
		t.Errorf("breaches of SMTP: %v", faults)
	}
}

// archive takes a page as plain text apart: title, body with its section titles as headings, and every source.
func archive(raw string) (title, body string, links []string) {
	lines := strings.Split(strings.ReplaceAll(raw, "\r\n", "\n"), "\n")
	title = strings.TrimSpace(lines[0])
	var b strings.Builder
	for _, line := range lines[4:] {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "이재훈님의") {
			break
		}
		if strings.Contains(line, " : ") && len([]rune(line)) < 40 {
			line = "## " + line
		}
		b.WriteString(line + "\n\n")
		for i, part := range strings.Split(line, "http") {
			if i > 0 && strings.Contains(part, "://") {
				links = append(links, "http"+part)
			}
		}
	}
	return title, b.String(), links
}

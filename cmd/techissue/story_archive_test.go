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
	server := h.serve()
	start := time.Now()
	h.run(0, "issue", "send", "1")
	peak := memory(t, server.Process.Pid)
	h.until("every letter is accepted", func() bool { peak = peak.max(memory(t, server.Process.Pid)); return len(h.smtp.Accepted()) >= n })
	took := time.Since(start)
	h.until("the issue is done", func() bool { return h.counts(1)["state"] == "done" })
	peak = peak.max(memory(t, server.Process.Pid))
	seen, own := map[string]bool{}, map[string]bool{}
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
		header := m.Header()
		opt := strings.Trim(header.Get("List-Unsubscribe"), "<>")
		if m.Subject() != title || strings.Count(text, opt) < 2 || strings.Count(html, opt) < 2 || len(html) > 100<<10 || strings.Contains(html, "**") {
			t.Fatalf("letter of %s: subject %q, %d bytes", m.Rcpt(), m.Subject(), len(html))
		}
		if header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" || header.Get("Precedence") != "bulk" || header.Get("Feedback-Id") == "" {
			t.Fatalf("headers of %s: %v", m.Rcpt(), header)
		}
		for what, value := range map[string]string{"unsubscribe link": opt, "Message-ID": m.MessageID} {
			if own[value] || value == "" {
				t.Fatalf("%s of %s is not its own: %q", what, m.Rcpt(), value)
			}
			own[value] = true
		}
		name := "독자" + strings.TrimPrefix(strings.Split(m.Rcpt(), "@")[0], "reader")
		if !strings.Contains(text, name+"님") || !strings.Contains(html, name+"님") || strings.Contains(text+html, "{이름") {
			t.Fatalf("the greeting of %s", m.Rcpt())
		}
		parts, err := m.Parts()
		if err != nil || len(parts) != 2 || parts[0].Type != "text/plain" || parts[1].Type != "text/html" {
			t.Fatalf("parts of %s: %v", m.Rcpt(), err)
		}
	}
	t.Logf("%d letters in %s: %.0f/s; peak %d MB anonymous, %d MB RSS", len(seen), took.Round(time.Millisecond), float64(n)/took.Seconds(), peak.anon>>10, peak.rss>>10)
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

// rss is a process's memory in KiB: its high-water mark, and the part of the present that is its own.
type rss struct{ rss, anon int }

func (m rss) max(n rss) rss { return rss{max(m.rss, n.rss), max(m.anon, n.anon)} }

func memory(t *testing.T, pid int) (m rss) {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Log(err) // no /proc here: the figures stay 0
		return m
	}
	for line := range strings.Lines(string(raw)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &m.rss); err == nil {
			continue
		}
		_, _ = fmt.Sscanf(line, "RssAnon: %d kB", &m.anon)
	}
	return m
}

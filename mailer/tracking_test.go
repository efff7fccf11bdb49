package mailer_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"techissue/newsletter"
)

func TestOnlyTheEditorsLinksAreCounted(t *testing.T) {
	t.Parallel()
	l := letters(t, nil)
	e := richEdition()
	e.Snapshot.Tracking = true
	urls, err := l.Links(e.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"https://news.example/1?a=1&b=2", "https://sponsor.example/event?from=letter", "https://c.example/x", "https://b.example/2"} {
		if !slices.Contains(urls, want) {
			t.Errorf("%s is not counted: %v", want, urls)
		}
	}
	for n, u := range urls {
		e.Snapshot.TrackedLinks = append(e.Snapshot.TrackedLinks, newsletter.TrackedLink{ID: int64(100 + n), URL: u})
		if strings.Contains(u, "/letter") && strings.Contains(u, "/issues/") || strings.Contains(u, "/share") || strings.Contains(u, "/privacy") || strings.Contains(u, "/u/") || strings.HasPrefix(u, "mailto:") {
			t.Errorf("%s is counted", u)
		}
	}
	_, counted, text := letterOf(t, e, claimed)
	token := regexp.MustCompile(`href="https://letter\.example\.kr/l/([^".]+)\.([0-9a-z]+)"`)
	found := token.FindAllStringSubmatch(counted, -1)
	if len(found) < len(urls) {
		t.Errorf("%d counted links of %d addresses", len(found), len(urls))
	}
	for _, f := range found {
		if id, err := l.Keys().Verify(newsletter.PurposeClick, f[1], prepared); err != nil || id != claimed.ID {
			t.Errorf("a link is of letter %d, %v", id, err)
		}
	}
	open := regexp.MustCompile(`<img src="https://letter\.example\.kr/o/([^"]+)\.gif" width="1" height="1" alt=""`).FindStringSubmatch(counted)
	if open == nil {
		t.Fatal("no counting picture")
	}
	if id, err := l.Keys().Verify(newsletter.PurposeOpen, open[1], prepared); err != nil || id != claimed.ID {
		t.Errorf("the picture is of letter %d, %v", id, err)
	}
	for _, u := range urls {
		if !strings.Contains(text, u) {
			t.Errorf("the text part lacks the plain %s", u)
		}
		if strings.Contains(counted, fmt.Sprintf("href=%q", strings.ReplaceAll(u, "&", "&amp;"))) {
			t.Errorf("%s leads past the counter", u)
		}
	}
	if strings.Contains(text, "/l/") || strings.Contains(text, "/o/") {
		t.Error("the text part is counted")
	}
	for _, plain := range []string{"/u/", "/me/", "/f/", "/privacy", "/issues/12/letter", "/issues/12/share"} {
		if !strings.Contains(counted, `href="https://letter.example.kr`+plain) {
			t.Errorf("%s does not stand as it is", plain)
		}
	}
	refused := claimed
	refused.NoTracking = true
	_, quiet, _ := letterOf(t, e, refused)
	untracked := richEdition()
	_, plain, _ := letterOf(t, untracked, claimed)
	if quiet != plain {
		t.Error("a reader who refused gets another letter than one of an untracked issue")
	}
	shown, _, err := l.RenderIssue(e.Snapshot, "")
	if err != nil || strings.Contains(shown, "/l/") || strings.Contains(shown, "/o/") {
		t.Errorf("the web view is counted, %v", err)
	}
}

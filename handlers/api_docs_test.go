package handlers_test

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"techissue/newsletter"
)

var shell = regexp.MustCompile("(?s)```sh\n(.*?)```")

// The examples of docs/api.md run in order, as a reader would paste them.
func TestTheExamplesOfTheDocumentation(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := shell.FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 6 {
		t.Fatalf("only %d examples", len(blocks))
	}
	h := newHouse(t)
	p := h.program(t, newsletter.ScopeAll)
	for _, b := range blocks {
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", b[1])
		cmd.Env = append(os.Environ(), "BASE="+p.base, "KEY="+p.key, "TMP="+t.TempDir(), "no_proxy=*")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s\nsaid %s", err, b[1], out)
		}
	}
	if list, _, err := h.svc.Subscribers(t.Context(), newsletter.SubscriberFilter{Limit: 10}); err != nil || len(list) != 2 {
		t.Errorf("the examples left %d readers: %v", len(list), err)
	}
}

// The page works offline and under the strict CSP: whatever it loads is ours, and nothing stands inline.
func TestThePageOfTheAPI(t *testing.T) {
	t.Parallel()
	b := newHouse(t).browser()
	page := b.get("/docs/api").must(t, http.StatusOK, "swagger-ui").mustNot(t, "http://", "https://", "<style", "onclick", "style=")
	for _, m := range regexp.MustCompile(`<script([^>]*)>([^<]*)</script>`).FindAllStringSubmatch(page.text, -1) {
		if !strings.Contains(m[1], "src=") || m[2] != "" {
			t.Errorf("an inline script: %s", m[0])
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.text, -1) {
		a := b.get(m[1]).must(t, http.StatusOK)
		if len(a.text) < 50 {
			t.Errorf("%s is empty", m[1])
		}
	}
	b.get("/docs/api/swagger-ui.js").must(t, http.StatusNotFound)
	if got := b.get("/docs/api/init.js").must(t, http.StatusOK, `url: "/openapi.json"`).Header.Get("Content-Type"); !strings.HasPrefix(got, "text/javascript") {
		t.Errorf("the script is %s", got)
	}
}

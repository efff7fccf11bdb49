package main_test

import (
	"fmt"
	"strings"
	"testing"

	"techissue/mailer/smtptest"
)

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.run(2, "issue", "send", "first")
	h.run(2, "nonsense")
	h.run(2, "subscribers", "import", h.write("a.csv", "email\na@example.com\n"))
	if out := h.run(1, "issue", "create", h.write("x.md", "---\nsubject: 제목\nsubjct: x\n---\n글\n")); !strings.Contains(out, "line 3") || !strings.Contains(out, "subjct") {
		t.Errorf("unknown front matter: %s", out)
	}
	if out := h.run(1, "issue", "create", h.write("y.md", "---\nlinks: []\n---\n글\n")); !strings.Contains(out, "제목") {
		t.Errorf("no subject: %s", out)
	}
	h.run(0, "issue", "create", h.write("z.md", fmt.Sprintf(issueText, "첫 호")))
	if out := h.run(1, "issue", "send", "1"); !strings.Contains(out, "받을 사람이 없어요") {
		t.Errorf("an empty audience: %s", out)
	}
	h.env = append(h.env, "TECHISSUE_UNCERTAIN=maybe", "TECHISSUE_BASE_URL=nowhere")
	if out := h.run(3, "issue", "list"); !strings.Contains(out, "TECHISSUE_UNCERTAIN") || !strings.Contains(out, "TECHISSUE_BASE_URL") {
		t.Errorf("settings: %s", out)
	}
}

package handlers_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"techissue/newsletter"
)

func TestACallIsDoneOncePerIdempotencyKey(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *house) {
		p := h.program(t, newsletter.ScopeAll)
		body := `{"subject":"한 번만"}`
		first := p.do("POST", "/issues", body, "Idempotency-Key", "once").must(201)
		again := p.do("POST", "/issues", body, "Idempotency-Key", "once").must(201)
		if again.text != first.text || again.header.Get("Location") != first.header.Get("Location") || again.header.Get("ETag") != first.header.Get("ETag") {
			t.Errorf("another answer: %s %s", again.header, again.text)
		}
		if first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("replayed: %q, %q", first.header.Get("Idempotency-Replayed"), again.header.Get("Idempotency-Replayed"))
		}
		p.do("POST", "/issues", `{"subject":"다른 것"}`, "Idempotency-Key", "once").refused(422, "idempotency_key_reused", "Idempotency-Key")
		p.do("POST", "/articles", body, "Idempotency-Key", "once").refused(422, "idempotency_key_reused")

		refused := p.do("POST", "/issues", `{"kind":"info"}`, "Idempotency-Key", "bad").must(422)
		if a := p.do("POST", "/issues", `{"kind":"info"}`, "Idempotency-Key", "bad").must(422); a.text != refused.text || a.header.Get("Idempotency-Replayed") != "true" ||
			a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("a refusal was not remembered: %v %s", a.header, a.text)
		}

		other := program{t, p.base, h.key(t, time.Time{}, newsletter.ScopeAll)}
		other.do("POST", "/issues", `{"subject":"다른 키의 것"}`, "Idempotency-Key", "once").must(201)
		if n := len(issues(t, h)); n != 2 {
			t.Errorf("%d issues", n)
		}
		h.clock.add(25 * time.Hour)
		if a := p.do("POST", "/issues", `{"subject":"하루 뒤"}`, "Idempotency-Key", "once").must(201); a.header.Get("Idempotency-Replayed") != "" {
			t.Error("a key was remembered for more than a day")
		}
	})
}

func issues(t *testing.T, h *house) []newsletter.Issue {
	t.Helper()
	list, _, err := h.svc.Issues(t.Context(), newsletter.IssueFilter{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestTwinsAtOnceRunOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *house) {
		p := h.program(t, newsletter.ScopeAll)
		const rounds, twins = 5, 8
		for round := range rounds {
			answers := make([]said, twins)
			var wg sync.WaitGroup
			for i := range twins {
				wg.Go(func() {
					answers[i] = p.do("POST", "/issues", `{"subject":"쌍둥이"}`, "Idempotency-Key", fmt.Sprintf("twin%d", round))
				})
			}
			wg.Wait()
			made := map[string]bool{}
			fresh := 0
			for _, a := range answers {
				switch a.status {
				case http.StatusCreated:
					made[a.header.Get("Location")] = true
					if a.header.Get("Idempotency-Replayed") == "" {
						fresh++
					}
				case http.StatusConflict:
					a.refused(409, "idempotency_key_in_use")
				default:
					t.Errorf("%d: %s", a.status, a.text)
				}
			}
			if len(made) != 1 || fresh != 1 {
				t.Errorf("round %d: %d made, %d not replayed", round, len(made), fresh)
			}
		}
		if n := len(issues(t, h)); n != rounds {
			t.Errorf("%d issues, want %d", n, rounds)
		}
	})
}

// What a process leaves that died in the middle of a call.
func TestACallThatDied(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		reserved, answered, err := h.svc.BeginReplay(ctx, "1 dead", "body")
		if err != nil || answered {
			t.Fatal(reserved, answered, err)
		}
		if _, _, err := h.svc.BeginReplay(ctx, "1 dead", "body"); newsletter.KindOf(err) != newsletter.Conflict {
			t.Errorf("a working key was given away: %v", err)
		}
		h.clock.add(3 * time.Minute)
		if _, answered, err := h.svc.BeginReplay(ctx, "1 dead", "body"); err != nil || answered {
			t.Errorf("a call that changed nothing cannot be made again: %v", err)
		}
		// This one commits, and dies before its answer is kept.
		if _, err := h.svc.CreateIssue(newsletter.WithReplay(ctx, "1 dead"), "test", newsletter.Issue{Content: newsletter.Content{Subject: "제목"}}); err != nil {
			t.Fatal(err)
		}
		h.clock.add(3 * time.Minute)
		if _, _, err := h.svc.BeginReplay(ctx, "1 dead", "body"); newsletter.KindOf(err) != newsletter.Conflict {
			t.Errorf("what was done can be done again: %v", err)
		}
		if err := h.svc.CancelReplay(ctx, reserved); err != nil {
			t.Error(err)
		}
		if _, _, err := h.svc.BeginReplay(ctx, "1 dead", "body"); newsletter.KindOf(err) != newsletter.Conflict {
			t.Errorf("the end of an old call gave the key of a newer one back: %v", err)
		}
	})
}

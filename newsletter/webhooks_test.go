package newsletter_test

import (
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

const hookURL = "https://hooks.example.com/techissue"

func (k *desk) hook(types ...string) newsletter.Webhook {
	k.t.Helper()
	w, err := k.CreateWebhook(k.t.Context(), "admin:1", hookURL, types)
	k.must(err)
	return w
}

// due passes on what waits and claims what is due.
func (k *desk) due() []newsletter.HookCall {
	k.t.Helper()
	_, err := k.SpreadEvents(k.t.Context())
	k.must(err)
	calls, err := k.ClaimWebhookMessages(k.t.Context(), 10)
	k.must(err)
	return calls
}

func (k *desk) answerHook(c newsletter.HookCall, a newsletter.HookAnswer) {
	k.t.Helper()
	k.must(k.SettleWebhookMessage(k.t.Context(), c.Message, a))
}

func TestEventsGoToWhoeverWantsThem(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		k.addActive("before@example.com") // nobody had asked yet
		_, err := k.SpreadEvents(t.Context())
		k.must(err)
		all, leavers := k.hook(), k.hook("subscriber.unsubscribed")
		one := k.addActive("one@example.com")
		_, err = k.UnsubscribeReader(t.Context(), "admin:1", one.ID)
		k.must(err)
		got := map[newsletter.WebhookID][]string{}
		for _, c := range k.due() {
			got[c.Message.Webhook] = append(got[c.Message.Webhook], c.Message.Type)
			if strings.Contains(c.Message.Payload, "example.com") || !strings.Contains(c.Message.Payload, `"data":{"id":`) {
				t.Errorf("payload: %s", c.Message.Payload)
			}
			k.answerHook(c, newsletter.HookAnswer{Code: 204})
		}
		if s := strings.Join(got[all.ID], " "); s != "subscriber.confirmed subscriber.unsubscribed" {
			t.Errorf("to the one that wants all: %s", s)
		}
		if s := strings.Join(got[leavers.ID], " "); s != "subscriber.unsubscribed" {
			t.Errorf("to the one that wants leavers: %s", s)
		}
		if again := k.due(); len(again) != 0 {
			t.Errorf("%d messages are due although all were taken", len(again))
		}
		history, _, err := k.WebhookMessages(t.Context(), leavers.ID, 0, 10)
		k.must(err)
		if len(history) != 1 || history[0].State != newsletter.MessageSent || history[0].Attempts != 1 || history[0].Code != 204 {
			t.Errorf("history: %+v", history)
		}
	})
}

func TestADeadReceiverIsTriedForThreeDays(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		w := k.hook()
		k.addActive("one@example.com")
		k.addActive("two@example.com")
		begun, last, attempts := k.clock.Now(), time.Time{}, 0
		first := k.due()
		if len(first) != 2 {
			t.Fatalf("%d are due", len(first))
		}
		for _, c := range first {
			k.answerHook(c, newsletter.HookAnswer{Code: 503})
		}
		for k.clock.Now().Sub(begun) < 10*24*time.Hour {
			k.clock.add(time.Second)
			calls := k.due()
			if len(calls) == 0 {
				k.clock.add(10 * time.Minute)
				continue
			}
			if attempts == 0 && len(calls) != 1 {
				t.Errorf("%d of a failing receiver's messages are tried at once", len(calls))
			}
			attempts++
			last = k.clock.Now()
			for _, c := range calls {
				k.answerHook(c, newsletter.HookAnswer{Err: "connection refused"})
			}
		}
		if took := last.Sub(begun); took < 3*24*time.Hour || took > 8*24*time.Hour {
			t.Errorf("given up after %v", took)
		}
		history, _, err := k.WebhookMessages(t.Context(), w.ID, 0, 10)
		k.must(err)
		for _, m := range history {
			if m.State != newsletter.MessageFailed || m.Attempts != 10 || m.Error != "connection refused" {
				t.Errorf("message %d: %s after %d attempts: %s", m.ID, m.State, m.Attempts, m.Error)
			}
		}
		if a := k.alerts(); len(a) != 1 || a[0].Kind != "webhook_1" {
			t.Errorf("alerts: %+v", a)
		}
		m, err := k.ResendWebhookMessage(t.Context(), "admin:1", w.ID, history[0].ID)
		k.must(err)
		calls := k.due()
		if len(calls) != 1 || calls[0].Message.MessageID() != m.MessageID() {
			t.Fatalf("a resent message: %+v", calls)
		}
		k.answerHook(calls[0], newsletter.HookAnswer{Code: 200})
	})
}

func TestGoneTurnsAWebhookOff(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		w := k.hook()
		k.addActive("one@example.com")
		k.addActive("two@example.com")
		calls := k.due()
		k.answerHook(calls[0], newsletter.HookAnswer{Code: 410})
		off, err := k.Webhook(t.Context(), w.ID)
		k.must(err)
		if off.State != newsletter.WebhookDisabled || off.Reason == "" {
			t.Errorf("after 410: %+v", off)
		}
		if err := k.SettleWebhookMessage(t.Context(), calls[1].Message, newsletter.HookAnswer{Code: 200}); err == nil {
			t.Error("an answer counts although its message was given up")
		}
		k.addActive("three@example.com")
		k.clock.add(time.Hour)
		if calls := k.due(); len(calls) != 0 {
			t.Errorf("%d messages go to a webhook that is off", len(calls))
		}
		_, err = k.ResendWebhookMessage(t.Context(), "admin:1", w.ID, calls[0].Message.ID)
		wantError(t, err, newsletter.Conflict, "webhook_disabled")
		_, err = k.UpdateWebhook(t.Context(), "admin:1", w.ID, func(w *newsletter.Webhook) { w.State = newsletter.WebhookActive })
		k.must(err)
		k.addActive("four@example.com")
		if calls := k.due(); len(calls) != 1 {
			t.Errorf("turned on again it gets %d messages", len(calls))
		}
	})
}

func TestWhoDiesInAnAttemptLosesNothing(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		k.hook()
		k.addActive("one@example.com")
		dead := k.due()
		if again := k.due(); len(again) != 0 {
			t.Fatal("one message is in two hands")
		}
		k.clock.add(3 * time.Minute)
		again := k.due()
		if len(again) != 1 || again[0].Message.MessageID() != dead[0].Message.MessageID() {
			t.Fatalf("after the lease: %+v", again)
		}
		if err := k.SettleWebhookMessage(t.Context(), dead[0].Message, newsletter.HookAnswer{Code: 200}); err == nil {
			t.Error("the dead one's answer counts")
		}
		k.answerHook(again[0], newsletter.HookAnswer{Code: 200})
	})
}

func TestTwoSecretsSignForADay(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		w := k.hook()
		fresh, err := k.RotateWebhook(t.Context(), "admin:1", w.ID)
		k.must(err)
		k.addActive("one@example.com")
		if c := k.due(); len(c) != 1 || len(c[0].Secrets) != 2 || c[0].Secrets[0] != fresh.Secret || c[0].Secrets[1] != w.Secret {
			t.Fatalf("secrets: %+v", c)
		}
		k.clock.add(25 * time.Hour)
		if c := k.due(); len(c) != 1 || len(c[0].Secrets) != 1 || c[0].Secrets[0] != fresh.Secret {
			t.Errorf("a day later: %+v", c)
		}
	})
}

func TestWebhookFaults(t *testing.T) {
	k := newDesk(t)
	for address, field := range map[string]string{
		"http://a.example/": "url", "": "url", "https://": "url", "https://user:pass@a.example/": "url", "ftp://a.example/": "url",
		"https://a.example/" + strings.Repeat("x", 2000): "url",
	} {
		_, err := k.CreateWebhook(t.Context(), "admin:1", address, nil)
		if f := newsletter.FaultsOf(err); len(f) != 1 || f[0].Field != field {
			t.Errorf("%.40q: %v", address, err)
		}
	}
	_, err := k.CreateWebhook(t.Context(), "admin:1", hookURL, []string{"issue.done", "reader.sneezed"})
	if f := newsletter.FaultsOf(err); len(f) != 1 || f[0].Field != "types" || !strings.Contains(f[0].Msg, "reader.sneezed") {
		t.Errorf("an unknown type: %v", err)
	}
	for range 20 {
		k.hook()
	}
	_, err = k.CreateWebhook(t.Context(), "admin:1", hookURL, nil)
	wantError(t, err, newsletter.Conflict, "too_many_webhooks")
	wantError(t, k.DeleteWebhook(t.Context(), "admin:1", 999), newsletter.NotFound, "")
}

func TestOldEventsAreForgotten(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		w := k.hook()
		k.addActive("one@example.com")
		k.answerHook(k.due()[0], newsletter.HookAnswer{Code: 200})
		k.clock.add(29 * 24 * time.Hour)
		k.must(k.DropOldEvents(t.Context()))
		if h, _, err := k.WebhookMessages(t.Context(), w.ID, 0, 10); err != nil || len(h) != 1 {
			t.Errorf("after 29 days: %d, %v", len(h), err)
		}
		k.clock.add(2 * 24 * time.Hour)
		k.must(k.DropOldEvents(t.Context()))
		if h, _, err := k.WebhookMessages(t.Context(), w.ID, 0, 10); err != nil || len(h) != 0 {
			t.Errorf("after 31 days: %d, %v", len(h), err)
		}
	})
}

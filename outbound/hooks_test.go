package outbound_test

import (
	"context"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
	"techissue/outbound"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// receiver is a program that is told what happens.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(w http.ResponseWriter, n int)
	calls  []call
}

type call struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T, answer func(w http.ResponseWriter, n int)) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.calls = append(r.calls, call{q.Header, body})
		n := len(r.calls)
		r.mu.Unlock()
		r.answer(w, n)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]call(nil), r.calls...)
}

// house is a service with a webhook to a receiver, and what sends.
func house(t *testing.T, r *receiver) (*newsletter.Service, newsletter.Webhook, *outbound.Hooks) {
	t.Helper()
	keys, err := newsletter.NewKeyring([]string{"a secret of these tests only"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	svc, err := newsletter.NewService(t.Context(), newsletter.Options{
		Store: db.Store{DB: dbtest.New(t)}, Keys: func() newsletter.Keyring { return keys }, Now: time.Now,
		House: newsletter.House{SiteName: "테크잇슈", BaseURL: "http://localhost:8080", From: "letter@example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	w, err := svc.CreateWebhook(t.Context(), "test", r.URL+"/hook", nil)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	client := outbound.New(outbound.Options{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AnyPort: true, Roots: roots, Agent: "techissue"})
	return svc, w, &outbound.Hooks{Client: client, Store: svc, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

func join(t *testing.T, svc *newsletter.Service, email string) {
	t.Helper()
	_, err := svc.AddSubscriber(t.Context(), "test", newsletter.NewSubscriber{Email: email, Status: newsletter.Active, ConsentSource: "a form", Via: "admin"})
	if err != nil {
		t.Fatal(err)
	}
}

func round(t *testing.T, h *outbound.Hooks) {
	t.Helper()
	if _, err := h.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAReceiverCanVerifyWhatItIsTold(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusNoContent) })
	svc, w, h := house(t, r)
	fresh, err := svc.RotateWebhook(t.Context(), "test", w.ID)
	if err != nil {
		t.Fatal(err)
	}
	join(t, svc, "one@example.com")
	round(t, h)
	got := r.got()
	if len(got) != 1 {
		t.Fatalf("%d calls", len(got))
	}
	for name, secret := range map[string]string{"the new secret": fresh.Secret, "the old secret": w.Secret} {
		v, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Verify(got[0].body, got[0].header); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := v.Verify(append(got[0].body, ' '), got[0].header); err == nil {
			t.Errorf("%s: a changed body verifies", name)
		}
	}
	if !strings.Contains(string(got[0].body), `"type":"subscriber.confirmed"`) || strings.Contains(string(got[0].body), "example.com") {
		t.Errorf("body: %s", got[0].body)
	}
}

// A redirect could lead the body to somebody it was not meant for.
func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, n int) {
		if n == 1 {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	})
	svc, w, h := house(t, r)
	join(t, svc, "one@example.com")
	round(t, h)
	if n := len(r.got()); n != 1 {
		t.Errorf("%d calls", n)
	}
	history, _, err := svc.WebhookMessages(t.Context(), w.ID, 0, 10)
	if err != nil || len(history) != 1 || history[0].State != newsletter.MessageQueued || history[0].Code != http.StatusTemporaryRedirect {
		t.Errorf("history: %+v, %v", history, err)
	}
}

// The guard stands before webhooks too: nobody may have this machine called in his place (S33).
func TestAWebhookToTheInsideIsNotCalled(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(http.ResponseWriter, int) {})
	svc, w, h := house(t, r)
	h.Client = outbound.New(outbound.Options{AnyPort: true})
	join(t, svc, "one@example.com")
	round(t, h)
	history, _, err := svc.WebhookMessages(t.Context(), w.ID, 0, 10)
	if err != nil || len(history) != 1 || history[0].Code != 0 || history[0].Error == "" || len(r.got()) != 0 {
		t.Errorf("history: %+v, %v; %d calls", history, err, len(r.got()))
	}
}

// A stop in the middle of a call is nobody's failure: the message is due again when its lease ends.
func TestAStopCostsNoAttempt(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, int) { close(begun); <-release })
	t.Cleanup(func() { close(release) })
	svc, w, h := house(t, r)
	join(t, svc, "one@example.com")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- h.Run(ctx) }()
	<-begun
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	history, _, err := svc.WebhookMessages(t.Context(), w.ID, 0, 10)
	if err != nil || len(history) != 1 || history[0].State != newsletter.MessageQueued || history[0].Attempts != 0 {
		t.Errorf("history: %+v, %v", history, err)
	}
}

// Package handlers is the HTTP door: the readers' site, the desk, the API. A request comes through the list of
// middleware in middleware.go, which looks its route up in one registry (routes.go) to learn who may call it; the
// handler parses it, asks newsletter.Service, and shows a page of package templates. Whatever goes wrong is
// returned as an error and answered in one place (errors.go). Nothing here knows SQL or SMTP.
package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// Options is what the door is made of. Service, Pages, Now and BaseURL are needed.
type Options struct {
	Service        *newsletter.Service
	Pages          *templates.Pages
	Log            *slog.Logger
	Now            func() time.Time // UTC
	Location       *time.Location   // of days and dates; nil is UTC
	BaseURL        string           // scheme and host, no slash at the end: links are never built from the Host header (S31)
	TrustedProxies []netip.Prefix   // whose X-Forwarded-For counts (S32)

	// FormKey signs the moment at which a form was shown. Nodes that share it know each other's forms; empty is
	// a random one, and then a form shown before a restart counts as an embedded one.
	FormKey []byte
	// Background runs work that outlives its request (an import) and ends it with the house, which waits for it; nil runs
	// it within the request.
	Background func(work func(context.Context))
	// Ready tells why the house cannot work now (database, schema, queue); nil is always ready.
	Ready func(context.Context) error
	// Observe is told of each answered request: its route (a pattern, never a path), method, status and time; nil tells nobody.
	Observe func(route, method string, status int, took time.Duration)
	// Fetch reads what an address from elsewhere holds, at most limit bytes, through the guarded client; nil fetches nothing.
	Fetch func(ctx context.Context, address string, limit int64) ([]byte, error)
	// Feedback takes notices of mail providers at /hooks/feedback; nil answers 404.
	Feedback FeedbackHook
	// Demo is set by the demo only.
	Demo *Demo
	// IndexNowKey proves to search engines that announcements are ours: it is served as /KEY.txt. "" serves none.
	IndexNowKey string
	// Version is shown at the desk, nowhere else (S46).
	Version string
	// Transport says in one line how letters leave: the environment has fixed it. It is shown at the desk.
	Transport string
}

// Demo is what exists only where no letter can leave the machine.
type Demo struct {
	Bar     string  // across every page
	Mailbox Mailbox // nil mounts no /mailbox
	// OnFirstView is called once, with the first page that somebody looks at: it starts the sample send.
	OnFirstView func()
}

// server is the door's state: all of it is read-only after New but the few fields with locks of their own.
type server struct {
	opt     Options
	svc     *newsletter.Service
	pages   *templates.Pages
	log     *slog.Logger
	now     func() time.Time
	loc     *time.Location
	baseURL string
	secure  bool // cookies carry Secure and the __Host- prefix (S04)

	rules     map[string]route // by method and pattern: who may call what
	crossSite *http.CrossOriginProtection
	handler   http.Handler
	house     atomic.Pointer[newsletter.House] // as last read, for pages shown while the store is away
	views     viewSieve
	pictures  pictures
	covers    covers
	oven      oven
	firstView sync.Once

	stopping chan struct{} // closed at the end: streams and imports come to theirs
	stopOnce sync.Once
	work     sync.WaitGroup // imports begun at the desk
	uploads  uploads
	drawing  sync.Mutex  // one picture is drawn at a time
	opened   atomic.Bool // the demo: somebody has opened a caught letter
}

// New builds the door. It fails on options that cannot work and panics on a route nobody has given an access.
func New(o Options) (http.Handler, error) {
	s, err := newServer(o)
	if err != nil {
		return nil, err
	}
	return door{s.handler, s}, nil
}

// door is the handler that New gives, with a way to end what outlives a request.
type door struct {
	http.Handler
	s *server
}

// Stop ends streams and imports and waits for the imports.
func (d door) Stop() {
	d.s.stopOnce.Do(func() { close(d.s.stopping) })
	d.s.work.Wait()
	d.s.uploads.clear()
}

// Stop ends what a handler of New has going on beside its requests; Server's own Shutdown only begins it.
func Stop(h http.Handler) {
	if d, ok := h.(door); ok {
		d.Stop()
	}
}

func newServer(o Options) (*server, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("base URL %q: want http(s)://host", o.BaseURL)
	}
	if o.Service == nil || o.Pages == nil || o.Now == nil {
		return nil, errors.New("handlers: Service, Pages and Now are needed")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.Background == nil {
		o.Background = func(work func(context.Context)) { work(context.Background()) }
	}
	if len(o.FormKey) == 0 {
		o.FormKey = make([]byte, 32)
		rand.Read(o.FormKey) // never fails: it ends the program instead
	}
	s := &server{
		opt: o, svc: o.Service, pages: o.Pages, log: o.Log, now: o.Now, loc: o.Location,
		baseURL:   strings.TrimRight(o.BaseURL, "/"),
		secure:    base.Scheme == "https" || !loopback(base.Hostname()),
		rules:     map[string]route{},
		crossSite: http.NewCrossOriginProtection(),
		stopping:  make(chan struct{}),
	}
	// Behind a proxy that rewrites Host, the browser still names the public origin.
	if err := s.crossSite.AddTrustedOrigin(base.Scheme + "://" + base.Host); err != nil {
		return nil, fmt.Errorf("base URL %q: %w", o.BaseURL, err)
	}
	e := echo.New()
	e.IPExtractor = ipExtractor(o.TrustedProxies)
	e.HTTPErrorHandler = s.answerError
	e.Use(s.middleware()...)
	s.mount(e)
	s.handler = outermost(e)
	return s, nil
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// Server wraps a handler in the limits of a public listener (S37); Crowded has those of its connections. Streams clear their own write deadline,
// imports stretch their own read deadline.
func Server(addr string, h http.Handler) *http.Server {
	server := &http.Server{
		Addr:              addr,
		Handler:           atWork(h),
		ConnContext:       withVisitor,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    32 << 10,
	}
	server.RegisterOnShutdown(func() { Stop(h) }) // Shutdown would wait for streams that do not know of it
	return server
}

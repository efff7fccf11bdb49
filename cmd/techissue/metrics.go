package main

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"techissue/db"
	"techissue/newsletter"
)

// metrics are the numbers of /metrics, in a registry of their own. What can be counted in the database is read from it, so that a
// restart or a second node changes nothing; the rest is this process's.
type metrics struct {
	registry *prometheus.Registry
	replies  *prometheus.CounterVec
	conns    prometheus.Gauge
	requests *prometheus.HistogramVec
	domains  domainNames
}

func newMetrics(d *db.DB, now func() time.Time) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		replies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "techissue_smtp_replies_total", Help: "Replies that decided about a letter, by the reader's domain and 2xx, 4xx, 5xx or lost.",
		}, []string{"domain", "class"}),
		conns: prometheus.NewGauge(prometheus.GaugeOpts{Name: "techissue_smtp_connections", Help: "Open connections to the relay, of this process."}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "techissue_http_request_seconds", Help: "Time to answer, by route, method and class of status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "method", "status"}),
		domains: domainNames{seen: map[string]bool{}},
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "techissue_build_info", Help: "Always 1; the labels tell the build.",
		ConstLabels: prometheus.Labels{"version": versionText(), "go": runtime.Version(), "engine": d.Engine()},
	})
	build.Set(1)
	m.registry.MustRegister(
		m.replies, m.conns, m.requests, build, &houseNumbers{meter: db.NewMeter(d), now: now},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Replied and Connections make it a mailer.Counter.
func (m *metrics) Replied(domain, class string) {
	m.replies.WithLabelValues(m.domains.bound(domain), class).Inc()
}
func (m *metrics) Connections(change int) { m.conns.Add(float64(change)) }

// observe is told of each answered request.
func (m *metrics) observe(route, method string, status int, took time.Duration) {
	if !slices.Contains([]string{"GET", "POST", "PATCH", "PUT", "DELETE"}, method) { // HEAD comes as GET; strangers send anything
		method = "other"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status/100)+"xx").Observe(max(0, took.Seconds()))
}

// moreDomains is how many domains beside the big ones get a name; the rest is "other", so that no list of readers, however
// odd, grows the series without end.
const moreDomains = 50

// bigDomains are named whenever they come.
var bigDomains = map[string]bool{
	"naver.com": true, "gmail.com": true, "hanmail.net": true, "daum.net": true, "kakao.com": true, "nate.com": true, "icloud.com": true,
	"outlook.com": true, "hotmail.com": true, "yahoo.com": true, "live.com": true, "me.com": true, "proton.me": true, "korea.com": true,
}

type domainNames struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (d *domainNames) bound(domain string) string {
	if bigDomains[domain] {
		return domain
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.seen[domain]:
	case domain == "" || len(d.seen) >= moreDomains:
		return "other"
	default:
		d.seen[domain] = true
	}
	return domain
}

var (
	deliveriesDesc  = prometheus.NewDesc("techissue_deliveries_total", "Letters of issues by what became of them.", []string{"outcome"}, nil)
	depthDesc       = prometheus.NewDesc("techissue_queue_depth", "Letters of issues that are not settled.", []string{"state"}, nil)
	oldestDesc      = prometheus.NewDesc("techissue_queue_oldest_seconds", "How long the oldest letter of an issue being sent has been due.", nil, nil)
	singlesDesc     = prometheus.NewDesc("techissue_single_letters_depth", "Single letters (confirmations, notices) that are not settled.", []string{"state"}, nil)
	subscribersDesc = prometheus.NewDesc("techissue_subscribers", "Readers by the status that is shown.", []string{"status"}, nil)
)

// houseNumbers reads the database at a scrape, at most once a second, and never for more than a twentieth of the time.
type houseNumbers struct {
	meter *db.Meter
	now   func() time.Time

	mu    sync.Mutex
	last  db.Numbers
	until time.Time
}

func (h *houseNumbers) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{deliveriesDesc, depthDesc, oldestDesc, singlesDesc, subscribersDesc} {
		to <- d
	}
}

func (h *houseNumbers) read() (db.Numbers, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	began := time.Now()
	if began.Before(h.until) {
		return h.last, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	n, err := h.meter.Read(ctx)
	if err == nil {
		h.last, h.until = n, time.Now().Add(max(time.Second, 20*time.Since(began)))
	}
	return n, err
}

func (h *houseNumbers) Collect(to chan<- prometheus.Metric) {
	n, err := h.read()
	if err != nil { // the scrape says so; the process's own numbers still come
		to <- prometheus.NewInvalidMetric(deliveriesDesc, err)
		return
	}
	for state, count := range n.Deliveries {
		switch state {
		case newsletter.Queued, newsletter.Leased, newsletter.Handing:
			to <- prometheus.MustNewConstMetric(depthDesc, prometheus.GaugeValue, float64(count), string(state))
		case newsletter.Uncertain: // known to have left our hands, and still to be decided
			to <- prometheus.MustNewConstMetric(depthDesc, prometheus.GaugeValue, float64(count), string(state))
			to <- prometheus.MustNewConstMetric(deliveriesDesc, prometheus.CounterValue, float64(count), string(state))
		default:
			to <- prometheus.MustNewConstMetric(deliveriesDesc, prometheus.CounterValue, float64(count), string(state))
		}
	}
	oldest := 0.0
	if !n.OldestDue.IsZero() {
		oldest = max(0, h.now().Sub(n.OldestDue).Seconds())
	}
	to <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, oldest)
	for state, count := range n.Notices {
		to <- prometheus.MustNewConstMetric(singlesDesc, prometheus.GaugeValue, float64(count), string(state))
	}
	for _, status := range []newsletter.Status{newsletter.Pending, newsletter.Active, newsletter.Unsubscribed, newsletter.Suppressed} {
		to <- prometheus.MustNewConstMetric(subscribersDesc, prometheus.GaugeValue, float64(n.Subscribers[status]), string(status))
	}
}

package main

import (
	"context"
	"hash/fnv"
	"io"
	"net/http"
	"regexp"
	"time"

	"techissue/mailer/smtptest"
)

// sampleReaders are made-up people who look at what the mailbox caught, so that the report is not empty: about two of five open a
// letter, and a third of those click. They ask the site as a mail program would, over HTTP and with the links of their own letter.
type sampleReaders struct {
	box  *smtptest.Server
	base string

	seen int // letters of the box looked at
	plan []visit
}

type visit struct {
	at  time.Time
	url string
}

// A hit within 10 seconds of the delivery counts as a scanner's, so people come after that.
const (
	firstVisit = 12 * time.Second
	lastVisit  = 30 * time.Second
	phone      = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
)

// run goes on until ctx is done.
func (r *sampleReaders) run(ctx context.Context) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	client := &http.Client{Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		r.read()
		r.visit(ctx, client)
	}
}

// read makes plans for letters that came since.
func (r *sampleReaders) read() {
	if r.box.Count() == r.seen {
		return
	}
	all := r.box.Accepted()
	for _, m := range all[r.seen:] {
		r.plan = append(r.plan, plans(m, r.base)...)
	}
	r.seen = len(all)
}

// plans says what one reader does with a letter: the address decides, so that every demo looks alike.
func plans(m smtptest.Message, base string) []visit {
	h := fnv.New32a()
	io.WriteString(h, m.Rcpt())
	n := h.Sum32()
	if n%5 > 1 || m.Rcpt() == sampleReader { // the one reader is the person in front of the screen
		return nil
	}
	at := regexp.QuoteMeta(base)
	text := m.HTML()
	open := regexp.MustCompile(at + `/o/[^"]+\.gif`).FindString(text)
	if open == "" {
		return nil // not an issue
	}
	first := m.At.Add(firstVisit + time.Duration(n%1000)*(lastVisit-firstVisit)/1000)
	visits := []visit{{first, open}}
	if links := regexp.MustCompile(at+`/l/[^"]+`).FindAllString(text, -1); len(links) > 0 && n/5%3 == 0 {
		visits = append(visits, visit{first.Add(4 * time.Second), links[int(n/15)%len(links)]})
	}
	return visits
}

// visit asks for what is due. A failure is nobody's business: the reader has closed the letter.
func (r *sampleReaders) visit(ctx context.Context, client *http.Client) {
	left := r.plan[:0]
	for _, v := range r.plan {
		if time.Now().Before(v.at) {
			left = append(left, v)
			continue
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url, nil)
		if err != nil {
			continue
		}
		req.Header.Set("User-Agent", phone)
		if res, err := client.Do(req); err == nil {
			res.Body.Close()
		}
	}
	r.plan = left
}

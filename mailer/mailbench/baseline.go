// Package mailbench is the measure of the mailer: the sink that letters are sent into, and the plain loop around go-mail that
// an operator could write instead. `techissue bench send` drives both.
package mailbench

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	gomail "github.com/wneessen/go-mail"
)

// Plain is what a plain loop sends to everybody: the parts of a letter that is composed anew for each reader.
type Plain struct {
	From, Subject, Text, HTML string
	Encoding                  Encoding
}

// Encoding is how the parts travel.
type Encoding = gomail.Encoding

// The encodings to compare with: go-mail's own default, and base64 as we send.
const (
	QuotedPrintable = gomail.EncodingQP
	Base64          = gomail.EncodingB64
)

// Loop sends letters to the readers the way go-mail's documentation shows: each of the workers keeps one Client and calls Send for each
// letter. It returns how many were accepted.
func Loop(ctx context.Context, addr string, workers int, readers []string, p Plain) (int64, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return 0, err
	}
	var sent, at atomic.Int64
	errs := make(chan error, workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			errs <- work(ctx, host, port, p, func() (string, bool) {
				n := at.Add(1) - 1
				if n >= int64(len(readers)) {
					return "", false
				}
				return readers[n], true
			}, &sent)
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return sent.Load(), err
		}
	}
	return sent.Load(), nil
}

func work(ctx context.Context, host string, port int, p Plain, next func() (string, bool), sent *atomic.Int64) error {
	client, err := gomail.NewClient(host, gomail.WithPort(port), gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithHELO("bench.localhost"))
	if err != nil {
		return err
	}
	if err := client.DialWithContext(ctx); err != nil {
		return err
	}
	defer client.Close()
	for {
		to, ok := next()
		if !ok {
			return nil
		}
		m := gomail.NewMsg(gomail.WithEncoding(p.Encoding))
		if err := m.From(p.From); err != nil {
			return err
		}
		if err := m.To(to); err != nil {
			return err
		}
		m.Subject(p.Subject)
		m.SetMessageID()
		m.SetDate()
		m.SetGenHeader("List-Unsubscribe", "<https://letter.example/u/"+to+">")
		m.SetBodyString(gomail.TypeTextPlain, p.Text)
		m.AddAlternativeString(gomail.TypeTextHTML, p.HTML)
		if err := client.Send(m); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		sent.Add(1)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"techissue/mailer"
	"techissue/mailer/mailbench"
	"techissue/newsletter"
)

// benchBare composes and hands over without a store: the price of the letter itself.
func (a *app) benchBare(ctx context.Context, o benchOptions, number int, r *benchResult) error {
	e, err := a.benchEdition(ctx, number)
	if err != nil {
		return err
	}
	prepared := now()
	var at, sent atomic.Int64
	before, began := cpuTime(), time.Now()
	var wg sync.WaitGroup
	errs := make(chan error, o.Connections)
	for range o.Connections {
		wg.Go(func() {
			conn, err := mailer.Dial(ctx, *a.cfg.relay)
			if err != nil {
				errs <- err
				return
			}
			defer conn.Quit()
			for {
				n := at.Add(1) - 1
				if n >= o.Readers {
					return
				}
				letter, err := a.letters.ComposeDelivery(ctx, benchClaimed(n, prepared), e)
				if err != nil {
					errs <- err
					return
				}
				res := conn.Send(ctx, letter, func(context.Context) error { return nil })
				letter.Release()
				if res.Outcome != newsletter.Accepted {
					errs <- fmt.Errorf("letter %d: %s %w", n, res.Outcome, res.Err)
					return
				}
				sent.Add(1)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r.sample()
		select {
		case <-tick.C:
			continue
		case <-done:
		}
		break
	}
	r.Letters, r.Seconds = sent.Load(), time.Since(began).Seconds()
	r.CPUPerLetter = (cpuTime() - before).Seconds() * 1e6 / float64(max(r.Letters, 1))
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	return all
}

// benchBaseline lets a plain loop around go-mail send the same text, first with its default encoding, then with base64.
func (a *app) benchBaseline(ctx context.Context, o benchOptions, number int, addr string, r *benchResult) error {
	_, snap, err := a.svc.Snapshot(ctx, number)
	if err != nil {
		return err
	}
	html, text, err := a.letters.RenderIssue(snap, "독자")
	if err != nil {
		return err
	}
	readers := make([]string, min(o.Readers, 20_000))
	for n := range readers {
		readers[n] = fmt.Sprintf("reader%d@d%d.example", n, n%997)
	}
	plain := mailbench.Plain{From: snap.House.From, Subject: snap.Subject, Text: text, HTML: html}
	for _, loop := range []struct {
		name string
		enc  mailbench.Encoding
	}{{"go-mail, quoted-printable", mailbench.QuotedPrintable}, {"go-mail, base64", mailbench.Base64}} {
		plain.Encoding = loop.enc
		before, began := cpuTime(), time.Now()
		n, err := mailbench.Loop(ctx, addr, o.Connections, readers, plain)
		if err != nil {
			return fmt.Errorf("%s: %w", loop.name, err)
		}
		b := benchLoop{Name: loop.name, Letters: n, PerSecond: float64(n) / time.Since(began).Seconds()}
		b.CPU = (cpuTime() - before).Seconds() * 1e6 / float64(n)
		b.Ratio = r.PerSecond / b.PerSecond
		r.Baseline = append(r.Baseline, b)
	}
	return nil
}

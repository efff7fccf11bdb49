package mailer_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"techissue/mailer"
	"techissue/mailer/smtptest"
	"techissue/newsletter"
)

// cutter is a TCP path that passes so many bytes in one direction and then dies: cut
// (both sides see the end) or dead (both sides see nothing any more).
type cutter struct {
	target   string
	up, down int64 // bytes to pass towards the server and the client; negative: all
	dead     bool
	done     context.Context
	seenUp   atomic.Int64
	seenDown atomic.Int64
}

// Dial is a mailer.Transport's Dialer.
func (k *cutter) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	server, err := new(net.Dialer).DialContext(ctx, "tcp", k.target)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	proxy, err := l.Accept()
	if err != nil {
		return nil, err
	}
	var once sync.Once
	end := func() { once.Do(func() { server.Close(); proxy.Close() }) }
	context.AfterFunc(k.done, end)
	go k.pass(server, proxy, k.up, &k.seenUp, end)
	go k.pass(proxy, server, k.down, &k.seenDown, end)
	return client, nil
}

func (k *cutter) pass(to, from net.Conn, limit int64, seen *atomic.Int64, end func()) {
	defer end()
	if limit < 0 {
		_, _ = io.Copy(io.MultiWriter(to, (*counter)(seen)), from)
		return
	}
	var err error
	if limit > 0 {
		_, err = io.CopyN(io.MultiWriter(to, (*counter)(seen)), from, limit)
	}
	if err == nil && k.dead {
		io.Copy(io.Discard, from)
	}
}

type counter atomic.Int64

func (c *counter) Write(p []byte) (int, error) {
	(*atomic.Int64)(c).Add(int64(len(p)))
	return len(p), nil
}

// TestEveryByteAtWhichAConnectionCanDie cuts the dialogue of two letters after every byte
// in either direction. Whatever dies where: a letter the server took is reported as
// accepted or in doubt, and one it did not take is never reported as accepted.
func TestEveryByteAtWhichAConnectionCanDie(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name string
		cfg  smtptest.Config
		dead bool
		step int64
	}{
		{"pipelined, cut", smtptest.Config{}, false, 1},
		{"in steps, cut", smtptest.Config{Features: []string{"ENHANCEDSTATUSCODES"}}, false, 1},
		{"pipelined, dead", smtptest.Config{}, true, 3},
		{"in steps, dead", smtptest.Config{Features: []string{"ENHANCEDSTATUSCODES"}}, true, 3},
		{"TLS, cut", smtptest.Config{ImplicitTLS: true}, false, 11},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			whole := &cutter{up: -1, down: -1}
			if got := sendTwoThrough(t, way.cfg, whole); got != [2]newsletter.Outcome{newsletter.Accepted, newsletter.Accepted} {
				t.Fatalf("without a cut: %v", got)
			}
			var mu sync.Mutex
			met := map[newsletter.Outcome]int{}
			slots := make(chan struct{}, 8)
			var all sync.WaitGroup
			try := func(k *cutter) {
				slots <- struct{}{}
				all.Go(func() {
					defer func() { <-slots }()
					for _, o := range sendTwoThrough(t, way.cfg, k) {
						mu.Lock()
						met[o]++
						mu.Unlock()
					}
				})
			}
			for n := int64(0); n < whole.seenUp.Load(); n += way.step {
				try(&cutter{up: n, down: -1, dead: way.dead})
			}
			for n := int64(0); n < whole.seenDown.Load(); n += way.step {
				try(&cutter{up: -1, down: n, dead: way.dead})
			}
			all.Wait()
			for _, o := range []newsletter.Outcome{newsletter.NotHanded, newsletter.InDoubt, newsletter.Accepted} {
				if met[o] == 0 {
					t.Errorf("no cut led to %s: %v", o, met)
				}
			}
		})
	}
}

// sendTwoThrough sends two letters over a path and holds the two accounts against each other.
func sendTwoThrough(t *testing.T, cfg smtptest.Config, k *cutter) (outcomes [2]newsletter.Outcome) {
	srv, err := smtptest.Start(cfg)
	if err != nil {
		t.Error(err)
		return outcomes
	}
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k.target, k.done = srv.Addr(), ctx
	tr, err := mailer.ParseTransport(srv.URL())
	if err != nil {
		t.Error(err)
		return outcomes
	}
	tr.HELO, tr.RootCAs, tr.Dialer = "news.example", srv.Roots(), k.Dial
	if k.dead {
		const d = 60 * time.Millisecond
		tr.Timeouts = mailer.Timeouts{Greeting: d, EHLO: d, TLS: d, Mail: d, Rcpt: d, Data: d, Block: d, Dot: d, Quit: d}
	}
	outcomes = [2]newsletter.Outcome{newsletter.NotHanded, newsletter.NotHanded}
	c, err := mailer.Dial(ctx, tr)
	if err == nil {
		for i := range outcomes {
			res := c.Send(ctx, letterTo(fmt.Sprintf("r%d@x.example", i)), pass)
			outcomes[i] = res.Outcome
		}
		c.Close()
	}
	cancel() // ends the path; the server then reads what had arrived, and its end
	if err := srv.Wait(t.Context(), func() bool { return srv.OpenConnections() == 0 }); err != nil {
		t.Error(err)
	}
	for i, o := range outcomes {
		took := len(srv.AcceptedTo(fmt.Sprintf("r%d@x.example", i)))
		if took > 1 || took == 1 && o != newsletter.Accepted && o != newsletter.InDoubt || took == 0 && o == newsletter.Accepted {
			t.Errorf("cut at up %d down %d: the server took letter %d %d times, we report %s", k.up, k.down, i, took, o)
		}
	}
	if f := srv.Faults(); len(f) > 0 {
		t.Errorf("cut at up %d down %d: faults %v", k.up, k.down, f)
	}
	return outcomes
}

// Numbers of one connection against a server on the same machine that keeps envelopes only.
func BenchmarkSend(b *testing.B) {
	for _, features := range [][]string{smtptest.DefaultFeatures(), {"8BITMIME"}} {
		b.Run(features[0], func(b *testing.B) {
			srv := smtptest.New(b, smtptest.Config{Features: features, Discard: true, LogLimit: -1})
			tr, err := mailer.ParseTransport(srv.URL())
			if err != nil {
				b.Fatal(err)
			}
			c, err := mailer.Dial(b.Context(), tr)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			l := letterTo("kim@x.example")
			for len(l.Data) < 32<<10 { // a Korean issue of 12 KB text, base64
				l.Data = append(l.Data, "7YWM7YGs7J6H7IqIIO2FjO2BrOyeh+yKiCDthYztgazsnofsiogg7YWM7YGs7J6H7IqIIO2FjO2B\r\n"...)
			}
			b.ReportAllocs()
			for b.Loop() {
				if res := c.Send(b.Context(), l, pass); res.Outcome != newsletter.Accepted {
					b.Fatal(res)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "letters/s")
		})
	}
}

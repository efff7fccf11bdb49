package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load asks one server for one thing over open connections, one request at a time on each: HTTP/1.1 in as few steps as a client can take, since
// what it costs is taken from the server's cores.
type load struct {
	addr    string
	request func(dst []byte, n int64) []byte
	want    string // status
}

type webLoad struct {
	Name      string  `json:"name"`
	Requests  int64   `json:"requests"`
	Refused   int64   `json:"refused,omitempty"` // answers of another status
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Of        string  `json:"of,omitempty"`
	Ratio     float64 `json:"ratio,omitempty"`
}

func (l load) run(ctx context.Context, name string, o webOptions) (webLoad, error) {
	r := webLoad{Name: name}
	var next, refused atomic.Int64
	var wg sync.WaitGroup
	times := make([][]time.Duration, o.Connections)
	errs := make([]error, o.Connections)
	began := time.Now()
	end := began.Add(o.Time)
	for n := range o.Connections {
		wg.Go(func() { times[n], errs[n] = l.ask(ctx, end, &next, &refused) })
	}
	wg.Wait()
	took := time.Since(began)
	var all []time.Duration
	for n := range times {
		if errs[n] != nil {
			return r, fmt.Errorf("%s: %w", name, errs[n])
		}
		all = append(all, times[n]...)
	}
	if len(all) == 0 {
		return r, fmt.Errorf("%s: nothing was answered", name)
	}
	slices.Sort(all)
	ms := func(p int) float64 { return float64(all[len(all)*p/100]) / 1e6 }
	r.Requests, r.Refused, r.PerSecond, r.P50, r.P99 = int64(len(all)), refused.Load(), float64(int64(len(all))-refused.Load())/took.Seconds(), ms(50), ms(99)
	return r, nil
}

func (l load) ask(ctx context.Context, end time.Time, next, refused *atomic.Int64) (times []time.Duration, err error) {
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(end.Add(30 * time.Second))
	in := bufio.NewReaderSize(conn, 64<<10)
	var out []byte
	for at := time.Now(); at.Before(end) && ctx.Err() == nil; {
		out = l.request(out[:0], next.Add(1))
		if _, err := conn.Write(out); err != nil {
			return times, err
		}
		status, err := skipAnswer(in)
		if err != nil {
			return times, err
		}
		if status != l.want {
			refused.Add(1)
		}
		now := time.Now()
		times, at = append(times, now.Sub(at)), now
	}
	return times, nil
}

// skipAnswer reads one answer and gives its status.
func skipAnswer(in *bufio.Reader) (status string, err error) {
	length, chunked := int64(0), false
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first {
			if len(line) < 12 {
				return "", fmt.Errorf("%q is no answer", line)
			}
			status = string(line[9:12])
			continue
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return "", err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	for chunked {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return "", err
		}
		if _, err := io.CopyN(io.Discard, in, size+2); err != nil {
			return "", err
		}
		chunked = size > 0
	}
	_, err = io.CopyN(io.Discard, in, length)
	return status, err
}

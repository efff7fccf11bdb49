package main

import (
	"context"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// zone is what a name server of a test knows: "name TYPE" to values. A value of "!" is a server that fails.
type zone map[string][]string

// serveDNS answers over UDP and TCP-less: what does not fit is not asked for here.
func serveDNS(t *testing.T, z zone) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if out, err := z.answer(buf[:n]); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	addr := conn.LocalAddr().String()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", addr)
	}}
}

func (z zone) answer(query []byte) ([]byte, error) {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	kind := strings.TrimPrefix(q.Type.String(), "Type")
	values, known := z[name+" "+kind]
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: head.ID, Response: true, Authoritative: true, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	for other := range z {
		known = known || strings.HasPrefix(other, name+" ")
	}
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, v := range values {
		if v == "!" {
			m.RCode = dnsmessage.RCodeServerFailure
			break
		}
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}, Body: record(kind, v),
		})
	}
	return m.Pack()
}

func record(kind, v string) dnsmessage.ResourceBody {
	switch kind {
	case "TXT":
		var parts []string
		for len(v) > 255 {
			parts, v = append(parts, v[:255]), v[255:]
		}
		return &dnsmessage.TXTResource{TXT: append(parts, v)}
	case "MX":
		return &dnsmessage.MXResource{Pref: 10, MX: dnsmessage.MustNewName(v + ".")}
	case "PTR":
		return &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(v + ".")}
	case "AAAA":
		return &dnsmessage.AAAAResource{AAAA: [16]byte(net.ParseIP(v).To16())}
	}
	return &dnsmessage.AResource{A: [4]byte(net.ParseIP(v).To4())}
}

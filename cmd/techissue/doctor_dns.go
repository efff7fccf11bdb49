package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const lookupTime = 10 * time.Second

// examineDNS looks at what receivers look at: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489), MX, PTR.
func (d *doctor) examineDNS(ctx context.Context) {
	if d.cfg.relay == nil || d.cfg.from.Address == "" {
		return
	}
	_, domain, _ := strings.Cut(d.cfg.from.Address, "@")
	envelope := domain
	if d.cfg.BounceDomain != "" {
		envelope = d.cfg.BounceDomain
	}
	if local(domain) { // a sender that exists in this house alone
		d.warn(groupMail, "sender_domain", "TECHISSUE_FROM with a domain of your own", "%s is no public domain, so SPF, DKIM and DMARC are not looked up", domain)
		return
	}
	d.examineSPF(ctx, envelope)
	d.examineDKIM(ctx, domain)
	d.examineDMARC(ctx, domain)
	d.examineMX(ctx, domain, envelope)
	d.examinePTR(ctx)
}

// local tells names that the public DNS does not know (RFC 2606, RFC 6761).
func local(domain string) bool {
	for _, end := range []string{"localhost", "test", "invalid", "local", "internal"} {
		if domain == end || strings.HasSuffix(domain, "."+end) {
			return true
		}
	}
	return false
}

// found tells apart what is not there from what could not be asked: the second is a warning under the check's own id.
func (d *doctor) found(id, name string, err error) (missing, ok bool) {
	var dns *net.DNSError
	switch {
	case err == nil:
		return false, true
	case errors.As(err, &dns) && dns.IsNotFound:
		return true, true
	}
	d.warn(groupMail, id, "try again, or ask another name server: techissue doctor --dns 1.1.1.1", "%s could not be looked up: %v", name, err)
	return false, false
}

func (d *doctor) txt(ctx context.Context, name, begins string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	all, err := d.resolver.LookupTXT(ctx, name)
	var matching []string
	for _, r := range all {
		if strings.HasPrefix(strings.ToLower(r), begins) {
			matching = append(matching, r)
		}
	}
	if err == nil && len(matching) == 0 {
		err = &net.DNSError{Name: name, Err: "no such record", IsNotFound: true}
	}
	return matching, err
}

// spfHosts are providers' own words for an SPF record.
var spfHosts = map[string]string{
	"amazonaws.com": "include:amazonses.com", "mailgun.org": "include:mailgun.org", "gmail.com": "include:_spf.google.com",
	"google.com": "include:_spf.google.com", "worksmobile.com": "include:spf.worksmobile.com", "sendgrid.net": "include:sendgrid.net",
	"postmarkapp.com": "include:spf.mtasv.net",
}

// spfWord is what has to stand in the record so that the relay may send.
func (d *doctor) spfWord() string {
	host := strings.ToLower(d.cfg.relay.Host)
	for end, word := range spfHosts {
		if strings.HasSuffix("."+host, "."+end) {
			return word
		}
	}
	if loopbackHost(host) {
		return "ip4:THE.SERVER'S.PUBLIC.ADDRESS"
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Is4() {
			return "ip4:" + host
		}
		return "ip6:" + host
	}
	return "a:" + host
}

func (d *doctor) examineSPF(ctx context.Context, domain string) {
	word := d.spfWord()
	fix := fmt.Sprintf("add to DNS: %s TXT \"v=spf1 %s ~all\"", domain, word)
	records, err := d.txt(ctx, domain, "v=spf1")
	missing, ok := d.found("spf", domain, err)
	switch {
	case !ok:
	case missing:
		d.fail(groupMail, "spf", fix, "no SPF record (%s)", domain)
	case len(records) > 1:
		d.fail(groupMail, "spf", "keep one TXT record that begins with v=spf1 and put all its words together", "%d SPF records at %s: receivers take none of them", len(records), domain)
	case slices.Contains(strings.Fields(strings.ToLower(records[0])), "+all"), slices.Contains(strings.Fields(strings.ToLower(records[0])), "all"):
		d.fail(groupMail, "spf", strings.TrimSuffix(fix, "\""), "the SPF record of %s lets everybody send: %s", domain, records[0])
	case strings.HasPrefix(word, "include:") && !strings.Contains(strings.ToLower(records[0]), word):
		d.warn(groupMail, "spf", fmt.Sprintf("add %s to it, unless the provider sends under a domain of its own (MAIL FROM)", word), "the SPF record of %s does not name the relay: %s", domain, records[0])
	default:
		if n, err := d.spfLookups(ctx, domain, 0); err == nil && n > 10 {
			d.fail(groupMail, "spf", "take out providers that are no longer used (RFC 7208 §4.6.4)", "the SPF record of %s needs more than 10 look-ups: receivers give up", domain)
			return
		}
		d.ok(groupMail, "spf", "SPF of %s: %s", domain, records[0])
	}
}

// spfLookups counts the mechanisms that make a receiver ask, through the includes.
func (d *doctor) spfLookups(ctx context.Context, domain string, n int) (int, error) {
	records, err := d.txt(ctx, domain, "v=spf1")
	if err != nil || len(records) == 0 {
		return n, err
	}
	for _, word := range strings.Fields(strings.ToLower(records[0]))[1:] {
		word = strings.TrimLeft(word, "+-~?")
		name, value, _ := strings.Cut(word, ":")
		if kind, target, ok := strings.Cut(word, "="); ok && kind == "redirect" {
			name, value = "include", target
		}
		kind, _, _ := strings.Cut(name, "/")
		switch kind {
		case "a", "mx", "ptr", "exists":
			n++
		case "include":
			if n++; n > 10 {
				return n, nil
			}
			if n, err = d.spfLookups(ctx, value, n); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (d *doctor) examineDKIM(ctx context.Context, domain string) {
	key := d.cfg.dkim
	if key == nil {
		d.warn(groupMail, "dkim", "techissue dkim create, unless the relay signs (Amazon SES and Mailgun do: add the records they show)", "letters are not signed here")
		return
	}
	record, err := key.Record()
	if err != nil {
		d.fail(groupMail, "dkim", "", "%v", err)
		return
	}
	fix := fmt.Sprintf("add to DNS: %s TXT %s", key.Name(), quoted(record))
	records, err := d.txt(ctx, key.Name(), "")
	missing, ok := d.found("dkim", key.Name(), err)
	switch {
	case !ok:
	case missing:
		d.fail(groupMail, "dkim", fix, "no DKIM record (%s)", key.Name())
	case !slices.ContainsFunc(records, key.Publishes):
		d.fail(groupMail, "dkim", "put in its place: "+strings.TrimPrefix(fix, "add to DNS: "), "the DKIM record at %s holds another key than %s", key.Name(), d.cfg.DKIMKeyFile)
	case !aligned(key.Domain(), domain):
		d.fail(groupMail, "dkim", "TECHISSUE_DKIM_DOMAIN="+domain, "letters come from %s and are signed by %s: DMARC counts that as unsigned", domain, key.Domain())
	default:
		d.ok(groupMail, "dkim", "the DKIM record %s holds our key", key.Name())
	}
}

// quoted writes a TXT value as zone files and most panels take it: strings of at most 255 bytes.
func quoted(record string) string {
	var parts []string
	for len(record) > 255 {
		parts, record = append(parts, `"`+record[:255]+`"`), record[255:]
	}
	return strings.Join(append(parts, `"`+record+`"`), " ")
}

// aligned is DMARC's relaxed alignment, as far as it can be told without the list of public suffixes.
func aligned(a, b string) bool {
	return a == b || strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a)
}

func (d *doctor) examineDMARC(ctx context.Context, domain string) {
	fix := fmt.Sprintf("add to DNS: _dmarc.%s TXT \"v=DMARC1; p=none; rua=mailto:%s\"", domain, d.reportsTo(domain))
	for name := domain; strings.Contains(name, "."); _, name, _ = strings.Cut(name, ".") { // the organisation's record counts for its parts
		records, err := d.txt(ctx, "_dmarc."+name, "v=dmarc1")
		missing, ok := d.found("dmarc", "_dmarc."+name, err)
		switch {
		case !ok:
			return
		case missing:
			continue
		case len(records) > 1:
			d.fail(groupMail, "dmarc", "keep one of them", "%d DMARC records at _dmarc.%s: receivers take none of them", len(records), name)
		case !strings.Contains(strings.ReplaceAll(strings.ToLower(records[0]), " ", ""), "p="):
			d.fail(groupMail, "dmarc", "add p=none to it", "the DMARC record of %s names no policy: %s", name, records[0])
		default:
			d.ok(groupMail, "dmarc", "DMARC of %s: %s", name, records[0])
		}
		return
	}
	d.fail(groupMail, "dmarc", fix, "no DMARC record (_dmarc.%s); Gmail, Naver and Yahoo want one of bulk senders", domain)
}

func (d *doctor) reportsTo(domain string) string {
	if d.cfg.ReplyTo != "" {
		return d.cfg.ReplyTo
	}
	return "postmaster@" + domain
}

func (d *doctor) examineMX(ctx context.Context, domain, envelope string) {
	names := []string{domain}
	if envelope != domain {
		names = append(names, envelope)
	}
	for _, name := range names {
		id := "mx"
		if name != domain {
			id = "mx_bounce"
		}
		one, cancel := context.WithTimeout(ctx, lookupTime)
		records, err := d.resolver.LookupMX(one, name)
		cancel()
		missing, ok := d.found(id, name, err)
		switch {
		case !ok:
		case missing && id == "mx_bounce":
			d.fail(groupMail, id, fmt.Sprintf("add to DNS: %s MX 10 the host that TECHISSUE_BOUNCE_LISTEN answers on", name), "nothing takes mail for the bounce domain %s", name)
		case missing:
			d.warn(groupMail, id, fmt.Sprintf("add to DNS: %s MX 10 your mail server; or TECHISSUE_REPLY_TO with an address that works", name), "nothing takes mail for %s: answers and bounces are lost, and some receivers refuse such senders", name)
		default:
			d.ok(groupMail, id, "%s takes mail for %s", strings.TrimSuffix(records[0].Host, "."), name)
		}
	}
}

// examinePTR is for a server of one's own: its address must lead back to its name. Of a provider's relay it is the provider's business.
func (d *doctor) examinePTR(ctx context.Context) {
	host := d.cfg.relay.Host
	for end := range spfHosts {
		if strings.HasSuffix("."+strings.ToLower(host), "."+end) {
			return
		}
	}
	if loopbackHost(host) {
		return // its public address is not known here
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addrs, err := d.resolver.LookupNetIP(ctx, "ip", host)
	missing, ok := d.found("ptr", host, err)
	if !ok || missing || len(addrs) == 0 {
		return // the connection has told
	}
	addr := addrs[0].Unmap()
	names, err := d.resolver.LookupAddr(ctx, addr.String())
	missing, ok = d.found("ptr", addr.String(), err)
	switch {
	case !ok:
	case missing:
		d.warn(groupMail, "ptr", fmt.Sprintf("ask the network's owner (the hosting panel) to set the reverse name of %s to %s", addr, host), "%s has no reverse name (PTR): Gmail and Naver refuse such servers", addr)
	case !d.leadsBack(ctx, names, addr):
		d.warn(groupMail, "ptr", fmt.Sprintf("let %s A lead to %s, or set the reverse name to %s", strings.TrimSuffix(names[0], "."), addr, host), "the reverse name of %s, %s, does not lead back to it", addr, strings.TrimSuffix(names[0], "."))
	default:
		d.ok(groupMail, "ptr", "%s is %s, both ways", addr, strings.TrimSuffix(names[0], "."))
	}
}

func (d *doctor) leadsBack(ctx context.Context, names []string, addr netip.Addr) bool {
	for _, name := range names {
		back, err := d.resolver.LookupNetIP(ctx, "ip", name)
		if err == nil && slices.ContainsFunc(back, func(a netip.Addr) bool { return a.Unmap() == addr }) {
			return true
		}
	}
	return false
}

package main

import (
	"context"
	"strings"
	"time"

	"techissue/newsletter"
)

// senderTexts are what the desk says of the doctor's findings about the sender's domain.
var senderTexts = map[string]string{
	"spf":   "보내는 도메인의 SPF 기록이 없거나 맞지 않아요. 스팸함으로 갈 수 있어요.",
	"dkim":  "보내는 도메인의 DKIM 기록이 없거나 맞지 않아요. 스팸함으로 갈 수 있어요.",
	"dmarc": "보내는 도메인의 DMARC 기록이 없어요. 지메일과 네이버는 대량 메일에 이것을 바라요.",
}

// watchSender looks SPF, DKIM and DMARC up now and then, so that the check of an issue waits for no name server. What could not be looked
// up is no finding.
func (a *app) watchSender(ctx context.Context) error {
	_, domain, _ := strings.Cut(a.cfg.from.Address, "@")
	if a.cfg.relay == nil || domain == "" || local(domain) || nobodys("https://"+domain) {
		return nil
	}
	envelope := domain
	if a.cfg.BounceDomain != "" {
		envelope = a.cfg.BounceDomain
	}
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		found := senderFaults(ctx, newDoctor(a.cfg, nil), domain, envelope)
		a.sender.Store(&found)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// senderFaults are what the doctor finds wrong; its warnings are about its own looking.
func senderFaults(ctx context.Context, d *doctor, domain, envelope string) (found []newsletter.Check) {
	d.examineSPF(ctx, envelope)
	d.examineDKIM(ctx, domain)
	d.examineDMARC(ctx, domain)
	for _, c := range d.checks {
		if text := senderTexts[c.ID]; text != "" && c.Level == levelFail {
			found = append(found, newsletter.Check{Level: "warn", Code: c.ID, Text: text})
		}
	}
	return found
}

// senderChecks are the findings of the last look.
func (a *app) senderChecks() []newsletter.Check {
	if found := a.sender.Load(); found != nil {
		return *found
	}
	return nil
}

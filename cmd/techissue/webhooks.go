package main

import "techissue/outbound"

// webhooks tell other programs what happens here.
func (a *app) webhooks() *outbound.Hooks {
	return &outbound.Hooks{Client: outbound.New(outbound.Options{Agent: "techissue"}), Store: a.svc, Now: now, Log: a.log}
}

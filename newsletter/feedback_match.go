package newsletter

import "context"

// forged tells whether one of the addresses looks like a token of ours and is none.
func (s *Service) forged(addresses []string) bool {
	keys := s.opt.Keys()
	for _, a := range addresses {
		var err error
		switch TokenKind(a) {
		case "b":
			_, err = keys.ParseBounceAddress(a)
		case "n":
			_, err = keys.ParseNoticeBounceAddress(a)
		case "u":
			_, err = keys.VerifyMailto(a)
		}
		if err != nil {
			return true
		}
	}
	return false
}

// matchFeedback finds the letter: by the envelope's token, else by the relay's id, else by returned headers. The outcome is
// "" when it is found. A forged token ends the search: whoever makes one up is not asked for other evidence.
func (s *Service) matchFeedback(ctx context.Context, tx Tx, f Feedback) (l letterBack, outcome string, err error) {
	if l, ok, err := s.byToken(ctx, tx, f.Envelope); err != nil || ok {
		return l, "", err
	}
	if s.forged(f.Envelope) {
		return l, FeedbackForged, nil
	}
	for _, by := range []func(context.Context, Tx, Feedback) (letterBack, bool, error){s.byRelay, s.byHeaders, s.byAddress} {
		if l, ok, err := by(ctx, tx, f); err != nil || ok {
			return l, "", err
		}
	}
	return l, FeedbackStranger, nil
}

// byToken reads the first address that is shaped like a token: what else the report says about which letter it means does not
// count, and behind a forged one nothing does.
func (s *Service) byToken(ctx context.Context, tx Tx, addresses []string) (l letterBack, ok bool, err error) {
	keys := s.opt.Keys()
	for _, a := range addresses {
		if id, err := keys.ParseBounceAddress(a); err == nil {
			l.delivery, err = tx.Delivery(ctx, DeliveryID(id))
			ok, err = found(err)
			return l, ok, err
		}
		if id, err := keys.ParseNoticeBounceAddress(a); err == nil {
			l.notice, err = tx.Notice(ctx, NoticeID(id))
			ok, err = found(err)
			return l, ok, err
		}
		if kind := TokenKind(a); kind == "b" || kind == "n" {
			return l, false, nil
		}
	}
	return l, false, nil
}

// byRelay believes a relay's id, which can be guessed, only together with the letter's address.
func (s *Service) byRelay(ctx context.Context, tx Tx, f Feedback) (l letterBack, ok bool, err error) {
	for _, id := range f.RelayIDs {
		if id == "" {
			continue
		}
		ds, err := tx.DeliveriesByRelay(ctx, id)
		if err != nil {
			return l, false, err
		}
		ns, err := tx.NoticesByRelay(ctx, id)
		if err != nil {
			return l, false, err
		}
		switch {
		case len(ds) == 1 && len(ns) == 0 && names(f, ds[0].Email):
			return letterBack{delivery: ds[0]}, true, nil
		case len(ns) == 1 && len(ds) == 0 && names(f, ns[0].Email):
			return letterBack{notice: ns[0]}, true, nil
		}
	}
	return l, false, nil
}

// names tells whether the report is about that address.
func names(f Feedback, email string) bool {
	for _, e := range f.Emails {
		if a, err := ParseAddress(e); err == nil && a.String() == email {
			return true
		}
	}
	return false
}

// byHeaders finds the letter by its Message-ID, which only we can make, among the letters of whoever the report or the
// letter's own opt-out link names.
func (s *Service) byHeaders(ctx context.Context, tx Tx, f Feedback) (l letterBack, ok bool, err error) {
	if len(f.MessageIDs) == 0 {
		return l, false, nil
	}
	readers, err := s.named(ctx, tx, f)
	if err != nil {
		return l, false, err
	}
	keys := s.opt.Keys()
	for _, mid := range f.MessageIDs {
		issue, _, good := messageIDParts(mid)
		if !good {
			continue
		}
		for _, id := range readers {
			d, err := tx.DeliveryTo(ctx, IssueID(issue), id)
			if ok, err = found(err); err != nil {
				return l, false, err
			}
			if ok && keys.IsMessageID(mid, issue, int64(d.ID)) {
				return letterBack{delivery: d}, true, nil
			}
			notices, err := tx.NoticesTo(ctx, id, 50)
			if err != nil {
				return l, false, err
			}
			for _, n := range notices {
				if keys.IsMessageID(mid, issue, -int64(n.ID)) {
					return letterBack{notice: n}, true, nil
				}
			}
		}
	}
	return l, false, nil
}

// named lists the readers whom the report could mean, at most a few.
func (s *Service) named(ctx context.Context, tx Tx, f Feedback) ([]SubscriberID, error) {
	var ids []SubscriberID
	if id, err := s.opt.Keys().VerifyMailto("u+" + f.OptOut + "@"); err == nil {
		ids = append(ids, id)
	}
	for n, e := range f.Emails {
		a, err := ParseAddress(e)
		if err != nil || n >= 8 {
			continue
		}
		sub, err := tx.SubscriberByKey(ctx, s.keyOf(a))
		known, err := found(err)
		if err != nil {
			return nil, err
		}
		if known {
			ids = append(ids, sub.ID)
		}
	}
	return ids, nil
}

// byAddress is for providers that proved themselves: the newest letter that was handed over to the address.
func (s *Service) byAddress(ctx context.Context, tx Tx, f Feedback) (l letterBack, ok bool, err error) {
	if !f.Proven {
		return l, false, nil
	}
	f.OptOut = ""
	readers, err := s.named(ctx, tx, f)
	if err != nil {
		return l, false, err
	}
	for _, id := range readers {
		letters, err := tx.DeliveriesOf(ctx, id, 5)
		if err != nil {
			return l, false, err
		}
		for _, d := range letters {
			if !d.FirstAt.IsZero() && names(f, d.Email) {
				return letterBack{delivery: d}, true, nil
			}
		}
		notices, err := tx.NoticesTo(ctx, id, 1)
		if err != nil {
			return l, false, err
		}
		for _, n := range notices {
			if n.Attempts > 0 && names(f, n.Email) {
				return letterBack{notice: n}, true, nil
			}
		}
	}
	return l, false, nil
}

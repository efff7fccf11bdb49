package db_test

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"time"

	"techissue/db"
	"techissue/newsletter"
)

func TestLimits(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		take := func(name string, at time.Time) (n int) {
			s.Helper()
			s.do(func(tx newsletter.Tx) (err error) { n, err = tx.Take(s.ctx, name, time.Hour, at); return err })
			return n
		}
		last := func(name string) time.Time {
			return read(s, func(tx newsletter.Tx) (time.Time, error) { return tx.LastTaken(s.ctx, name) })
		}
		if !last("a").IsZero() {
			s.Error("a limit never used was used")
		}
		got := []int{take("a", t0), take("a", t0.Add(59*time.Minute)), take("b", t0), take("a", t0.Add(time.Hour)), take("a", t0.Add(61*time.Minute))}
		equal(s, "uses in their windows", got, []int{1, 2, 1, 1, 2})
		equal(s, "last used", last("a"), t0.Add(61*time.Minute))
		var all sync.WaitGroup
		for range 8 { // two at once never get the same number
			all.Go(func() {
				if err := s.Update(s.ctx, func(tx newsletter.Tx) error { _, err := tx.Take(s.ctx, "c", time.Hour, t0); return err }); err != nil {
					s.Error(err)
				}
			})
		}
		all.Wait()
		if n := take("c", t0); n != 9 {
			s.Errorf("8 at once count as %d", n-1)
		}
	})
}

func TestGrantsWorkOnce(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		g := newsletter.Grant{Kind: newsletter.GrantAddress, Subscriber: 7, Detail: "new@example.com", CreatedAt: t0, ExpiresAt: t0.Add(time.Hour)}
		s.do(func(tx newsletter.Tx) error { return tx.PutGrant(s.ctx, &g) })
		equal(s, "read", read(s, func(tx newsletter.Tx) (newsletter.Grant, error) { return tx.Grant(s.ctx, g.ID) }), g)
		g.UsedAt = t0.Add(time.Minute)
		s.do(func(tx newsletter.Tx) error { return tx.PutGrant(s.ctx, &g) })
		s.refused(newsletter.Gone, func(tx newsletter.Tx) error { return tx.PutGrant(s.ctx, &g) })
		equal(s, "used", read(s, func(tx newsletter.Tx) (newsletter.Grant, error) { return tx.Grant(s.ctx, g.ID) }), g)
		missing(s, func(tx newsletter.Tx) (newsletter.Grant, error) { return tx.Grant(s.ctx, 99) })
	})
}

func TestLedgerAndTimeline(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		sub, other := s.put("a@example.com", newsletter.Active), s.put("b@example.com", newsletter.Active)
		c := newsletter.Consent{
			Subscriber: sub.ID, AddrKey: sub.AddrKey, Kind: newsletter.ConsentAd, Granted: true, TextVersion: newsletter.ConsentVersion, At: t0,
			IP: "2001:db8::1", Form: "site", Source: "엑셀 파일", Confirmed: "mail",
		}
		withdrawn := c
		withdrawn.Granted, withdrawn.At = false, t0.Add(-time.Hour)
		foreign := c
		foreign.Subscriber = other.ID
		e := newsletter.Event{Subscriber: sub.ID, Kind: "renamed", Detail: "'새 이름'", At: t0}
		later, strange := e, e
		later.Kind, strange.Subscriber = "paused", other.ID
		s.do(func(tx newsletter.Tx) error {
			for _, err := range []error{
				tx.AddConsent(s.ctx, c), tx.AddConsents(s.ctx, []newsletter.Consent{withdrawn, foreign}), tx.AddConsents(s.ctx, nil),
				tx.AddEvent(s.ctx, e), tx.AddEvents(s.ctx, []newsletter.Event{later, strange}), tx.AddEvents(s.ctx, nil),
			} {
				if err != nil {
					return err
				}
			}
			return nil
		})
		ledger := read(s, func(tx newsletter.Tx) ([]newsletter.Consent, error) { return tx.Consents(s.ctx, sub.ID) })
		events := read(s, func(tx newsletter.Tx) ([]newsletter.Event, error) { return tx.Events(s.ctx, sub.ID) })
		for n := range ledger {
			ledger[n].ID = 0
		}
		for n := range events {
			events[n].ID = 0
		}
		equal(s, "ledger in the order of writing", ledger, []newsletter.Consent{c, withdrawn})
		equal(s, "timeline", events, []newsletter.Event{e, later})
		equal(s, "nobody's", read(s, func(tx newsletter.Tx) ([]newsletter.Event, error) { return tx.Events(s.ctx, 99) }), []newsletter.Event(nil))
	})
}

func TestSettingsKeysRevisionOutbox(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		for _, value := range []string{"첫째", "둘째 'x'"} {
			s.do(func(tx newsletter.Tx) error { return tx.PutSetting(s.ctx, "site_name", value, t0) })
		}
		equal(s, "settings", read(s, func(tx newsletter.Tx) (map[string]string, error) { return tx.Settings(s.ctx) }), map[string]string{"site_name": "둘째 'x'"})

		k := newsletter.TokenKey{ID: "k1", Purpose: "unsubscribe", Key: []byte{0, 1, 255}}
		changed := k
		changed.Key = []byte("other")
		second := newsletter.TokenKey{ID: "k1", Purpose: "confirm", Key: []byte("c")}
		for _, key := range []newsletter.TokenKey{k, changed, second} {
			s.do(func(tx newsletter.Tx) error { return tx.PutTokenKey(s.ctx, key) })
		}
		keys := read(s, func(tx newsletter.Tx) ([]newsletter.TokenKey, error) { return tx.TokenKeys(s.ctx) })
		equal(s, "an existing key stays as it is", keys, []newsletter.TokenKey{second, k})

		var made [3][]byte
		var all sync.WaitGroup
		for n := range made { // whoever comes first makes it
			all.Go(func() {
				err := s.Update(s.ctx, func(tx newsletter.Tx) (err error) { made[n], err = tx.AddressHashKey(s.ctx); return err })
				if err != nil {
					s.Error(err)
				}
			})
		}
		all.Wait()
		again := read(s, func(tx newsletter.Tx) ([]byte, error) { return tx.AddressHashKey(s.ctx) })
		if len(again) != 32 || !bytes.Equal(made[0], again) || !bytes.Equal(made[1], again) || !bytes.Equal(made[2], again) {
			s.Errorf("keys %x, then %x", made, again)
		}

		revision := func() int64 { return read(s, func(tx newsletter.Tx) (int64, error) { return tx.Revision(s.ctx) }) }
		was := revision()
		s.do(func(tx newsletter.Tx) error { return tx.BumpRevision(s.ctx) })
		if now := revision(); now != was+1 {
			s.Errorf("revision %d after %d", now, was)
		}

		s.refused(newsletter.Forbidden, func(tx newsletter.Tx) error {
			if err := tx.Emit(s.ctx, "undone", "{}", t0); err != nil {
				return err
			}
			return &newsletter.Error{Kind: newsletter.Forbidden}
		})
		s.do(func(tx newsletter.Tx) error { return tx.Emit(s.ctx, "issue.done", `{"number":1}`, t0) })
		if n := s.number(`SELECT COUNT(*) FROM outbox WHERE kind = 'issue.done' AND payload = ? AND at = ? AND done_at IS NULL`, `{"number":1}`, db.MS(t0)); n != 1 {
			s.Errorf("%d events", n)
		}
		if n := s.number(`SELECT COUNT(*) FROM outbox`); n != 1 {
			s.Errorf("%d events: one of a change that was undone", n)
		}
	})
}

func TestImports(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		i := newsletter.Import{State: "running", File: "명단.csv", Format: "stibee", As: newsletter.ImportActive, ConsentSource: "행사 신청서", DryRun: true, CreatedAt: t0}
		s.do(func(tx newsletter.Tx) error { return tx.PutImport(s.ctx, &i) })
		i.State, i.Rows, i.Created, i.Updated, i.Unsubscribed, i.Rejected, i.Error, i.DoneAt, i.Format = "done", 9, 4, 3, 1, 2, "끝", t0.Add(time.Hour), "plain"
		s.do(func(tx newsletter.Tx) error { return tx.PutImport(s.ctx, &i) })
		equal(s, "read", read(s, func(tx newsletter.Tx) (newsletter.Import, error) { return tx.Import(s.ctx, i.ID) }), i)
		missing(s, func(tx newsletter.Tx) (newsletter.Import, error) { return tx.Import(s.ctx, 99) })
		s.refused(newsletter.NotFound, func(tx newsletter.Tx) error { return tx.PutImport(s.ctx, &newsletter.Import{ID: 99, State: "done"}) })

		lines := []newsletter.Reject{{Line: 2, Value: "a@b", Reason: "왜"}, {Line: 3, Value: "", Reason: "빈 줄"}, {Line: 9, Value: "z", Reason: "z"}}
		s.do(func(tx newsletter.Tx) error { return tx.AddRejects(s.ctx, i.ID, lines) })
		s.do(func(tx newsletter.Tx) error { // a chunk that runs again
			return tx.AddRejects(s.ctx, i.ID, []newsletter.Reject{{Line: 3, Value: "other", Reason: "other"}})
		})
		list := func(after int64, limit int) []newsletter.Reject {
			return read(s, func(tx newsletter.Tx) ([]newsletter.Reject, error) { return tx.Rejects(s.ctx, i.ID, after, limit) })
		}
		equal(s, "all", list(0, 100), lines)
		equal(s, "limit + 1", list(0, 1), lines[:2])
		equal(s, "behind a line", list(3, 1), lines[2:])
	})
}

func TestImportKnowsAndInserts(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		sub := s.put("both@example.com", newsletter.Active, func(sub *newsletter.Subscriber) { sub.Tags = []string{"가", "나"} })
		stranger := reader(s.T, "blocked@example.com", newsletter.Active)
		p, sp := s.block(sub, newsletter.SuppressedHard), s.block(stranger, newsletter.SuppressedManual)
		left := newsletter.Leaver{Key: sub.AddrKey, At: t0.Add(time.Hour), Kind: "returned"}
		s.do(func(tx newsletter.Tx) error {
			return tx.AddLeavers(s.ctx, []newsletter.Leaver{{Key: sub.AddrKey, At: t0, Kind: "erased"}, left})
		})
		sub.Suppression = newsletter.SuppressedHard
		keys := []newsletter.AddressKey{sub.AddrKey, "nobody", stranger.AddrKey}
		known := read(s, func(tx newsletter.Tx) (map[newsletter.AddressKey]newsletter.Known, error) {
			return tx.Known(s.ctx, keys)
		})
		equal(s, "known", known, map[newsletter.AddressKey]newsletter.Known{sub.AddrKey: {Subscriber: sub, Suppression: p, Left: left}, stranger.AddrKey: {Suppression: sp}})
		none := read(s, func(tx newsletter.Tx) (map[newsletter.AddressKey]newsletter.Known, error) {
			return tx.Known(s.ctx, nil)
		})
		equal(s, "none", none, map[newsletter.AddressKey]newsletter.Known{})

		many := make([]newsletter.Subscriber, 1234)
		for n := range many {
			many[n] = reader(s.T, "m"+string(rune('a'+n%26))+string(rune('a'+n/26%26))+string(rune('a'+n/676))+"@example.com", newsletter.Active)
			many[n].Tags = [][]string{nil, {"가"}, {"가", "나"}}[n%3]
		}
		s.do(func(tx newsletter.Tx) error { return tx.InsertSubscribers(s.ctx, many) })
		for _, n := range []int{0, 1, 99, 100, 1229, 1233} {
			equal(s, "inserted", read(s, func(tx newsletter.Tx) (newsletter.Subscriber, error) {
				return tx.SubscriberByKey(s.ctx, many[n].AddrKey)
			}), many[n])
		}
		if slices.ContainsFunc(many, func(sub newsletter.Subscriber) bool { return sub.ID == 0 }) {
			s.Error("a reader got no id")
		}
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error {
			return tx.InsertSubscribers(s.ctx, []newsletter.Subscriber{reader(s.T, "fresh@example.com", newsletter.Active), many[5]})
		})
		missing(s, func(tx newsletter.Tx) (newsletter.Subscriber, error) {
			return tx.SubscriberByKey(s.ctx, reader(s.T, "fresh@example.com", newsletter.Active).AddrKey)
		})
	})
}

func TestNotices(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		n := newsletter.Notice{
			Kind: newsletter.NoticeConfirm, Subscriber: 3, Email: "a@example.com", DueAt: t0.Add(time.Hour), CreatedAt: t0,
			Payload: newsletter.NoticePayload{Name: "민지 <b>", Grant: 4, Expires: t0, Subject: "제목", Again: true},
		}
		s.do(func(tx newsletter.Tx) error { return tx.QueueNotice(s.ctx, &n) })
		if n.State != newsletter.Queued {
			s.Errorf("state %q", n.State)
		}
		equal(s, "read", read(s, func(tx newsletter.Tx) (newsletter.Notice, error) { return tx.Notice(s.ctx, n.ID) }), n)
		missing(s, func(tx newsletter.Tx) (newsletter.Notice, error) { return tx.Notice(s.ctx, 99) })
		other := newsletter.Notice{Kind: newsletter.NoticeTest, Email: "b@example.com", DueAt: t0, CreatedAt: t0}
		s.do(func(tx newsletter.Tx) error { return tx.QueueNotice(s.ctx, &other) })
		list := func(kind newsletter.NoticeKind, limit int) []newsletter.Notice {
			return read(s, func(tx newsletter.Tx) ([]newsletter.Notice, error) { return tx.Notices(s.ctx, kind, limit) })
		}
		equal(s, "newest first", list("", 9), []newsletter.Notice{other, n})
		equal(s, "of a kind", list(newsletter.NoticeConfirm, 9), []newsletter.Notice{n})
		equal(s, "limit + 1", list("", 0), []newsletter.Notice{other})
	})
}

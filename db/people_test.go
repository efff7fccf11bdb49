package db_test

import (
	"fmt"
	"testing"
	"time"

	"techissue/newsletter"
)

func TestAdmins(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		owner := newsletter.Admin{Email: address(s, "owner@example.com"), Role: newsletter.Owner, PasswordHash: "$argon2id$", CreatedAt: t0}
		editor := newsletter.Admin{Email: address(s, "editor@example.com"), Role: newsletter.Editor, CreatedAt: t0}
		for _, a := range []*newsletter.Admin{&owner, &editor} {
			s.do(func(tx newsletter.Tx) error { return tx.PutAdmin(s.ctx, a) })
		}
		editor.LastLoginAt, editor.PasswordHash, editor.Email = t0.Add(time.Hour), "new", address(s, "chief@example.com")
		s.do(func(tx newsletter.Tx) error { return tx.PutAdmin(s.ctx, &editor) })
		equal(s, "all", read(s, func(tx newsletter.Tx) ([]newsletter.Admin, error) { return tx.Admins(s.ctx) }), []newsletter.Admin{owner, editor})
		equal(s, "by id", read(s, func(tx newsletter.Tx) (newsletter.Admin, error) { return tx.Admin(s.ctx, editor.ID) }), editor)
		equal(s, "by address", read(s, func(tx newsletter.Tx) (newsletter.Admin, error) { return tx.AdminByEmail(s.ctx, editor.Email) }), editor)
		missing(s, func(tx newsletter.Tx) (newsletter.Admin, error) { return tx.Admin(s.ctx, 99) })
		missing(s, func(tx newsletter.Tx) (newsletter.Admin, error) {
			return tx.AdminByEmail(s.ctx, address(s, "editor@example.com"))
		})
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error {
			return tx.PutAdmin(s.ctx, &newsletter.Admin{Email: owner.Email, Role: newsletter.Editor, CreatedAt: t0})
		})
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error { a := editor; a.Email = owner.Email; return tx.PutAdmin(s.ctx, &a) })
		s.refused(newsletter.NotFound, func(tx newsletter.Tx) error {
			a := editor
			a.ID = 99
			a.Email = address(s, "x@example.com")
			return tx.PutAdmin(s.ctx, &a)
		})
	})
}

func TestSessions(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		var admins [2]newsletter.Admin
		for n := range admins {
			admins[n] = newsletter.Admin{Email: address(s, fmt.Sprintf("a%d@example.com", n)), Role: newsletter.Owner, CreatedAt: t0}
			s.do(func(tx newsletter.Tx) error { return tx.PutAdmin(s.ctx, &admins[n]) })
		}
		session := func(hash string, admin newsletter.AdminID, seen time.Time) newsletter.Session {
			one := newsletter.Session{Hash: hash, Admin: admin, CreatedAt: t0, SeenAt: seen, IP: "192.0.2.1", Agent: "브라우저"}
			s.do(func(tx newsletter.Tx) error { return tx.PutSession(s.ctx, one) })
			return one
		}
		a, b, c := session("a", admins[0].ID, t0), session("b", admins[0].ID, t0.Add(time.Hour)), session("c", admins[1].ID, t0)
		list := func(id newsletter.AdminID) []newsletter.Session {
			return read(s, func(tx newsletter.Tx) ([]newsletter.Session, error) { return tx.Sessions(s.ctx, id) })
		}
		equal(s, "newest first", list(admins[0].ID), []newsletter.Session{b, a})
		seen := a
		seen.SeenAt, seen.CreatedAt, seen.IP = t0.Add(2*time.Hour), t0.Add(time.Hour), "192.0.2.9"
		s.do(func(tx newsletter.Tx) error { return tx.PutSession(s.ctx, seen) })
		a.SeenAt = seen.SeenAt // the rest is of its beginning
		equal(s, "seen again", read(s, func(tx newsletter.Tx) (newsletter.Session, error) { return tx.Session(s.ctx, "a") }), a)
		s.do(func(tx newsletter.Tx) error { return tx.DeleteSession(s.ctx, "b") })
		s.do(func(tx newsletter.Tx) error { return tx.DeleteSession(s.ctx, "b") }) // signing out twice is no fault
		missing(s, func(tx newsletter.Tx) (newsletter.Session, error) { return tx.Session(s.ctx, "b") })
		s.do(func(tx newsletter.Tx) error { return tx.DeleteSessions(s.ctx, admins[0].ID) })
		equal(s, "signed out", list(admins[0].ID), []newsletter.Session(nil))
		equal(s, "the other", list(admins[1].ID), []newsletter.Session{c})
		s.do(func(tx newsletter.Tx) error { return tx.DeleteSessions(s.ctx, 0) })
		equal(s, "everybody", list(admins[1].ID), []newsletter.Session(nil))
	})
}

func TestAPIKeys(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		k := newsletter.APIKey{Name: "자동화", Hash: "h", Scopes: []newsletter.Scope{newsletter.ScopeIssuesRead, newsletter.ScopeAll}, CreatedAt: t0, ExpiresAt: t0.Add(time.Hour)}
		s.do(func(tx newsletter.Tx) error { return tx.PutAPIKey(s.ctx, &k) })
		k.LastUsedAt, k.RevokedAt, k.ExpiresAt = t0.Add(1e9), t0.Add(2e9), time.Time{}
		s.do(func(tx newsletter.Tx) error { return tx.PutAPIKey(s.ctx, &k) })
		equal(s, "by hash", read(s, func(tx newsletter.Tx) (newsletter.APIKey, error) { return tx.APIKeyByHash(s.ctx, "h") }), k)
		equal(s, "all, revoked ones too", read(s, func(tx newsletter.Tx) ([]newsletter.APIKey, error) { return tx.APIKeys(s.ctx) }), []newsletter.APIKey{k})
		missing(s, func(tx newsletter.Tx) (newsletter.APIKey, error) { return tx.APIKeyByHash(s.ctx, "H") })
		s.refused(newsletter.NotFound, func(tx newsletter.Tx) error { return tx.PutAPIKey(s.ctx, &newsletter.APIKey{ID: 99}) })
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error { return tx.PutAPIKey(s.ctx, &newsletter.APIKey{Hash: "h", CreatedAt: t0}) })
	})
}

func TestAuditLog(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		for n := range 5 {
			s.do(func(tx newsletter.Tx) error {
				return tx.Audit(s.ctx, newsletter.AuditEntry{At: t0, Actor: "admin:1", Action: "send", Object: fmt.Sprint("issue:", n), Detail: "자세히", IP: "::1"})
			})
		}
		for _, limit := range []int{1, 2, 100} {
			got := pages(s, limit, func(e newsletter.AuditEntry) int64 { return e.ID }, func(tx newsletter.Tx, cursor int64) ([]newsletter.AuditEntry, error) {
				return tx.AuditLog(s.ctx, cursor, limit)
			})
			equal(s, "newest first", each2(got, func(e newsletter.AuditEntry) string { return e.Object }), []string{"issue:4", "issue:3", "issue:2", "issue:1", "issue:0"})
			got[0].ID = 0
			equal(s, "whole", got[0], newsletter.AuditEntry{At: t0, Actor: "admin:1", Action: "send", Object: "issue:4", Detail: "자세히", IP: "::1"})
		}
	})
}

func TestReplays(t *testing.T) {
	eachShelf(t, func(s *shelf) {
		r := newsletter.Replay{Key: "key:1 가", BodyHash: "h", Status: 201, Header: "/x", Body: []byte{0, 0xff, '{'}, At: t0}
		empty := newsletter.Replay{Key: "2", Status: 204, At: t0.Add(time.Hour)}
		s.do(func(tx newsletter.Tx) error { return tx.PutReplay(s.ctx, r) })
		s.do(func(tx newsletter.Tx) error { return tx.PutReplay(s.ctx, empty) })
		get := func(key string) newsletter.Replay {
			return read(s, func(tx newsletter.Tx) (newsletter.Replay, error) { return tx.Replay(s.ctx, key) })
		}
		equal(s, "remembered", get(r.Key), r)
		s.refused(newsletter.Conflict, func(tx newsletter.Tx) error { return tx.PutReplay(s.ctx, newsletter.Replay{Key: r.Key, At: t0}) })
		equal(s, "the first stays", get(r.Key), r)
		s.do(func(tx newsletter.Tx) error { return tx.DropReplays(s.ctx, t0.Add(time.Hour)) })
		missing(s, func(tx newsletter.Tx) (newsletter.Replay, error) { return tx.Replay(s.ctx, r.Key) })
		if got := get("2"); got.Status != 204 || len(got.Body) != 0 {
			s.Errorf("%+v", got)
		}
	})
}

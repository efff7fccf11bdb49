package newsletter_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"techissue/db/dbtest"
	"techissue/newsletter"
)

const goodPassword = "바다가 보이는 창가"

func (k *desk) addAdmin(email string, role newsletter.Role) newsletter.Admin {
	k.t.Helper()
	a, err := k.CreateAdmin(k.t.Context(), "cli", email, role, goodPassword)
	k.must(err)
	return a
}

func (k *desk) login(email, password, ip string) (string, error) {
	token, _, err := k.Login(k.t.Context(), email, password, ip, "Firefox")
	return token, err
}

func TestSetupHappensOnce(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		token, err := k.SetupToken(ctx)
		k.must(err)
		_, err = k.CompleteSetup(ctx, token, "owner@example", "short", "203.0.113.1")
		wantFaults(t, err, "email", "password")
		_, err = k.CompleteSetup(ctx, token+"x", "owner@example.com", goodPassword, "203.0.113.1")
		wantError(t, err, newsletter.NotFound, "bad_token")
		_, _, err = k.Enter(ctx, token, "", "")
		wantError(t, err, newsletter.NotFound, "bad_token")

		a, err := k.CompleteSetup(ctx, token, "Owner@Example.com", goodPassword, "203.0.113.1")
		k.must(err)
		if a.Role != newsletter.Owner || a.Email.String() != "owner@example.com" {
			t.Errorf("made %+v", a)
		}
		_, err = k.CompleteSetup(ctx, token, "second@example.com", goodPassword, "203.0.113.1")
		wantError(t, err, newsletter.Conflict, "setup_closed")
		_, err = k.SetupToken(ctx)
		wantError(t, err, newsletter.Conflict, "setup_closed")
		if k.audited("setup") != 1 {
			t.Error("setup is not in the audit log")
		}
	})
}

func TestSetupTokenIsGoodFor30Minutes(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	token, err := k.SetupToken(t.Context())
	k.must(err)
	k.clock.add(30 * time.Minute)
	_, err = k.CompleteSetup(t.Context(), token, "owner@example.com", goodPassword, "")
	wantError(t, err, newsletter.Gone, "expired")
}

func TestEnterTheDemo(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	_, err := k.EnterToken(t.Context())
	wantError(t, err, newsletter.NotFound, "")
	owner := k.addAdmin("owner@example.com", newsletter.Owner)
	token, err := k.EnterToken(t.Context())
	k.must(err)
	session, a, err := k.Enter(t.Context(), token, "127.0.0.1", "Firefox")
	k.must(err)
	who, _, err := k.Authenticate(t.Context(), session)
	k.must(err)
	if a.ID != owner.ID || who.ID != owner.ID {
		t.Errorf("entered as %d", a.ID)
	}
	_, err = k.CompleteSetup(t.Context(), token, "thief@example.com", goodPassword, "")
	wantError(t, err, newsletter.NotFound, "bad_token")
}

func TestPasswordRules(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	for _, c := range []struct {
		password string
		good     bool
	}{
		{goodPassword, true}, {"correct horse battery staple", true}, {"xK4!mq9z", true}, {strings.Repeat("가나다 ", 32), true},
		{"짧은비밀", false}, {"1234567", false}, {strings.Repeat("x1", 65), false}, {"password", false}, {"Password1!", false},
		{"12345678", false}, {"23456789", false}, {"qwertyuiop", false}, {"1q2w3e4r", false}, {"dkssudgktpdy", false}, {"tkfkdgo1234", false},
		{"abababab", false}, {"ㅋㅋㅋㅋㅋㅋㅋㅋ", false}, {"owner@example.com", false}, {"techissue1", false}, {"비밀번호1234", false}, {"bad\xff\xfebytes", false},
	} {
		_, err := k.CreateAdmin(t.Context(), "cli", "owner@example.com", newsletter.Owner, c.password)
		if good := newsletter.KindOf(err) != newsletter.Invalid; good != c.good {
			t.Errorf("%q: %v", c.password, err)
		}
	}
}

func TestLogin(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		a := k.addAdmin("owner@example.com", newsletter.Owner)
		token, err := k.login("OWNER@example.com ", norm.NFD.String(goodPassword), "203.0.113.1")
		k.must(err)
		who, session, err := k.Authenticate(t.Context(), token)
		k.must(err)
		if who.ID != a.ID || session.Agent != "Firefox" || session.IP != "203.0.113.1" || len(token) < 26 {
			t.Errorf("signed in as %+v with %+v", who, session)
		}
		if strings.Contains(session.Hash, token) || len(session.Hash) != 64 {
			t.Error("the token itself is stored")
		}
		var msgs []string
		for _, try := range [][2]string{{"owner@example.com", "wrong password"}, {"nobody@example.com", goodPassword}, {"no address", goodPassword}} {
			_, err := k.login(try[0], try[1], "203.0.113.2")
			wantError(t, err, newsletter.Unauthorized, "")
			msgs = append(msgs, err.Error())
		}
		if msgs[0] != msgs[1] || msgs[1] != msgs[2] || !strings.Contains(msgs[0], "이메일이나 비밀번호가 맞지 않아요.") {
			t.Errorf("the answers tell accounts apart: %q", msgs)
		}
		if k.audited("login") != 1 || k.audited("login_failed") != 3 {
			t.Error("the audit log does not show who came and who did not")
		}
	})
}

func TestLoginChecksAHashForUnknownAccountsToo(t *testing.T) {
	t.Parallel()
	p := &clearPasswords{}
	k := openDesk(t, dbtest.New(t), p)
	k.addAdmin("owner@example.com", newsletter.Owner)
	for _, email := range []string{"owner@example.com", "nobody@example.com", "no address", ""} {
		_, err := k.login(email, "wrong password", "203.0.113.1")
		wantError(t, err, newsletter.Unauthorized, "")
	}
	if len(p.checks) != 4 {
		t.Errorf("%d of 4 attempts cost a hash", len(p.checks))
	}
}

func TestLoginRenewsWeakHashes(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	a := k.addAdmin("owner@example.com", newsletter.Owner)
	a.PasswordHash = "old " + a.PasswordHash
	k.must(k.store.Update(t.Context(), func(tx newsletter.Tx) error { return tx.PutAdmin(t.Context(), &a) }))
	_, err := k.login("owner@example.com", goodPassword, "")
	k.must(err)
	people, err := k.Admins(t.Context())
	k.must(err)
	if people[0].PasswordHash != "hash of "+norm.NFC.String(goodPassword) {
		t.Errorf("the hash is still %q", people[0].PasswordHash)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		k.addAdmin("owner@example.com", newsletter.Owner)
		guess := func(ip string) (waits int) {
			for range 50 {
				if _, err := k.login("owner@example.com", "wrong password", ip); newsletter.KindOf(err) == newsletter.TooMany {
					waits++
				}
			}
			return waits
		}
		if waits := guess("203.0.113.66"); waits != 45 {
			t.Errorf("%d of 50 guesses had to wait", waits)
		}
		_, err := k.login("owner@example.com", goodPassword, "203.0.113.66")
		var e *newsletter.Error
		if !errors.As(err, &e) || e.Kind != newsletter.TooMany || e.After != 10*time.Second {
			t.Fatalf("the right password in between: %v", err)
		}

		again := openDesk(t, k.store.DB, nil) // a restart forgives nothing
		_, err = again.login("owner@example.com", goodPassword, "203.0.113.67")
		wantError(t, err, newsletter.TooMany, "login_wait")

		k.clock.add(11 * time.Second) // and nobody is locked out for good
		_, err = k.login("owner@example.com", goodPassword, "203.0.113.1")
		k.must(err)
		if waits := guess("203.0.113.66"); waits == 0 {
			t.Error("a sign-in of the owner let the guesser go on")
		}
		_, err = k.login("owner@example.com", goodPassword, "203.0.113.1") // where the owner has been before
		k.must(err)
	})
}

func TestGuessingOverManyAccountsIsSlowedDownByNetwork(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	waits := 0
	for n := range 30 {
		email := strings.Repeat("a", n+1) + "@example.com"
		if _, err := k.login(email, "wrong password", "2001:db8:1:2::"+string(rune('1'+n%9))); newsletter.KindOf(err) == newsletter.TooMany {
			waits++
		}
	}
	if waits != 10 {
		t.Errorf("%d of 30 guesses from one /64 had to wait", waits)
	}
}

func TestGuessingAtOnceGetsNoFurther(t *testing.T) {
	t.Parallel()
	p := &clearPasswords{}
	k := openDesk(t, dbtest.New(t), p)
	k.addAdmin("owner@example.com", newsletter.Owner)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() { _, _ = k.login("owner@example.com", "wrong password", "203.0.113.1") })
	}
	all.Wait()
	if len(p.checks) != 5 {
		t.Errorf("40 guesses at once had %d tried", len(p.checks))
	}
}

func TestSessionsEnd(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		k.addAdmin("owner@example.com", newsletter.Owner)
		k.addAdmin("editor@example.com", newsletter.Editor)
		in := func(email string) string {
			t.Helper()
			token, err := k.login(email, goodPassword, "")
			k.must(err)
			return token
		}
		ended := func(token string) {
			t.Helper()
			_, _, err := k.Authenticate(ctx, token)
			wantError(t, err, newsletter.Unauthorized, "")
		}
		alive := func(token string) {
			t.Helper()
			_, _, err := k.Authenticate(ctx, token)
			k.must(err)
		}

		one, two, other := in("owner@example.com"), in("owner@example.com"), in("editor@example.com")
		k.must(k.Logout(ctx, one, "admin:1"))
		k.must(k.Logout(ctx, one, "admin:1"))
		ended(one)
		alive(two)
		k.must(k.ResetPassword(ctx, "cli", "owner@example.com", "another long password"))
		ended(two)
		alive(other)
		k.must(k.RevokeSessions(ctx, "cli", ""))
		ended(other)
		wantError(t, k.RevokeSessions(ctx, "cli", "nobody@example.com"), newsletter.NotFound, "")

		idle := in("editor@example.com")
		for range 13 { // used every hour, it lives on
			k.clock.add(time.Hour)
			alive(idle)
		}
		k.clock.add(12 * time.Hour)
		ended(idle)
		old := in("editor@example.com")
		for range 28 {
			k.clock.add(11 * time.Hour)
			alive(old)
		}
		for range 3 {
			k.clock.add(11 * time.Hour)
		}
		ended(old)
		ended("")
		if _, err := k.login("owner@example.com", goodPassword, ""); newsletter.KindOf(err) != newsletter.Unauthorized {
			t.Errorf("the old password: %v", err)
		}
	})
}

func TestOwnersAreTold(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	k.addAdmin("owner@example.com", newsletter.Owner)
	if n := len(k.notices(newsletter.NoticeAlert)); n != 0 {
		t.Errorf("the first owner got %d letters about himself", n)
	}
	k.addAdmin("editor@example.com", newsletter.Editor)
	k.must(k.ResetPassword(t.Context(), "cli", "editor@example.com", "another long password"))
	for _, n := range k.notices(newsletter.NoticeAlert) {
		if n.Email != "owner@example.com" || n.Payload.Subject == "" {
			t.Errorf("a letter to %s: %+v", n.Email, n.Payload)
		}
	}
	if n := len(k.notices(newsletter.NoticeAlert)); n != 2 {
		t.Errorf("the owner got %d letters", n)
	}
	_, err := k.CreateAdmin(t.Context(), "cli", "EDITOR@example.com", newsletter.Editor, goodPassword)
	wantError(t, err, newsletter.Conflict, "exists")
	_, err = k.CreateAdmin(t.Context(), "cli", "x@example.com", "king", goodPassword)
	wantFaults(t, err, "role")
	wantError(t, k.ResetPassword(t.Context(), "cli", "nobody@example.com", goodPassword), newsletter.NotFound, "")
}

func TestAPIKeys(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		plain, key, err := k.CreateKey(ctx, "admin:1", "블로그", []newsletter.Scope{"articles:write", "links:write", "links:write"}, time.Time{})
		k.must(err)
		if !strings.HasPrefix(plain, "ti_") || len(plain) != 43 || strings.Contains(key.Hash, plain) {
			t.Errorf("made %q with hash %q", plain, key.Hash)
		}
		got, err := k.AuthenticateKey(ctx, plain)
		k.must(err)
		if got.ID != key.ID || !got.Allows("links:write") || got.Allows("issues:send") || got.LastUsedAt != dbtest.Start {
			t.Errorf("authenticated %+v", got)
		}
		k.clock.add(59 * time.Second)
		got, err = k.AuthenticateKey(ctx, plain)
		k.must(err)
		if got.LastUsedAt != dbtest.Start {
			t.Error("a second use within the minute was written")
		}
		for _, bad := range []string{"", "ti_", plain[:42], plain + "x", "TI_" + plain[3:], "ti_" + strings.Repeat("a", 40)} {
			_, err := k.AuthenticateKey(ctx, bad)
			wantError(t, err, newsletter.Unauthorized, "")
		}
		k.must(k.RevokeKey(ctx, "admin:1", key.ID))
		k.must(k.RevokeKey(ctx, "admin:1", key.ID))
		_, err = k.AuthenticateKey(ctx, plain)
		wantError(t, err, newsletter.Unauthorized, "")
		wantError(t, k.RevokeKey(ctx, "admin:1", 999), newsletter.NotFound, "")
		if k.audited("key_create") != 1 || k.audited("key_revoke") != 1 {
			t.Error("not audited once each")
		}

		soon, _, err := k.CreateKey(ctx, "admin:1", "잠깐", []newsletter.Scope{"all"}, k.clock.Now().Add(time.Hour))
		k.must(err)
		_, err = k.AuthenticateKey(ctx, soon)
		k.must(err)
		k.clock.add(time.Hour)
		_, err = k.AuthenticateKey(ctx, soon)
		wantError(t, err, newsletter.Unauthorized, "")

		third, _, err := k.CreateKey(ctx, "admin:1", "셋째", []newsletter.Scope{"all"}, time.Time{})
		k.must(err)
		k.must(k.RevokeAllKeys(ctx, "cli"))
		_, err = k.AuthenticateKey(ctx, third)
		wantError(t, err, newsletter.Unauthorized, "")

		_, _, err = k.CreateKey(ctx, "admin:1", "\n", []newsletter.Scope{"issues:write", "issues:eat"}, k.clock.Now())
		wantFaults(t, err, "name", "scopes", "expires")
		if !strings.Contains(err.Error(), "issues:eat") || strings.Contains(err.Error(), "이에요: issues:write") {
			t.Errorf("the unknown scope is not named: %v", err)
		}
		_, _, err = k.CreateKey(ctx, "admin:1", "x", nil, time.Time{})
		wantFaults(t, err, "scopes")
	})
}

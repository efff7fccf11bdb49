package main

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/db"
	"techissue/mailer"
	"techissue/mailer/smtptest"
	"techissue/newsletter"
)

// patient is a house in which nothing is wrong but what a test plants.
type patient struct {
	*doctor
	zone   zone
	smtp   *smtptest.Server
	site   http.HandlerFunc
	web    *httptest.Server
	letter string // the DKIM record
}

func newPatient(t *testing.T, more ...string) *patient {
	t.Helper()
	data := t.TempDir()
	pem, err := mailer.NewDKIMKey(true)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(data, "dkim.pem")
	if err := os.WriteFile(keyFile, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &patient{smtp: smtptest.New(t, smtptest.Config{User: "user", Password: "secret"})}
	p.site = func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusNotFound)
		}
	}
	p.web = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.site(w, r) }))
	t.Cleanup(p.web.Close)
	cfg, _, err := loadConfig(append([]string{
		prefix + "DATA=" + data, prefix + "BASE_URL=http://" + p.web.Listener.Addr().String(), prefix + "SMTP_URL=" + p.smtp.URL(), prefix + "FROM=테크잇슈 <letter@news.example>",
		prefix + "REPLY_TO=hello@news.example", prefix + "BOUNCE_DOMAIN=bounce.news.example", prefix + "DKIM_DOMAIN=news.example", prefix + "DKIM_SELECTOR=s1",
		prefix + "DKIM_KEY_FILE=" + keyFile, prefix + "LOG_LEVEL=error",
		prefix + "LEGAL_NAME=테크잇슈", prefix + "LEGAL_REPRESENTATIVE=이재훈", prefix + "LEGAL_ADDRESS=서울", prefix + "LEGAL_PHONE=02-1", prefix + "LEGAL_EMAIL=a@news.example",
	}, more...), filepath.Join(data, ".env"), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.letter, err = cfg.dkim.Record()
	if err != nil {
		t.Fatal(err)
	}
	p.zone = zone{
		"news.example MX": {"mx.news.example"}, "bounce.news.example MX": {"mx.news.example"}, "bounce.news.example TXT": {"v=spf1 a:mail.news.example -all"},
		"s1._domainkey.news.example TXT": {p.letter}, "_dmarc.news.example TXT": {"v=DMARC1; p=none"},
		"mail.news.example A": {"198.51.100.7"}, "7.100.51.198.in-addr.arpa PTR": {"mail.news.example"},
	}
	p.doctor = newDoctor(cfg, nil)
	p.synced = func() (bool, bool) { return true, true }
	return p
}

// examine opens the site and the name server, which a test's fault has changed by now, and runs the doctor.
func (p *patient) examine(t *testing.T) []check {
	t.Helper()
	if p.web.URL == "" {
		p.web.Start()
		p.resolver = serveDNS(t, p.zone)
	}
	return p.run(t.Context())
}

// house makes the database, with an owner.
func (p *patient) house(t *testing.T) *app {
	t.Helper()
	a, err := openApp(t.Context(), p.cfg, newLog(p.cfg), true)
	if err != nil {
		t.Fatal(err)
	}
	if has, _ := a.svc.HasAdmin(t.Context()); !has {
		if _, err := a.svc.CreateAdmin(t.Context(), actorCLI, "owner@news.example", newsletter.Owner, "한참-긴-비밀번호-하나"); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// find wants one line with the level and words in text and fix.
func (p *patient) find(t *testing.T, id, level, text, fix string) {
	t.Helper()
	checks := p.examine(t)
	n := slices.IndexFunc(checks, func(k check) bool { return k.ID == id })
	if n < 0 {
		t.Fatalf("no check %s in %v", id, checks)
	}
	k := checks[n]
	if k.Level != level || !strings.Contains(k.Text, text) || !strings.Contains(k.Fix, fix) {
		t.Errorf("%s is %s: %q → %q; want %s, %q → %q", id, k.Level, k.Text, k.Fix, level, text, fix)
	}
	if k.Level != levelOK && k.Fix == "" {
		t.Errorf("%s names no fix", id)
	}
}

func TestDoctorOnAHealthyHouse(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.house(t).close()
	checks := p.examine(t)
	ids := map[string]bool{}
	for _, k := range checks {
		ids[k.ID] = true
		expected := k.ID == "https" || k.ID == "feedback" || k.ID == "backup" // a loopback site; no way for bounces and no backup yet
		if k.Level == levelFail || k.Level == levelWarn && !expected {
			t.Errorf("%s: %s %s", k.ID, k.Level, k.Text)
		}
	}
	if len(ids) < 20 {
		t.Errorf("%d checks: %v", len(ids), slices.Sorted(maps.Keys(ids)))
	}
}

func TestDoctorOnAFreshHouse(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.find(t, "database", levelWarn, "does not exist yet", "techissue serve")
	if _, _, failed := levels(p.examine(t)); failed > 0 {
		t.Errorf("a fresh house fails: %v", p.checks)
	}
	if _, err := os.Stat(p.cfg.database()); err == nil {
		t.Error("looking made a database")
	}
}

// Each fault is planted, found, and its fix named.
func TestDoctorFindsFaults(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]struct {
		do                   func(t *testing.T, p *patient)
		id, level, text, fix string
	}{
		"no SPF": {func(_ *testing.T, p *patient) { delete(p.zone, "bounce.news.example TXT") }, "spf", levelFail, "no SPF record (bounce.news.example)", `bounce.news.example TXT "v=spf1 ip4:`},
		"two SPF": {func(_ *testing.T, p *patient) {
			p.zone["bounce.news.example TXT"] = []string{"v=spf1 a -all", "v=spf1 mx -all"}
		}, "spf", levelFail, "2 SPF records", "keep one"},
		"open SPF": {func(_ *testing.T, p *patient) { p.zone["bounce.news.example TXT"] = []string{"v=spf1 +all"} }, "spf", levelFail, "everybody", "v=spf1"},
		"long SPF": {func(_ *testing.T, p *patient) {
			p.zone["bounce.news.example TXT"] = []string{"v=spf1" + strings.Repeat(" a", 11) + " -all"}
		}, "spf", levelFail, "more than 10", "no longer used"},
		"relay's SPF": {func(_ *testing.T, p *patient) { p.cfg.relay.Host = "smtp.mailgun.org" }, "spf", levelWarn, "does not name the relay", "include:mailgun.org"},
		"DNS down":    {func(_ *testing.T, p *patient) { p.zone["bounce.news.example TXT"] = []string{"!"} }, "spf", levelWarn, "could not be looked up", "--dns"},
		"no DKIM":     {func(_ *testing.T, p *patient) { delete(p.zone, "s1._domainkey.news.example TXT") }, "dkim", levelFail, "no DKIM record", `s1._domainkey.news.example TXT "v=DKIM1; k=ed25519; p=`},
		"other DKIM": {func(_ *testing.T, p *patient) {
			p.zone["s1._domainkey.news.example TXT"] = []string{"v=DKIM1; k=ed25519; p=AAAA"}
		}, "dkim", levelFail, "another key", "v=DKIM1"},
		"unaligned": {func(t *testing.T, p *patient) {
			p.cfg.from.Address = "letter@other.example"
		}, "dkim", levelFail, "counts that as unsigned", "TECHISSUE_DKIM_DOMAIN=other.example"},
		"unsigned": {func(_ *testing.T, p *patient) { p.cfg.dkim = nil }, "dkim", levelWarn, "not signed here", "techissue dkim create"},
		"no DMARC": {func(_ *testing.T, p *patient) { delete(p.zone, "_dmarc.news.example TXT") }, "dmarc", levelFail, "no DMARC record", `_dmarc.news.example TXT "v=DMARC1; p=none; rua=mailto:hello@news.example"`},
		"DMARC, no policy": {func(_ *testing.T, p *patient) {
			p.zone["_dmarc.news.example TXT"] = []string{"v=DMARC1; rua=mailto:a@b.c"}
		}, "dmarc", levelFail, "no policy", "p=none"},
		"no MX":        {func(_ *testing.T, p *patient) { delete(p.zone, "news.example MX") }, "mx", levelWarn, "nothing takes mail for news.example", "news.example MX 10"},
		"no bounce MX": {func(_ *testing.T, p *patient) { delete(p.zone, "bounce.news.example MX") }, "mx_bounce", levelFail, "bounce.news.example", "MX 10"},
		"no PTR": {func(_ *testing.T, p *patient) {
			p.cfg.relay.Host = "mail.news.example"
			delete(p.zone, "7.100.51.198.in-addr.arpa PTR")
		}, "ptr", levelWarn, "198.51.100.7 has no reverse name", "mail.news.example"},
		"PTR one way": {func(_ *testing.T, p *patient) {
			p.cfg.relay.Host = "mail.news.example"
			p.zone["7.100.51.198.in-addr.arpa PTR"] = []string{"elsewhere.example"}
		}, "ptr", levelWarn, "does not lead back", "elsewhere.example A"},
		"local sender":   {func(_ *testing.T, p *patient) { p.cfg.from.Address = "letter@my.test" }, "sender_domain", levelWarn, "no public domain", "TECHISSUE_FROM"},
		"wrong password": {func(_ *testing.T, p *patient) { p.cfg.relay.Password = "other" }, "smtp", levelFail, "535", "user and password"},
		"relay away":     {func(_ *testing.T, p *patient) { p.smtp.Close() }, "smtp", levelFail, "connect", "check host and port"},
		"site away": {func(_ *testing.T, p *patient) {
			p.site = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad gateway", http.StatusBadGateway) }
		}, "base_url", levelFail, "502", "TECHISSUE_ADDR"},
		"POST refused": {func(_ *testing.T, p *patient) {
			p.site = func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					http.Redirect(w, r, "/login", http.StatusSeeOther)
				}
			}
		}, "one_click", levelFail, "303 instead of 404", "POST /u/"},
		"not ready": {func(_ *testing.T, p *patient) {
			p.site = func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPost:
					w.WriteHeader(http.StatusNotFound)
				case r.URL.Path == "/readyz":
					http.Error(w, "queue", http.StatusServiceUnavailable)
				}
			}
		}, "ready", levelFail, "503", "journalctl"},
		"plain http":   {func(_ *testing.T, p *patient) { p.cfg.BaseURL = "http://letter.news.example" }, "https", levelFail, "not https", "https://letter.news.example"},
		"disk full":    {func(_ *testing.T, p *patient) { p.space = func(string) (uint64, error) { return 5 << 20, nil } }, "space", levelFail, "only 5 MB free", "free some space"},
		"disk small":   {func(_ *testing.T, p *patient) { p.space = func(string) (uint64, error) { return 300 << 20, nil } }, "space", levelWarn, "only 300 MB free", "larger disk"},
		"few files":    {func(_ *testing.T, p *patient) { p.files = func() (uint64, error) { return 256, nil } }, "file_limit", levelFail, "only 256 files", "LimitNOFILE"},
		"clock alone":  {func(_ *testing.T, p *patient) { p.synced = func() (bool, bool) { return true, false } }, "clock", levelWarn, "no time server", "timedatectl"},
		"clock back":   {func(_ *testing.T, p *patient) { p.now = func() time.Time { return now().Add(-48 * time.Hour) } }, "clock_back", levelFail, "in the future", "timedatectl"},
		"loose secret": {func(t *testing.T, p *patient) { chmod(t, filepath.Join(p.cfg.Data, "secret"), 0o644) }, "secret", levelFail, "0644", "chmod 600"},
		"loose DKIM":   {func(t *testing.T, p *patient) { chmod(t, p.cfg.DKIMKeyFile, 0o640) }, "dkim_mode", levelFail, "0640", "chmod 600"},
		"loose house":  {func(t *testing.T, p *patient) { chmod(t, p.cfg.database(), 0o644) }, "database_mode", levelFail, "addresses", "chmod 600"},
		"lost secret":  {func(t *testing.T, p *patient) { remove(t, filepath.Join(p.cfg.Data, "secret")) }, "secret_lost", levelFail, "is gone", "newest backup"},
		"no footer":    {func(_ *testing.T, p *patient) { p.cfg.LegalPhone = "" }, "legal", levelWarn, "전화", "사업자 정보"},
		"wrong setting": {func(_ *testing.T, p *patient) {
			p.faults = settingFaults{{prefix + "TZ", "is no time zone", "Asia/Seoul"}}
		}, "settings.TECHISSUE_TZ", levelFail, "no time zone", "TECHISSUE_TZ=Asia/Seoul"},
		"no sender": {func(_ *testing.T, p *patient) { p.cfg.From = "" }, "sending", levelFail, "TECHISSUE_FROM", "TECHISSUE_FROM"},
		"no relay":  {func(_ *testing.T, p *patient) { p.cfg.relay = nil }, "sending", levelWarn, "no mail server", "config init"},
		"lost database": {func(t *testing.T, p *patient) {
			remove(t, p.cfg.database())
			if err := os.WriteFile(filepath.Join(p.cfg.Data, "leavers.log"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "database", levelFail, "may be lost", "docs/operations.md"},
		"damaged page": {func(t *testing.T, p *patient) {
			damageAPage(t, p.cfg)
		}, "integrity", levelFail, "damaged", "restore"},
		"broken invariant": {func(t *testing.T, p *patient) {
			a := p.house(t)
			defer a.close()
			err := a.db.Update(t.Context(), func(tx *db.Tx) error {
				i := newsletter.Issue{Number: 1, State: newsletter.IssueDraft, Content: newsletter.Content{Subject: "x", Kind: newsletter.KindInfo}, WithoutAdConsent: "skip", Uncertain: newsletter.Hold, CreatedAt: now(), UpdatedAt: now()}
				if err := tx.PutIssue(t.Context(), &i); err != nil {
					return err
				}
				i.State, i.Recipients, i.PreparedAt = newsletter.IssueDone, 5, now() // five letters that never were
				return tx.MoveIssue(t.Context(), i, newsletter.IssueDraft)
			})
			if err != nil {
				t.Fatal(err)
			}
		}, "invariants", levelFail, "", "report it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			p.house(t).close()
			plant.do(t, p)
			p.find(t, plant.id, plant.level, plant.text, plant.fix)
		})
	}
}

func TestDoctorWantsLegalDataOfWhoAdvertises(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.cfg.LegalPhone = ""
	a := p.house(t)
	if _, err := a.svc.CreateIssue(t.Context(), actorCLI, newsletter.Issue{Content: newsletter.Content{Subject: "특가", Kind: newsletter.KindAd}}); err != nil {
		t.Fatal(err)
	}
	a.close()
	p.find(t, "legal", levelFail, "the footer lacks 전화", "사업자 정보")
}

func TestDoctorSendsATestLetter(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.sendTest = "you@reader.example"
	p.find(t, "send_test", levelOK, "250", "")
	got := p.smtp.AcceptedTo("you@reader.example")
	if len(got) != 1 || got[0].Subject() != "테크잇슈 발송 점검" || got[0].Header().Get("DKIM-Signature") == "" {
		t.Fatalf("caught %v", got)
	}
	p.smtp.Add(smtptest.Refuse(smtptest.Mail, "", 554, "5.7.1 sender not verified"))
	p.find(t, "send_test", levelFail, "554 5.7.1 sender not verified", "verified")
	p.sendTest = "nobody"
	p.find(t, "send_test", levelFail, "nobody", "--send-test")
}

func TestWatchTellsWhatChanges(t *testing.T) {
	t.Parallel()
	before := []check{{ID: "a", Group: "mail", Level: levelFail, Text: "no record", Fix: "add it"}, {ID: "b", Group: "mail", Level: levelOK, Text: "fine"}}
	after := []check{{ID: "a", Group: "mail", Level: levelOK, Text: "there"}, {ID: "b", Group: "mail", Level: levelOK, Text: "fine again"}}
	var out strings.Builder
	at := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	printChanges(&out, before, before, at, false)
	if out.Len() > 0 {
		t.Errorf("nothing changed, and it said %s", out.String())
	}
	printChanges(&out, before, after, at, false)
	if want := "08:00:00    ok    there\n0 failed · 0 warnings · 2 passed\n"; out.String() != want {
		t.Errorf("said %q, want %q", out.String(), want)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// damageAPage spoils the first page that opening the database does not need.
func damageAPage(t *testing.T, cfg *Config) {
	t.Helper()
	whole, err := os.ReadFile(cfg.database())
	if err != nil {
		t.Fatal(err)
	}
	for at := 4096; at < len(whole); at += 4096 {
		spoiled := bytes.Clone(whole)
		copy(spoiled[at:], bytes.Repeat([]byte{0xff}, 4000))
		if err := os.WriteFile(cfg.database(), spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := db.Open(t.Context(), db.Options{URL: cfg.database(), MustExist: true, Now: now, Log: newLog(cfg)})
		if err != nil {
			continue
		}
		err = d.CheckSchema(t.Context())
		d.Close()
		if err == nil {
			return
		}
	}
	t.Fatal("no page can be spoiled unseen")
}

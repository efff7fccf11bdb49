package main_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"techissue/mailer/smtptest"
)

// S44, S45: after a whole run with the log at its most talkative, nothing that was said holds a secret, a token or a reader's address.
func TestStoryOfSecretsThatStaySecret(t *testing.T) {
	t.Parallel()
	const smtpPassword, password = "relay-pass-7731", "a long password of the owner 42"
	h := newHouse(t, smtptest.Config{
		User: "relay", Password: smtpPassword,
		Rules: append(smtptest.HardBounce("reader1@mail1.example"), smtptest.Defer(1, "reader2@mail2.example")...),
	})
	h.env = append(h.env, "TECHISSUE_LOG_LEVEL=debug", "TECHISSUE_LOG=json")
	h.first(4)
	key := h.key("all")
	create := exec.Command(h.bin, "admin", "create", "owner@example.kr", "--password-stdin")
	create.Env, create.Dir, create.Stdin = h.env, h.data, strings.NewReader(password+"\n")
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	h.said.reset() // the commands so far print what they are asked for, the key among it
	server := h.serve()
	h.post("/subscribe", url.Values{"email": {"whole.address@example.com"}, "name": {"홍길동"}, "consent": {"on"}, "age14": {"on"}})
	h.post("/subscribe", url.Values{"email": {"broken@@example.com"}, "consent": {"on"}, "age14": {"on"}})
	h.post("/admin/login", url.Values{"email": {"owner@example.kr"}, "password": {password}})
	h.post("/admin/login", url.Values{"email": {"owner@example.kr"}, "password": {password + " wrong"}})
	h.call(key, "GET", "/api/v1/subscribers?q=whole.address@example.com", "")
	h.call(key, "POST", "/api/v1/subscribers", `{"email":"by.program@example.com"}`)
	h.call(key+"x", "GET", "/api/v1/me", "")
	h.run(0, "issue", "send", "1")
	h.until("the letters are there", func() bool {
		c := h.counts(1)
		return sum(c, "sent") == 2 && sum(c, "failed") == 1 && len(h.smtp.Accepted()) >= 4
	})
	tokens := map[string]bool{}
	for _, m := range h.smtp.Accepted() {
		for _, l := range linkIn.FindAllString(m.Text(), -1) {
			tokens[l[strings.LastIndex(l, "/")+1:]] = true
			path := strings.TrimPrefix(l, h.base)
			for _, p := range []string{path, path + "x", path + "/no/such", path + "?utm=1"} {
				if res, err := http.Get(h.base + p); err == nil {
					res.Body.Close()
				}
				h.post(p, nil)
			}
		}
	}
	h.run(0, "config", "show")
	h.run(0, "doctor", "--offline")
	h.stop(server)
	secret, err := os.ReadFile(filepath.Join(h.data, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	said := h.said.String()
	if len(tokens) < 5 || !strings.Contains(said, `"msg":"request"`) {
		t.Fatalf("%d tokens, and the server said %d bytes", len(tokens), len(said))
	}
	for what, text := range map[string]string{
		"the relay's password": smtpPassword, "the owner's password": password, "the API key": key, "the signing secret": strings.TrimSpace(string(secret)),
		"a reader's address": "whole.address@example.com", "another's": "by.program@example.com", "an imported one's": "reader0@mail0.example", "one the relay refused": "reader1@mail1.example",
		"one the relay put off": "reader2@mail2.example", "a mistyped one": "broken@@example.com", "a name": "홍길동",
	} {
		if i := strings.Index(said, text); i >= 0 {
			t.Errorf("%s was said: …%s…", what, said[max(0, i-200):min(len(said), i+120)])
		}
	}
	for token := range tokens {
		if i := strings.Index(said, token); i >= 0 {
			t.Errorf("a token was said: %s", said[max(0, i-200):min(len(said), i+80)])
		}
	}
}

// Files that hold secrets are the owner's alone.
func TestStoryOfFilesOfTheOwner(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.stop(h.serve())
	h.run(0, "config", "init")
	seen := 0
	for _, name := range []string{"secret", "techissue.db", "leavers.log", ".env"} {
		info, err := os.Stat(filepath.Join(h.data, name))
		if err != nil {
			continue
		}
		seen++
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %s", name, info.Mode())
		}
	}
	if seen < 3 {
		t.Errorf("only %d of the files are there", seen)
	}
}

// S46: what is for operators is not at the public door, and nothing tells the version.
func TestStoryOfAStrangerLookingAround(t *testing.T) {
	t.Parallel()
	h := newHouse(t, smtptest.Config{})
	h.serve()
	version := regexp.MustCompile(`"version":"?([^",}]+)`).FindStringSubmatch(h.run(0, "version", "--json"))
	for _, p := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/.env", "/.git/config", "/data/techissue.db", "/techissue.db", "/secret", "/mailbox", "/admin/enter", "/server-status"} {
		res, err := http.Get(h.base + p)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK && p != "/admin/enter" {
			t.Errorf("%s: %d", p, res.StatusCode)
		}
		for name, values := range res.Header {
			if name == "Server" || name == "X-Powered-By" || len(version) > 1 && len(version[1]) > 6 && strings.Contains(fmt.Sprint(values), version[1]) {
				t.Errorf("%s: %s: %v", p, name, values)
			}
		}
	}
}

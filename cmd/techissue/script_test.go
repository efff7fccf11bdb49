package main_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"techissue/mailer/smtptest"
)

// The command line as its user meets it: scripts that run the real binary beside a relay of their own. Beyond testscript's commands:
//
//	ready                      waits until the server of this house answers
//	caught ADDR FILE           waits for a letter to ADDR and writes the text of the newest one
//	letters ADDR N             wants N letters to ADDR so far
//	link FILE KIND NAME        puts the path of the first /KIND/ link of a letter into $NAME
//	post STATUS PATH k=v…      posts a form, wants a status, leaves the answer in the file body
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", Setup: setupScript(build(t)), RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": scriptReady, "caught": scriptCaught, "letters": scriptLetters, "link": scriptLink, "post": scriptPost,
		},
	})
}

type relayKey struct{}

func setupScript(bin string) func(*testscript.Env) error {
	return func(e *testscript.Env) error {
		relay, err := smtptest.Start(smtptest.Config{})
		if err != nil {
			return err
		}
		e.Defer(func() { relay.Close() })
		port, err := smtptest.Start(smtptest.Config{})
		if err != nil {
			return err
		}
		addr := port.Addr()
		port.Close()
		tools := filepath.Join(e.WorkDir, ".bin")
		if err := os.MkdirAll(tools, 0o755); err != nil {
			return err
		}
		if err := os.Symlink(bin, filepath.Join(tools, "techissue")); err != nil {
			return err
		}
		e.Values[relayKey{}] = relay
		for name, value := range map[string]string{
			"PATH": tools + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME": e.WorkDir, "SMTP": relay.URL(), "BASE": "http://" + addr,
			"TECHISSUE_DATA": filepath.Join(e.WorkDir, "data"), "TECHISSUE_ADDR": addr, "TECHISSUE_BASE_URL": "http://" + addr, "TECHISSUE_INTERNAL_ADDR": "",
			"TECHISSUE_SMTP_URL": relay.URL(), "TECHISSUE_FROM": "테크잇슈 <letter@example.kr>", "TECHISSUE_LOG_LEVEL": "error",
		} {
			e.Setenv(name, value)
		}
		return nil
	}
}

// scriptPatience is a limit for what hangs, not a measure: the machine may be busy.
const scriptPatience = 2 * time.Minute

func waitFor(ts *testscript.TestScript, what string, ok func() bool) {
	end := time.Now().Add(scriptPatience)
	for tick := time.NewTicker(20 * time.Millisecond); !ok(); <-tick.C {
		if time.Now().After(end) {
			ts.Fatalf("waited in vain: %s", what)
		}
	}
}

func scriptReady(ts *testscript.TestScript, _ bool, _ []string) {
	waitFor(ts, "the server is ready", func() bool {
		res, err := http.Get(ts.Getenv("BASE") + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func scriptRelay(ts *testscript.TestScript) *smtptest.Server {
	return ts.Value(relayKey{}).(*smtptest.Server)
}

func scriptCaught(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: caught ADDR FILE")
	}
	relay := scriptRelay(ts)
	waitFor(ts, "a letter to "+args[0], func() bool { return len(relay.AcceptedTo(args[0])) > 0 })
	all := relay.AcceptedTo(args[0])
	last := all[len(all)-1]
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte("Subject: "+last.Subject()+"\n\n"+last.Text()), 0o600))
}

func scriptLetters(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if got := len(scriptRelay(ts).AcceptedTo(args[0])); got != want {
		ts.Fatalf("%d letters to %s, want %d", got, args[0], want)
	}
}

func scriptLink(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: link FILE KIND NAME")
	}
	path := regexp.MustCompile(`/` + args[1] + `/[A-Za-z0-9_.-]+`).FindString(ts.ReadFile(args[0]))
	if path == "" {
		ts.Fatalf("no /%s/ link in %s", args[1], args[0])
	}
	ts.Setenv(args[2], path)
}

func scriptPost(ts *testscript.TestScript, _ bool, args []string) {
	form := url.Values{}
	for _, pair := range args[2:] {
		name, value, _ := strings.Cut(pair, "=")
		form.Set(name, value)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.PostForm(ts.Getenv("BASE")+args[1], form)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("body"), body, 0o600))
	if want := args[0]; fmt.Sprint(res.StatusCode) != want {
		ts.Fatalf("%s answers %d, want %s: %.300s", args[1], res.StatusCode, want, body)
	}
}

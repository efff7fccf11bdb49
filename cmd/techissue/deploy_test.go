package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// The files of deploy/ are read as their programs read them, as far as those are here.
func TestDeployFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"compose.yaml", "litestream.yml", "alerts.yml"} {
		raw, err := os.ReadFile("../../deploy/" + name)
		var v map[string]any
		if err == nil {
			err = yaml.Unmarshal(raw, &v)
		}
		if err != nil || len(v) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnitFile(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../deploy/techissue.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{"NoNewPrivileges=yes", "ProtectSystem=strict", "DynamicUser=yes", "StateDirectory=", "SystemCallFilter=@system-service", "RestrictAddressFamilies=", "UMask=0077"} {
		if !strings.Contains(string(raw), "\n"+rule) {
			t.Errorf("the unit lacks %s", rule)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not here: apt-get install systemd")
	}
	self, err := os.Executable() // stands for the binary, which is nowhere installed
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "techissue.service")
	text := strings.ReplaceAll(string(raw), "/usr/local/bin/techissue", self)
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "techissue.service:") {
		t.Errorf("%v: %s", err, out)
	}
}

// Each alert has a section that says what to do, and asks for numbers that the house has.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../deploy/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For string
				Annotations      map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			n++
			if !strings.Contains(string(docs), "\n### "+r.Alert+"\n") || r.Annotations["runbook"] != "docs/operations.md#"+strings.ToLower(r.Alert) {
				t.Errorf("%s has no section, or its runbook leads elsewhere", r.Alert)
			}
			if _, err := time.ParseDuration(r.For); r.For != "" && err != nil {
				t.Errorf("%s: %v", r.Alert, err)
			}
			for _, name := range regexp.MustCompile(`techissue_[a-z_]+`).FindAllString(r.Expr, -1) {
				name = strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count")
				if !strings.Contains(string(code), `"`+name+`"`) {
					t.Errorf("%s asks for %s, which nobody counts", r.Alert, name)
				}
			}
		}
	}
	if sections := strings.Count(string(docs), "\n### Techissue"); n < 5 || sections != n {
		t.Errorf("%d alerts and %d sections", n, sections)
	}
}

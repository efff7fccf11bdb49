package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEnvExampleIsTheConfig(t *testing.T) {
	t.Parallel()
	got, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, example()) {
		t.Error(".env.example differs from the Config struct: make env")
	}
}

func TestConfigTellsEveryFault(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	_, _, err := loadConfig([]string{
		"TECHISSUE_DATA=" + data, "TECHISSUE_BASE_URL=letter.example.kr", "TECHISSUE_SMTP_URL=http://x", "TECHISSUE_SMTP_CONNECTIONS=many", "TECHISSUE_UNCERTAIN=maybe",
		"TECHISSUE_DKIM_DOMAIN=example.kr", "TECHISSUE_TZ=Asia/Nowhere", "TECHISSUE_TRUSTED_PROXIES=here", "TECHISSUE_DB=postgres://x/y", "TECHISSUE_FROM=nobody",
		"TECHISSUE_STOP_GRACE=long", "TECHISSUE_BOUNCE_LISTEN=everywhere", "TECHISSUE_FEEDBACK_IMAP_URL=imap+insecure://u:hunter2@mail.example.kr",
	}, filepath.Join(data, ".env"), nil)
	var faults settingFaults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v", err)
	}
	for _, name := range []string{
		"BASE_URL", "SMTP_URL", "SMTP_CONNECTIONS", "UNCERTAIN", "DKIM_SELECTOR", "DKIM_KEY_FILE", "TZ", "TRUSTED_PROXIES", "SECRET", "FROM", "STOP_GRACE",
		"BOUNCE_LISTEN", "FEEDBACK_IMAP_URL",
	} {
		if !strings.Contains(err.Error(), prefix+name+":") {
			t.Errorf("%s is not named in\n%v", name, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password is told: %v", err)
	}
}

func TestConfigOrder(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	env := filepath.Join(data, ".env")
	secret := filepath.Join(data, "smtp")
	for path, text := range map[string]string{
		env: "TECHISSUE_SMTP_RATE=5\nTECHISSUE_SMTP_CONNECTIONS=3\nTECHISSUE_ADDR=127.0.0.1:1\n", secret: "smtp+insecure://127.0.0.1:2525\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, warnings, err := loadConfig([]string{"TECHISSUE_SMTP_CONNECTIONS=4", "TECHISSUE_ADDR=127.0.0.1:2", "TECHISSUE_SMTP_URL_FILE=" + secret, "TECHISSUE_SMTP_ULR=x"},
		env, map[string]string{"TECHISSUE_ADDR": "127.0.0.1:3", "TECHISSUE_DATA": data})
	if err != nil {
		t.Fatal(err)
	}
	if c.SMTPRate != 5 || c.SMTPConnections != 4 || c.Addr != "127.0.0.1:3" || c.relay == nil || c.relay.Port != 2525 {
		t.Errorf("rate %v, connections %d, addr %s, relay %v", c.SMTPRate, c.SMTPConnections, c.Addr, c.relay)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "did you mean TECHISSUE_SMTP_URL?") {
		t.Errorf("warnings %q", warnings)
	}
}

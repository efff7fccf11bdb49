package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigInitJudgesEachAnswerAtOnce(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	values, err := askSettings(strings.NewReader(strings.Join([]string{
		"", "letter.example.kr", "http://letter.example.kr", "https://letter.example.kr", // needed, no scheme, no https
		"nobody", "Lee's Letter <letter@example.kr>",
		"",                                      // answers go to the sender
		"http://mail", "smtp://u:p@mail.kr:587", // no mail server
		`It's "Tech" $HOME`, "이재훈", "서울", "02-1", "hello@example.kr",
	}, "\n")+"\n"), &out)
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{"1/9", "9/9", "this one is needed", "is not http(s)://host", "not https", "is not an address", "write it like smtp://"} {
		if !strings.Contains(out.String(), said) {
			t.Errorf("it did not say %q in\n%s", said, out.String())
		}
	}
	data := t.TempDir()
	env := filepath.Join(data, ".env")
	if err := writeSecretFile(env, []byte(fillEnv(string(example()), values)), false); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(env); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	c, warnings, err := loadConfig([]string{prefix + "DATA=" + data}, env, nil)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if c.LegalName != `It's "Tech" $HOME` || c.from.Name != "Lee's Letter" || c.BaseURL != "https://letter.example.kr" || c.relay == nil || c.relay.Password != "p" || c.ReplyTo != "" {
		t.Errorf("came back as %+v", c)
	}
	if err := writeSecretFile(env, nil, false); err == nil {
		t.Error("an .env that is there was replaced")
	}
	if _, err := askSettings(strings.NewReader("https://letter.example.kr\n"), &out); err == nil {
		t.Error("an end in the middle is no error")
	}
}

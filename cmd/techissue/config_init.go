package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// question is one of the nine things without which a real house does not send.
type question struct{ name, text string }

// questions ask for the site's address, its name and sender, the way out, and the footer's legal data.
var questions = []question{
	{"BASE_URL", "Address of the site, for example https://letter.example.kr"},
	{"FROM", "Name and address of the sender, for example 테크잇슈 <letter@example.kr>"},
	{"REPLY_TO", "Address for answers (Enter: the sender's)"},
	{"SMTP_URL", "Mail server, for example smtp://user:password@smtp.example.kr:587"},
	{"LEGAL_NAME", "상호 (name of the business; Enter to leave it for later)"},
	{"LEGAL_REPRESENTATIVE", "대표 (representative)"},
	{"LEGAL_ADDRESS", "주소 (address)"},
	{"LEGAL_PHONE", "전화 (telephone)"},
	{"LEGAL_EMAIL", "이메일 (e-mail)"},
}

// needed cannot be left out: without them nothing works in the end.
var needed = map[string]bool{"BASE_URL": true, "FROM": true}

func (c *cli) writeEnv() error {
	if exists(c.envFile) && !c.yes {
		return fmt.Errorf("%s exists; --yes writes it anew", c.envFile)
	}
	text := string(example())
	if terminalIn() {
		values, err := askSettings(os.Stdin, os.Stderr)
		if err != nil {
			return err
		}
		text = fillEnv(text, values)
	}
	if err := writeSecretFile(c.envFile, []byte(text), c.yes); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "written: %s (mode 0600)\nnext: techissue doctor\n", c.envFile)
	return nil
}

// askSettings asks one thing after the other and judges each answer at once.
func askSettings(in io.Reader, out io.Writer) (map[string]string, error) {
	lines := bufio.NewScanner(in)
	values := map[string]string{}
	for n, q := range questions {
		for {
			fmt.Fprintf(out, "%d/%d  %s\n     > ", n+1, len(questions), q.text)
			if !lines.Scan() {
				fmt.Fprintln(out)
				return nil, errors.Join(lines.Err(), errors.New("ended before the last question; nothing was written"))
			}
			typed := strings.TrimSpace(lines.Text())
			if typed == "" && !needed[q.name] {
				break
			}
			fault := judgeAnswer(q.name, typed)
			if fault == "" {
				values[q.name] = typed
				break
			}
			fmt.Fprintf(out, "     %s\n", fault)
		}
	}
	return values, nil
}

// judgeAnswer says what is wrong with one answer, as the program would at its start, "" when nothing is.
func judgeAnswer(name, value string) string {
	if value == "" {
		return "this one is needed"
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "control characters cannot stand in a setting"
	}
	c := &Config{Addr: "127.0.0.1:8080", BaseURL: "http://localhost:8080", SMTPConnections: 8, Uncertain: "hold", Log: "auto", LogLevel: "info", TZ: "Asia/Seoul"}
	for _, f := range c.fields() {
		if f.name == prefix+name {
			f.value.SetString(value)
		}
	}
	for _, f := range c.judgeValues() {
		if f.name == prefix+name {
			return fmt.Sprintf("%s: write it like %s", f.text, f.example)
		}
	}
	if err := c.sendingRefused(); name == "BASE_URL" && strings.HasPrefix(value, "http://") && err != nil && !loopbackHost(hostOf(value)) {
		return "no letter leaves while the address is not https: write it like https://letter.example.kr"
	}
	return ""
}

// fillEnv puts values into the commented example.
func fillEnv(text string, values map[string]string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "#"), "=")
		value, ok := values[strings.TrimPrefix(name, prefix)]
		if !ok || !strings.HasPrefix(line, "#"+prefix) {
			continue
		}
		lines[i] = name + "=" + envQuoted(value)
	}
	return strings.Join(lines, "\n")
}

// envQuoted writes a value so that .env gives it back as it is: between single quotes nothing is special, but they cannot hold one.
func envQuoted(value string) string {
	if !strings.Contains(value, "'") {
		return "'" + value + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value) + `"`
}

// writeSecretFile writes a file that only its owner reads, whole or not at all.
func writeSecretFile(path string, raw []byte, replace bool) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".techissue-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if replace {
		return os.Rename(f.Name(), path)
	}
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists; --yes writes it anew", path)
	} else if err != nil {
		return err
	}
	return nil
}

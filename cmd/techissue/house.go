package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}

func (c *cli) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Tell the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"version": versionText(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			return c.print(v, func() { fmt.Printf("techissue %s (%s, %s)\n", v["version"], v["go"], v["platform"]) })
		},
	}
}

func (c *cli) config() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Show or begin the settings"}
	show := &cobra.Command{
		Use: "show", Short: "Effective settings and where each comes from, secrets masked", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := c.settings()
			if cfg == nil {
				return err
			}
			type line struct {
				Name   string `json:"name"`
				Value  string `json:"value"`
				Origin string `json:"origin"`
			}
			var lines []line
			for _, f := range cfg.fields() {
				l := line{f.name, fmt.Sprint(f.value.Interface()), cfg.origin[f.name]}
				if l.Origin == "" {
					l.Origin = "default"
				}
				if f.secret && l.Value != "" {
					l.Value = "********"
				}
				lines = append(lines, l)
			}
			printErr := c.print(lines, func() {
				rows := make([][]any, len(lines))
				for i, l := range lines {
					rows[i] = []any{l.Name, l.Value, l.Origin}
				}
				columns([]any{"name", "value", "origin"}, rows)
			})
			return errors.Join(err, printErr)
		},
	}
	begin := &cobra.Command{
		Use: "init", Short: "Write a commented .env", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.writeEnv() },
	}
	sample := &cobra.Command{
		Use: "example", Short: "Print .env.example", Args: cobra.NoArgs, Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			_, err := os.Stdout.Write(example())
			return err
		},
	}
	cmd.AddCommand(show, begin, sample)
	return cmd
}

// asked are the nine things without which a real house does not send.
var asked = []struct{ name, question string }{
	{"BASE_URL", "Address of the site (https://letter.example.kr)"},
	{"FROM", "Sender (테크잇슈 <letter@example.kr>)"},
	{"REPLY_TO", "Where answers go"},
	{"SMTP_URL", "SMTP server (smtp://user:password@host:587)"},
	{"LEGAL_NAME", "상호"},
	{"LEGAL_REPRESENTATIVE", "대표"},
	{"LEGAL_ADDRESS", "주소"},
	{"LEGAL_PHONE", "전화"},
	{"LEGAL_EMAIL", "이메일"},
}

func (c *cli) writeEnv() error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if c.yes {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	text := string(example())
	if !c.yes && terminalIn() {
		in := bufio.NewScanner(os.Stdin)
		for _, a := range asked {
			fmt.Fprintf(os.Stderr, "%s: ", a.question)
			if !in.Scan() {
				return errors.New("ended before the last question; nothing was written")
			}
			if v := strings.TrimSpace(in.Text()); v != "" {
				text = replaceLine(text, prefix+a.name, v)
			}
		}
	}
	f, err := os.OpenFile(c.envFile, flags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists; --yes writes it anew", c.envFile)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "written: "+c.envFile)
	return nil
}

func replaceLine(text, name, value string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "#"+name+"=") {
			lines[i] = name + "='" + strings.ReplaceAll(value, "'", "") + "'"
		}
	}
	return strings.Join(lines, "\n")
}

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

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
		Use: "init", Short: "Ask nine things and write a commented .env; without a terminal write it with everything unset", Args: cobra.NoArgs,
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

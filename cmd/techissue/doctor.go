package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"techissue/db"
	"techissue/mailer"
	"techissue/newsletter"
)

// check is one line of the doctor's list.
type check struct {
	ID    string `json:"id"`
	Group string `json:"group"`
	Level string `json:"level"` // ok, warn, fail
	Text  string `json:"text"`
	Fix   string `json:"fix"`
}

func (c *cli) doctor() *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look at everything and name the fix of each fault", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings()
			if err != nil {
				return err
			}
			checks := examine(cmd.Context(), cfg, offline)
			failed := 0
			for _, k := range checks {
				if k.Level == "fail" {
					failed++
				}
			}
			err = c.print(map[string]any{"checks": checks}, func() {
				for _, k := range checks {
					fmt.Printf("%-9s %-5s %s\n", k.Group, k.Level, k.Text)
					if k.Fix != "" {
						fmt.Printf("          %5s → %s\n", "", k.Fix)
					}
				}
			})
			if err == nil && failed > 0 {
				return &exitError{code: exitFailed, said: true}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "leave out DNS, SMTP and the base URL")
	return cmd
}

// examine runs every check; each goes on where the one before failed.
func examine(ctx context.Context, cfg *Config, offline bool) (out []check) {
	add := func(id, group, level, text, fix string) { out = append(out, check{id, group, level, text, fix}) }
	add("settings", "settings", "ok", "all settings are valid", "")
	if err := cfg.sendingRefused(); err != nil {
		add("sending", "settings", "warn", "no letter can leave: "+err.Error(), "set TECHISSUE_SMTP_URL, TECHISSUE_FROM and an https TECHISSUE_BASE_URL")
	}
	if cfg.Secret != "" && newsletter.WeakSecret(cfg.Secret) {
		add("secret", "settings", "warn", "TECHISSUE_SECRET is short", "openssl rand -hex 32")
	}
	if info, err := os.Stat(filepath.Join(cfg.Data, "secret")); err == nil && info.Mode().Perm()&0o077 != 0 {
		add("secret_mode", "data", "fail", "others can read the generated secret", "chmod 600 "+filepath.Join(cfg.Data, "secret"))
	}
	add("data", "data", "ok", "the data folder is writable", "")
	out = append(out, examineDatabase(ctx, cfg)...)
	if missing := cfg.house().Legal.Missing(); len(missing) > 0 {
		add("legal", "law", "warn", fmt.Sprintf("the footer lacks %v (needed in advertising mail)", missing), "TECHISSUE_LEGAL_… or the desk's settings")
	} else {
		add("legal", "law", "ok", "the footer's legal data is complete", "")
	}
	if cfg.dkim == nil {
		add("dkim", "mail", "warn", "letters are not signed here", "set TECHISSUE_DKIM_… unless the relay signs")
	}
	if cfg.relay != nil && !offline {
		t := *cfg.relay
		t.Timeouts.Connect, t.Timeouts.Greeting, t.Timeouts.EHLO = 10*time.Second, 10*time.Second, 10*time.Second
		conn, err := mailer.Dial(ctx, t)
		if err != nil {
			add("smtp", "mail", "fail", fmt.Sprintf("%s: %v", t.String(), err), "check host, port, user and password of TECHISSUE_SMTP_URL")
		} else {
			conn.Quit()
			add("smtp", "mail", "ok", t.String()+" answers and lets us in", "")
		}
	}
	return out
}

// examineDatabase opens what is there, and never makes a new one.
func examineDatabase(ctx context.Context, cfg *Config) (out []check) {
	add := func(id, level, text, fix string) { out = append(out, check{id, "data", level, text, fix}) }
	d, err := db.Open(ctx, db.Options{URL: cfg.database(), MustExist: true, Now: now, Log: newLog(cfg)})
	if err != nil {
		add("database", "fail", err.Error(), "techissue serve makes a new one in an empty folder; docs/operations.md tells how to restore a lost one")
		return out
	}
	defer d.Close()
	if err := d.CheckSchema(ctx); err != nil {
		add("schema", "fail", err.Error(), "techissue migrate, or a newer techissue")
		return out
	}
	add("schema", "ok", "the schema is current", "")
	var broken []string
	err = db.Store{DB: d}.View(ctx, func(tx newsletter.Tx) (err error) {
		broken, err = tx.Violations(ctx)
		return err
	})
	if err != nil {
		add("invariants", "fail", err.Error(), "")
		return out
	}
	for _, b := range broken {
		add("invariants", "fail", b, "keep a copy of the data folder and report it")
	}
	if len(broken) == 0 {
		add("invariants", "ok", "every letter is accounted for", "")
	}
	return out
}

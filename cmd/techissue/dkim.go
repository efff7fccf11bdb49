package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"techissue/mailer"
)

func (c *cli) dkimCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "dkim", Short: "The key that signs letters"}
	var domain, selector, out string
	var ed bool
	create := &cobra.Command{
		Use: "create", Short: "Make a key and print the DNS record and the settings that go with it", Args: cobra.NoArgs,
		Example: "  techissue dkim create --selector s2026",
		RunE: func(*cobra.Command, []string) error {
			cfg, _, err := c.settingsToExamine() // a half set DKIM is what this mends
			if err != nil {
				return err
			}
			if domain == "" {
				_, domain, _ = strings.Cut(cfg.from.Address, "@")
			}
			if domain == "" {
				return usage("--domain is needed while TECHISSUE_FROM is not set")
			}
			if strings.ContainsAny(domain+selector, " \t;@/") || selector == "" {
				return usage("--domain and --selector are names as in DNS, not %q and %q", domain, selector)
			}
			if out == "" {
				out = filepath.Join(cfg.Data, archiveDKIM)
			}
			return c.makeDKIM(domain, selector, out, ed)
		},
	}
	f := create.Flags()
	f.StringVar(&domain, "domain", "", "signing domain (the sender's)")
	f.StringVar(&selector, "selector", "techissue", "name of the key; a new key wants a new name")
	f.StringVar(&out, "out", "", "where to write the key (dkim.pem in the data folder)")
	f.BoolVar(&ed, "ed25519", false, "Ed25519 instead of RSA-2048: shorter, and some receivers do not know it")
	cmd.AddCommand(create)
	return cmd
}

func (c *cli) makeDKIM(domain, selector, out string, ed bool) error {
	raw, err := mailer.NewDKIMKey(ed)
	if err != nil {
		return err
	}
	key, err := mailer.NewDKIM(domain, selector, raw)
	if err != nil {
		return err
	}
	record, err := key.Record()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o700); err != nil {
		return err
	}
	if err := writeSecretFile(out, raw, c.yes); err != nil {
		return err
	}
	view := map[string]string{"file": out, "name": key.Name(), "type": "TXT", "record": record, "domain": domain, "selector": selector}
	return c.print(view, func() {
		fmt.Printf("%s TXT %s\n", key.Name(), quoted(record))
		fmt.Fprintf(os.Stderr, "the key lies in %s (mode 0600). Put the line above into DNS, and these into .env:\nTECHISSUE_DKIM_DOMAIN=%s\nTECHISSUE_DKIM_SELECTOR=%s\nTECHISSUE_DKIM_KEY_FILE=%s\nthen: techissue doctor --watch\n",
			out, domain, selector, out)
	})
}

package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"techissue/newsletter"
)

func (c *cli) breach() *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use: "breach --since TIME", Short: "List the people whose data was in the house since then, to tell them of a breach",
		Long: `List the people whose data was in the house at that time or later, as CSV on standard output: readers of every status, people who sent a
proposal, and people with a desk. Who was erased since is counted, but their address is gone. 개인정보 보호법 §34 gives 72 hours.`,
		Example: "  techissue breach --since '2026-12-01 08:00' > people.csv",
		Args:    cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			if since == "" {
				return usage("--since is needed: from when on strangers may have had access")
			}
			from, err := parseTime(since, a.cfg.loc)
			if err != nil {
				return err
			}
			people, erased, err := a.concerned(ctx, from)
			if err != nil {
				return err
			}
			err = c.print(map[string]any{"people": people, "erased": erased}, func() {
				w := csv.NewWriter(os.Stdout)
				_ = w.Write([]string{"email", "name", "as", "data"})
				for _, p := range people {
					_ = w.Write([]string{p.Email, guarded(p.Name), p.As, p.Data})
				}
				w.Flush()
			})
			fmt.Fprintf(os.Stderr, "%s people concerned · %s erased since, without an address\n", grouped(int64(len(people))), plural(erased, "reader"))
			return err
		}),
	}
	cmd.Flags().StringVar(&since, "since", "", "when it began: 2026-12-01 08:00")
	return cmd
}

// person is somebody to tell.
type person struct {
	Email string `json:"email"`
	Name  string `json:"name"`
	As    string `json:"as"`
	Data  string `json:"data"`
}

// concerned lists everybody whose data stands in the house now; nobody who stands there now was not there since their sign-up.
func (a *app) concerned(ctx context.Context, since time.Time) (people []person, erased int64, err error) {
	for f := (newsletter.SubscriberFilter{Limit: 200}); ; {
		page, more, err := a.svc.Subscribers(ctx, f)
		if err != nil {
			return nil, 0, err
		}
		for _, s := range page {
			people = append(people, person{s.Email.String(), s.Name, "reader, " + string(s.Shown()), "address, name, consents, letters"})
			f.Cursor = int64(s.ID)
		}
		if !more {
			break
		}
	}
	for cursor := int64(0); ; {
		page, more, err := a.svc.Proposals(ctx, "", cursor, 200)
		if err != nil {
			return nil, 0, err
		}
		for _, p := range page {
			people = append(people, person{p.Email.String(), p.Name, "proposal", "address, name, text"})
			cursor = int64(p.ID)
		}
		if !more {
			break
		}
	}
	admins, err := a.svc.Admins(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, d := range admins {
		people = append(people, person{d.Email.String(), "", "desk, " + string(d.Role), "address, sign-in"})
	}
	err = a.store.View(ctx, func(tx newsletter.Tx) (err error) {
		erased, err = tx.CountLeavers(ctx, "erased", since)
		return err
	})
	return people, erased, err
}

// guarded keeps a spreadsheet from taking a name for a formula.
func guarded(s string) string {
	if s != "" && (s[0] == '=' || s[0] == '+' || s[0] == '-' || s[0] == '@' || s[0] == '\t' || s[0] == '\r') {
		return "'" + s
	}
	return s
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"techissue/db"
	"techissue/mailer"
	"techissue/newsletter"
)

func (c *cli) issueTest() *cobra.Command {
	return &cobra.Command{
		Use: "test N EMAIL…", Short: "Send the letter to at most five addresses and tell what the server said", Args: cobra.MinimumNArgs(2),
		RunE: c.numbered(func(ctx context.Context, a *app, n int, to []string) error {
			ids, err := a.svc.TestIssue(ctx, actorCLI, n, to)
			if err != nil {
				return err
			}
			refused := false
			err = c.drive(ctx, a, func(ctx context.Context) (bool, error) {
				for _, id := range ids {
					n, err := a.svc.Notice(ctx, id)
					if err != nil || n.State == newsletter.Queued && n.Attempts == 0 || n.State == newsletter.Leased || n.State == newsletter.Handing {
						return false, err
					}
				}
				return true, nil
			})
			if err != nil {
				return err
			}
			var views []map[string]any
			for _, id := range ids {
				n, err := a.svc.Notice(ctx, id)
				if err != nil {
					return err
				}
				refused = refused || n.State != newsletter.Sent
				views = append(views, map[string]any{"email": n.Email, "state": n.State, "reply": n.Reply})
			}
			err = c.print(views, func() {
				for _, v := range views {
					fmt.Printf("%s\t%s\t%s\n", v["email"], v["state"], v["reply"])
				}
			})
			if err == nil && refused {
				return &exitError{code: exitPartly, said: true}
			}
			return err
		}),
	}
}

func (c *cli) issueSend() *cobra.Command {
	var at string
	var wait bool
	var portions int
	cmd := &cobra.Command{
		Use: "send N", Short: "Send now, or with --at later; --wait stays until it is done", Args: cobra.ExactArgs(1),
		RunE: c.numbered(func(ctx context.Context, a *app, n int, _ []string) error {
			if err := c.split(ctx, a, n, portions); err != nil {
				return err
			}
			i, err := c.startSend(ctx, a, n, at, wait)
			if err != nil {
				return err
			}
			if !wait {
				return c.printIssue(i)
			}
			last := time.Now()
			err = c.drive(ctx, a, func(ctx context.Context) (bool, error) {
				p, err := a.svc.Progress(ctx, n)
				if err != nil {
					return false, err
				}
				if time.Since(last) >= 5*time.Second {
					last = time.Now()
					fmt.Fprintln(os.Stderr, progressLine(p))
				}
				return p.State == newsletter.IssueDone || p.State == newsletter.IssueCancelled || p.State == newsletter.IssuePaused, nil
			})
			if err != nil {
				if ctx.Err() != nil {
					fmt.Fprintf(os.Stderr, "stopped; go on with: techissue issue send %d --wait\n", n)
				}
				return err
			}
			return c.sendResult(ctx, a, n)
		}),
	}
	cmd.Flags().StringVar(&at, "at", "", "when: 2026-12-01 08:00")
	cmd.Flags().IntVar(&portions, "portions", 0, "go out over so many days, a portion a day, each twice the one before, the most active readers first")
	cmd.Flags().BoolVar(&wait, "wait", false, "stay until it is done; drives the mailer when no server does")
	return cmd
}

// split sets over how many days an issue goes out, 0: as it is. Without a choice a new domain with many readers is told what is better.
func (c *cli) split(ctx context.Context, a *app, n, portions int) error {
	if portions != 0 {
		_, err := a.svc.UpdateIssue(ctx, actorCLI, n, func(i *newsletter.Issue) error {
			i.Portions = portions
			return nil
		}, 0)
		return err
	}
	i, err := a.svc.Issue(ctx, n)
	if err != nil || i.State != newsletter.IssueDraft || i.Portions > 1 {
		return err
	}
	if days, err := a.svc.WarmUp(ctx, n); err == nil && days > 1 {
		fmt.Fprintf(os.Stderr, "hint: mail services do not know this domain yet; --portions %d would send over %d days, the most active readers first\n", days, days)
	}
	return nil
}

// startSend accepts the send. With wait, an issue that is on its way already is only waited for: that is how an interrupted wait goes on.
func (c *cli) startSend(ctx context.Context, a *app, n int, at string, wait bool) (newsletter.Issue, error) {
	if at != "" {
		when, err := parseTime(at, a.cfg.loc)
		if err != nil {
			return newsletter.Issue{}, err
		}
		return a.svc.ScheduleIssue(ctx, actorCLI, n, when)
	}
	i, err := a.svc.SendIssue(ctx, actorCLI, n, 0)
	if !wait || newsletter.KindOf(err) != newsletter.Conflict {
		return i, err
	}
	i, lookErr := a.svc.Issue(ctx, n)
	if lookErr == nil && (i.State == newsletter.IssuePreparing || i.State == newsletter.IssueSending) {
		return i, nil
	}
	return i, errors.Join(err, lookErr)
}

func (c *cli) sendResult(ctx context.Context, a *app, n int) error {
	p, err := a.svc.Progress(ctx, n)
	if err != nil {
		return err
	}
	view := map[string]any{"number": n, "state": p.State, "recipients": p.Recipients}
	for _, s := range newsletter.DeliveryStates {
		view[string(s)] = p.Counts[s]
	}
	if err := c.print(view, func() { fmt.Println(progressLine(p)) }); err != nil {
		return err
	}
	if p.State != newsletter.IssueDone {
		return fmt.Errorf("issue %d is %s", n, p.State)
	}
	if p.Counts[newsletter.Sent]+p.Counts[newsletter.Skipped] < p.Recipients {
		return &exitError{code: exitPartly, said: true}
	}
	return nil
}

// drive waits until done; when no server holds the folder it drives the mailer itself meanwhile.
func (c *cli) drive(ctx context.Context, a *app, done func(context.Context) (bool, error)) error {
	parts := newParts(ctx)
	if !a.cfg.postgres() {
		lock, err := db.LockFolder(a.cfg.Data)
		if err == nil {
			defer lock.Release()
			a.newQueue(nil)
			parts.run("mailer", a.runQueue)
		}
	} else {
		a.newQueue(func(o *mailer.Options) { o.Alone = false })
		parts.run("mailer", a.queue.Run)
	}
	parts.run("wait", func(ctx context.Context) error {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			ok, err := done(ctx)
			if err != nil || ok {
				parts.stop()
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
	})
	return parts.wait()
}

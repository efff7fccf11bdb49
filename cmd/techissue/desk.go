package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"techissue/newsletter"
)

const actorCLI = "cli"

func terminalIn() bool { return term.IsTerminal(int(os.Stdin.Fd())) }

// with opens the house for one command.
func (c *cli) with(do func(ctx context.Context, a *app, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a, err := c.open(cmd.Context())
		if err != nil {
			return err
		}
		defer a.close()
		return do(cmd.Context(), a, args)
	}
}

func (c *cli) admin() *cobra.Command {
	cmd := &cobra.Command{Use: "admin", Short: "People with a desk"}
	var role string
	var stdin bool
	create := &cobra.Command{
		Use: "create EMAIL", Short: "Give somebody a desk", Args: cobra.ExactArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			if role != string(newsletter.Owner) && role != string(newsletter.Editor) {
				return usage("--role is owner or editor, not %q", role)
			}
			password, err := readPassword(stdin)
			if err != nil {
				return err
			}
			made, err := a.svc.CreateAdmin(ctx, actorCLI, args[0], newsletter.Role(role), password)
			if err != nil {
				return err
			}
			return c.print(adminView(made), func() { fmt.Printf("%d\t%s\t%s\n", made.ID, made.Email, made.Role) })
		}),
	}
	create.Flags().StringVar(&role, "role", "owner", "owner or editor")
	create.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	reset := &cobra.Command{
		Use: "reset-password EMAIL", Short: "Set a new password and end all sessions", Args: cobra.ExactArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			password, err := readPassword(stdin)
			if err != nil {
				return err
			}
			return a.svc.ResetPassword(ctx, actorCLI, args[0], password)
		}),
	}
	reset.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	list := &cobra.Command{
		Use: "list", Short: "Who has a desk", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			admins, err := a.svc.Admins(ctx)
			if err != nil {
				return err
			}
			views := make([]map[string]any, len(admins))
			rows := make([][]any, len(admins))
			for i, ad := range admins {
				views[i] = adminView(ad)
				rows[i] = []any{ad.ID, ad.Email, ad.Role}
			}
			return c.print(views, func() { columns([]any{"id", "email", "role"}, rows) })
		}),
	}
	var all bool
	revoke := &cobra.Command{
		Use: "revoke [EMAIL]", Short: "End somebody's sessions, or with --all everybody's", Args: cobra.MaximumNArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			if all == (len(args) == 1) {
				return usage("name one EMAIL or --all")
			}
			return a.svc.RevokeSessions(ctx, actorCLI, strings.Join(args, ""))
		}),
	}
	revoke.Flags().BoolVar(&all, "all", false, "everybody's")
	sessions := &cobra.Command{Use: "sessions", Short: "Signed-in browsers"}
	sessions.AddCommand(revoke)
	cmd.AddCommand(create, reset, list, sessions)
	return cmd
}

func adminView(a newsletter.Admin) map[string]any {
	return map[string]any{"id": a.ID, "email": a.Email.String(), "role": a.Role, "created_at": a.CreatedAt}
}

func readPassword(stdin bool) (string, error) {
	if stdin || !terminalIn() {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil && line == "" {
			return "", usage("no password: give it on standard input with --password-stdin")
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	fmt.Fprint(os.Stderr, "Password: ")
	raw, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return string(raw), err
}

func (c *cli) key() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Keys of programs"}
	var scopes, expires string
	create := &cobra.Command{
		Use: "create NAME --scopes a,b", Short: "Make a key and print it once", Args: cobra.ExactArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			if scopes == "" {
				return usage("--scopes is needed: %v", newsletter.Scopes())
			}
			var list []newsletter.Scope
			for s := range strings.SplitSeq(scopes, ",") {
				list = append(list, newsletter.Scope(strings.TrimSpace(s)))
			}
			var until time.Time
			if expires != "" {
				var err error
				if until, err = parseTime(expires, a.cfg.loc); err != nil {
					return err
				}
			}
			plain, k, err := a.svc.CreateKey(ctx, actorCLI, args[0], list, until)
			if err != nil {
				return err
			}
			return c.print(map[string]any{"id": k.ID, "name": k.Name, "key": plain, "scopes": k.Scopes}, func() { fmt.Println(plain) })
		}),
	}
	create.Flags().StringVar(&scopes, "scopes", "", "comma-separated: all, subscribers:read, …")
	create.Flags().StringVar(&expires, "expires", "", "last day")
	list := &cobra.Command{
		Use: "list", Short: "All keys", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			keys, err := a.svc.Keys(ctx)
			if err != nil {
				return err
			}
			views, rows := make([]map[string]any, len(keys)), make([][]any, len(keys))
			for i, k := range keys {
				views[i] = map[string]any{"id": k.ID, "name": k.Name, "scopes": k.Scopes, "revoked": !k.RevokedAt.IsZero()}
				rows[i] = []any{k.ID, k.Name, fmt.Sprint(k.Scopes), map[bool]string{true: "revoked"}[!k.RevokedAt.IsZero()]}
			}
			return c.print(views, func() { columns([]any{"id", "name", "scopes", ""}, rows) })
		}),
	}
	var all bool
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "End a key, or with --all every key", Args: cobra.MaximumNArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			if all == (len(args) == 1) {
				return usage("name one ID or --all")
			}
			if all {
				return a.svc.RevokeAllKeys(ctx, actorCLI)
			}
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usage("%q is no key's id", args[0])
			}
			return a.svc.RevokeKey(ctx, actorCLI, id)
		}),
	}
	revoke.Flags().BoolVar(&all, "all", false, "every key")
	cmd.AddCommand(create, list, revoke)
	return cmd
}

func (c *cli) suppress() *cobra.Command {
	cmd := &cobra.Command{Use: "suppress", Short: "Addresses that must not be written to"}
	list := &cobra.Command{
		Use: "list", Short: "The list, newest first", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			var views []map[string]any
			var rows [][]any
			for cursor := int64(0); ; {
				page, more, err := a.svc.Suppressions(ctx, "", cursor, 200)
				if err != nil {
					return err
				}
				for _, s := range page {
					views = append(views, map[string]any{"id": s.ID, "email": s.Email, "reason": s.Reason, "evidence": s.Evidence, "created_at": s.CreatedAt})
					rows = append(rows, []any{s.ID, s.Email, s.Reason, short(s.Evidence, 60)})
					cursor = s.ID
				}
				if !more {
					break
				}
			}
			return c.print(views, func() { columns([]any{"id", "email", "reason", "evidence"}, rows) })
		}),
	}
	var reason string
	add := &cobra.Command{
		Use: "add EMAIL", Short: "Block an address", Args: cobra.ExactArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			_, err := a.svc.Suppress(ctx, actorCLI, args[0], newsletter.SuppressionReason(reason), "by hand")
			return err
		}),
	}
	add.Flags().StringVar(&reason, "reason", "manual", "hard, soft, complaint or manual")
	lift := &cobra.Command{
		Use: "lift EMAIL", Short: "Lift what stands against an address", Args: cobra.ExactArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			found, _, err := a.svc.Suppressions(ctx, args[0], 0, 200)
			if err != nil {
				return err
			}
			for _, s := range found {
				if strings.EqualFold(s.Email, args[0]) {
					return a.svc.LiftSuppression(ctx, actorCLI, s.ID)
				}
			}
			return errors.New(args[0] + " is not suppressed")
		}),
	}
	cmd.AddCommand(list, add, lift)
	return cmd
}

func (c *cli) subscribers() *cobra.Command {
	cmd := &cobra.Command{Use: "subscribers", Short: "Readers"}
	cmd.AddCommand(c.importSubscribers(), c.exportSubscribers(), c.listSubscribers())
	byEmail := func(use, short string, do func(context.Context, *app, newsletter.SubscriberID) error) *cobra.Command {
		return &cobra.Command{
			Use: use + " EMAIL", Short: short, Args: cobra.ExactArgs(1),
			RunE: c.with(func(ctx context.Context, a *app, args []string) error {
				s, err := a.svc.SubscriberByEmail(ctx, args[0])
				if err != nil {
					return err
				}
				return do(ctx, a, s.ID)
			}),
		}
	}
	cmd.AddCommand(
		byEmail("unsubscribe", "End a reader's subscription", func(ctx context.Context, a *app, id newsletter.SubscriberID) error {
			_, err := a.svc.UnsubscribeReader(ctx, actorCLI, id)
			return err
		}),
		byEmail("erase", "Forget a reader", func(ctx context.Context, a *app, id newsletter.SubscriberID) error {
			return a.svc.EraseReader(ctx, actorCLI, id)
		}))
	return cmd
}

func (c *cli) listSubscribers() *cobra.Command {
	var status, query string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "Readers, newest first", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			page, _, err := a.svc.Subscribers(ctx, newsletter.SubscriberFilter{Status: newsletter.Status(status), Query: query, Limit: limit})
			if err != nil {
				return err
			}
			views, rows := make([]map[string]any, len(page)), make([][]any, len(page))
			for i, s := range page {
				views[i] = map[string]any{"id": s.ID, "email": s.Email.String(), "name": s.Name, "status": s.Shown(), "tags": s.Tags}
				rows[i] = []any{s.ID, s.Email, s.Name, s.Shown(), strings.Join(s.Tags, ", ")}
			}
			return c.print(views, func() { columns([]any{"id", "email", "name", "status", "tags"}, rows) })
		}),
	}
	cmd.Flags().StringVar(&status, "status", "", "pending, active, unsubscribed or suppressed")
	cmd.Flags().StringVar(&query, "query", "", "part of the address or name")
	cmd.Flags().IntVar(&limit, "limit", 50, "1 to 200")
	return cmd
}

func (c *cli) exportSubscribers() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "export", Short: "All readers as CSV on standard output", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			n, err := a.svc.ExportSubscribers(ctx, actorCLI, os.Stdout, newsletter.SubscriberFilter{}, format)
			fmt.Fprintf(os.Stderr, "%d readers\n", n)
			return err
		}),
	}
	cmd.Flags().StringVar(&format, "format", "csv", "csv (lossless), safe (for spreadsheets) or stibee")
	return cmd
}

func (c *cli) importSubscribers() *cobra.Command {
	o := newsletter.ImportOptions{}
	var as string
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Bring readers in from a CSV file", Args: cobra.ExactArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return usage("%v", err)
			}
			defer f.Close()
			o.File, o.As = args[0], newsletter.ImportAs(as)
			if o.ConsentSource == "" && o.As == newsletter.ImportActive {
				return usage("--consent-source is needed to make active readers: name what they agreed to and when, for example --consent-source \"Stibee 2024, double opt-in\"; or use --as pending, which mails each a confirmation")
			}
			last := time.Now()
			o.OnProgress = func(i newsletter.Import) {
				if time.Since(last) >= 5*time.Second {
					last = time.Now()
					fmt.Fprintf(os.Stderr, "%d rows\n", i.Rows)
				}
			}
			done, err := a.svc.ImportSubscribers(ctx, actorCLI, f, o)
			if err != nil {
				return err
			}
			return c.reportImport(ctx, a, done)
		}),
	}
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "judge every line, save nothing")
	cmd.Flags().StringVar(&o.Format, "format", "auto", "auto, stibee, mailchimp, substack, ghost, listmonk, beehiiv, techissue")
	cmd.Flags().StringVar(&as, "as", "active", "active, pending, unsubscribed or suppressed")
	cmd.Flags().StringVar(&o.ConsentSource, "consent-source", "", "evidence of consent")
	return cmd
}

func (c *cli) reportImport(ctx context.Context, a *app, i newsletter.Import) error {
	view := map[string]any{
		"id": i.ID, "state": i.State, "format": i.Format, "rows": i.Rows, "created": i.Created, "updated": i.Updated,
		"unsubscribed": i.Unsubscribed, "rejected": i.Rejected, "dry_run": i.DryRun,
	}
	err := c.print(view, func() {
		fmt.Printf("format: %s, %d rows\nnew %d · updated %d · as unsubscribed %d · refused %d\n", i.Format, i.Rows, i.Created, i.Updated, i.Unsubscribed, i.Rejected)
		if i.DryRun {
			fmt.Println("nothing saved yet: run again without --dry-run")
		}
	})
	if err != nil || i.Rejected == 0 {
		return err
	}
	if err := a.svc.ImportRejects(ctx, i.ID, os.Stderr); err != nil {
		return err
	}
	return &exitError{code: exitPartly, said: true}
}

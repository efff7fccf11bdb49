package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"techissue/newsletter"
)

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

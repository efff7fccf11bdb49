package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"techissue/newsletter"
)

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

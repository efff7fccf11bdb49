package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"techissue/newsletter"
)

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

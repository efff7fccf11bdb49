package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
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

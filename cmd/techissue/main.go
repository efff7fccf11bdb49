// Command techissue is a whole newsletter in one program: the readers' site, the desk, the API and the mailer. This package reads
// the command line and the settings, wires the parts together and owns the exit codes; everything else lies in the rooms beside it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // days and dates count in Asia/Seoul, wherever it runs

	"github.com/spf13/cobra"

	"techissue/db"
	"techissue/newsletter"
)

// Exit codes, which scripts rely on.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitConfig      = 3 // settings are invalid, or the data folder is in use
	exitPartly      = 4 // finished, some rows or recipients refused
	exitInterrupted = 130
)

// exitError carries an exit code; said means that the person has been told already.
type exitError struct {
	code int
	err  error
	said bool
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	go heedSignals(cancel)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(60) // a send of 30,000 letters holds 47 MB then instead of 55, for no more time than runs differ anyway
	}
	os.Exit(run(ctx, os.Args[1:]))
}

// heedSignals ends ctx at the first signal and the process at the second. Both are caught all the time: between giving
// the signals back and the next one there would be a moment in which it is lost.
func heedSignals(cancel func()) {
	heard := make(chan os.Signal, 2)
	signal.Notify(heard, os.Interrupt, syscall.SIGTERM)
	<-heard
	cancel()
	<-heard
	os.Exit(exitInterrupted)
}

// run executes one command.
func run(ctx context.Context, args []string) int {
	c := &cli{}
	root := c.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	code := codeOf(ctx, err)
	var e *exitError
	if !errors.As(err, &e) || !e.said {
		c.complain(err, code)
	}
	return code
}

func codeOf(ctx context.Context, err error) int {
	var e *exitError
	var s settingFaults
	var used *db.InUse
	switch {
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &s), errors.As(err, &used):
		return exitConfig
	case ctx.Err() != nil:
		return exitInterrupted
	}
	return exitFailed
}

// complain tells what is wrong on stderr, a line for each fault.
func (c *cli) complain(err error, code int) {
	var faults newsletter.Faults
	var settings settingFaults
	switch {
	case errors.As(err, &settings):
		fmt.Fprintln(os.Stderr, "settings are invalid:")
		for line := range strings.SplitSeq(settings.Error(), "\n") {
			fmt.Fprintln(os.Stderr, "  "+line)
		}
	case errors.As(err, &faults):
		for _, f := range faults {
			fmt.Fprintln(os.Stderr, "error: "+f.Error())
		}
	default:
		fmt.Fprintln(os.Stderr, "error: "+wordsOf(err))
	}
	if code == exitUsage {
		fmt.Fprintln(os.Stderr, "See techissue --help.")
	}
}

// wordsOf leaves out the cause behind words that are meant for people.
func wordsOf(err error) string {
	var e *newsletter.Error
	if !errors.As(err, &e) || e.Msg == "" || e.Err == nil || e.Kind == newsletter.Internal || e.Kind == newsletter.Unavailable {
		return err.Error()
	}
	bare := *e
	bare.Err = nil
	return strings.Replace(err.Error(), e.Error(), bare.Error(), 1)
}

// cli is what every command shares: the global flags.
type cli struct {
	json    bool
	yes     bool
	envFile string
	data    string
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use: "techissue", Short: "A newsletter of your own: site, desk, API and mailer in one program",
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 {
				return usage("unknown command %q", given[0])
			}
			return cmd.Help()
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{code: exitUsage, err: err} })
	f := root.PersistentFlags()
	f.BoolVar(&c.json, "json", false, "print data as JSON")
	f.BoolVar(&c.yes, "yes", false, "skip questions")
	f.StringVar(&c.envFile, "env-file", ".env", "file with settings")
	f.StringVar(&c.data, "data", "", "data folder (TECHISSUE_DATA)")
	root.AddCommand(
		c.demo(), c.bench(), c.serve(), c.migrate(), c.admin(), c.key(), c.article(), c.issue(), c.subscribers(),
		c.suppress(), c.doctor(), c.backup(), c.restore(), c.wake(), c.leaversCommand(), c.config(), c.healthcheck(), c.version(), c.link(), c.openapi(), c.bounce(), c.dkimCommand(), c.breach(), c.copyHouse(),
	)
	for _, cmd := range root.Commands() {
		strict(cmd)
	}
	return root
}

// strict makes wrong arguments a matter of usage.
func strict(cmd *cobra.Command) {
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			return nil
		}
	}
	if cmd.HasSubCommands() && cmd.RunE == nil {
		cmd.RunE = func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 {
				return usage("unknown command %q for %q", given[0], cmd.CommandPath())
			}
			return usage("%q needs one of its commands", cmd.CommandPath())
		}
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}

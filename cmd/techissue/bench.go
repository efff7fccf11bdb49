package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"techissue/mailer/mailbench"
)

func (c *cli) bench() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Measure this machine and this program", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return cmd.Help()
	}}
	cmd.AddCommand(c.benchSend(), c.benchWeb(), c.benchSink(), c.benchHello())
	return cmd
}

func (c *cli) benchSend() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use: "send", Short: "Send an issue to made-up readers through a sink and tell letters a second, CPU and memory", Args: cobra.NoArgs,
		Long: "Makes a house in a temporary folder (or in the PostgreSQL database of --db), sends one issue of about 12 KB of Korean text to made-up readers " +
			"into a sink in a process of its own, and prints what it took. With --baseline a plain loop around go-mail sends the same text into the same sink afterwards.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := benchSend(cmd.Context(), o)
			if err != nil {
				return err
			}
			return c.print(r, func() { r.tell(os.Stdout) })
		},
	}
	f := cmd.Flags()
	f.Int64Var(&o.Readers, "readers", 50_000, "made-up readers")
	f.IntVar(&o.Connections, "connections", 32, "open connections")
	f.DurationVar(&o.Delay, "delay", 0, "what the sink waits before each answer")
	f.StringVar(&o.To, "to", "", "host:port of another sink (plaintext)")
	f.StringVar(&o.DB, "db", "", "postgres://… of an empty database, instead of SQLite")
	f.StringVar(&o.DKIM, "dkim", "", "sign with a fresh key: rsa or ed25519")
	f.BoolVar(&o.NoStore, "no-store", false, "compose and hand over only, without a database")
	f.BoolVar(&o.NoTracking, "no-tracking", false, "without tracked links")
	f.BoolVar(&o.Baseline, "baseline", false, "compare with a plain loop around go-mail")
	f.StringVar(&o.CPUProfile, "cpuprofile", "", "write a CPU profile of the sending")
	f.StringVar(&o.MemProfile, "memprofile", "", "write an allocation profile of the sending")
	return cmd
}

// benchOptions are the flags of bench send.
type benchOptions struct {
	Readers      int64
	Connections  int
	Delay        time.Duration
	To, DB, DKIM string
	NoStore      bool
	NoTracking   bool
	Baseline     bool
	CPUProfile   string
	MemProfile   string
}

// benchSink is the sink of bench send in its own process: what it costs must not be counted as the sender's.
func (c *cli) benchSink() *cobra.Command {
	s := &mailbench.Sink{}
	addr := "127.0.0.1:0"
	cmd := &cobra.Command{
		Use: "sink", Short: "Take letters and forget them, until standard input ends", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.Listen(addr); err != nil {
				return err
			}
			fmt.Println(s.Addr())
			_, err := io.Copy(io.Discard, os.Stdin)
			return err
		},
	}
	cmd.Flags().StringVar(&addr, "addr", addr, "listen here")
	cmd.Flags().DurationVar(&s.Delay, "delay", 0, "wait before each answer")
	return cmd
}

// startSink runs the sink and returns where it listens.
func startSink(ctx context.Context, delay time.Duration) (addr string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "bench", "sink", "--delay", delay.String())
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start the sink: %w", err)
	}
	stop = func() {
		in.Close()
		_ = cmd.Wait()
	}
	line := make([]byte, 64)
	n, err := out.Read(line)
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the sink said nothing: %w", err)
	}
	return strings.TrimSpace(string(line[:n])), stop, nil
}

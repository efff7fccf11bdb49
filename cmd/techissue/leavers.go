package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"techissue/newsletter"
)

// leaversFile is leavers.log beside a SQLite database: one line per leaver, the keyed hash of the address, the time in Unix milliseconds
// and the kind. It is on disk before the transaction commits, so that a backup of yesterday can be told who left today. Marks, lines
// that begin with "house-", say which house it is and that it was alive: by them a stale copy of the log is known.
type leaversFile struct {
	path string
	mu   sync.Mutex
}

const (
	markPrefix  = "house-"
	markEvery   = time.Hour
	markPatient = 2 * time.Hour // a log whose last mark is older does not reach up to now
)

// Append adds lines and waits for the disk.
func (l *leaversFile) Append(_ context.Context, lines ...newsletter.Leaver) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh := !exists(l.path)
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open leavers.log: %w", err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for _, line := range lines {
		fmt.Fprintf(w, "%s %d %s\n", line.Key, line.At.UnixMilli(), line.Kind)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write leavers.log: %w", err)
	}
	if err := f.Sync(); err != nil || !fresh {
		return err
	}
	return syncFolder(filepath.Dir(l.path)) // or a power cut takes the new file's name
}

// mark says that the house is alive.
func (l *leaversFile) mark(ctx context.Context, house string) error {
	return l.Append(ctx, newsletter.Leaver{Key: newsletter.AddressKey(markPrefix + house), At: now(), Kind: "alive"})
}

// leaversLog is a log that was read.
type leaversLog struct {
	lines []newsletter.Leaver
	house string    // "" in a log without a mark
	until time.Time // of the last line or mark
}

// readLeavers reads a log; a missing one is empty. A last line that a crash cut short is left out, its answer was never given.
func readLeavers(path string) (log leaversLog, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return log, nil
	}
	if err != nil {
		return log, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		text, err := r.ReadString('\n')
		if err == io.EOF {
			return log, nil
		}
		if err != nil {
			return log, err
		}
		l, err := parseLeaver(text)
		if err != nil {
			return log, fmt.Errorf("%s: line %d: %w", path, n, err)
		}
		if l.At.After(log.until) {
			log.until = l.At
		}
		if house, ok := strings.CutPrefix(string(l.Key), markPrefix); ok {
			log.house = house
			continue
		}
		log.lines = append(log.lines, l)
	}
}

func parseLeaver(line string) (l newsletter.Leaver, err error) {
	words := strings.Fields(line)
	if len(words) != 3 {
		return l, errors.New("is no line of a leavers' log")
	}
	at, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		return l, errors.New("is no line of a leavers' log")
	}
	return newsletter.Leaver{Key: newsletter.AddressKey(words[0]), At: time.UnixMilli(at).UTC(), Kind: words[2]}, nil
}

// kin tells whether two logs can be of one house: by their marks, or by a line that both have.
func (a leaversLog) kin(b leaversLog) bool {
	if a.house != "" && b.house != "" {
		return a.house == b.house
	}
	if len(a.lines) == 0 || len(b.lines) == 0 {
		return true
	}
	return slices.Contains(b.lines, a.lines[0]) || slices.Contains(a.lines, b.lines[0])
}

// mergeLeavers puts logs together in the order of time, each line once.
func mergeLeavers(logs ...leaversLog) (all []newsletter.Leaver) {
	seen := map[newsletter.Leaver]bool{}
	for _, log := range logs {
		for _, l := range log.lines {
			if !seen[l] {
				seen[l] = true
				all = append(all, l)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b newsletter.Leaver) int { return a.At.Compare(b.At) })
	return all
}

// lacks lists the lines of another log that this one has not.
func (a leaversLog) lacks(other leaversLog) (all []newsletter.Leaver) {
	have := make(map[newsletter.Leaver]bool, len(a.lines))
	for _, l := range a.lines {
		have[l] = true
	}
	for _, l := range other.lines {
		if !have[l] {
			have[l] = true
			all = append(all, l)
		}
	}
	return all
}

// keepLeavers marks the log while the house lives.
func (a *app) keepLeavers(ctx context.Context) error {
	if a.leavers == nil {
		return nil
	}
	tick := time.NewTicker(markEvery)
	defer tick.Stop()
	for {
		if err := a.leavers.mark(ctx, a.svc.HouseMark()); err != nil {
			a.log.Error("mark leavers.log", "err", err)
		}
		select {
		case <-ctx.Done():
			if err := a.leavers.mark(context.WithoutCancel(ctx), a.svc.HouseMark()); err != nil {
				a.log.Error("mark leavers.log", "err", err)
			}
			return nil
		case <-tick.C:
		}
	}
}

// reconcileLeavers takes over what the log knows and the database does not, before the first letter leaves: somebody may have put an
// older database beside it by hand. It costs nothing when the log's last line stands in the database.
func (a *app) reconcileLeavers(ctx context.Context) error {
	if a.leavers == nil {
		return nil
	}
	behind, log, err := a.leaversBehind(ctx)
	if err != nil || !behind {
		return err
	}
	gone, err := a.svc.TakeLeavers(ctx, log.lines)
	if err == nil && gone > 0 {
		a.log.Warn("the leavers' log knew people who had left and the database did not", "readers", gone)
	}
	return err
}

// leaversBehind tells whether the log holds a line that the database lacks, looking at the last one only.
func (a *app) leaversBehind(ctx context.Context) (bool, leaversLog, error) {
	last, err := lastLeaver(a.leavers.path)
	if err != nil || last == nil {
		return false, leaversLog{}, err
	}
	has := false
	err = a.store.View(ctx, func(tx newsletter.Tx) (err error) {
		has, err = tx.HasLeaver(ctx, *last)
		return err
	})
	if err != nil || has {
		return false, leaversLog{}, err
	}
	log, err := readLeavers(a.leavers.path)
	return true, log, err
}

// lastLeaver reads the end of a log: its last line that is no mark, nil when the last 64 KB hold none.
func lastLeaver(path string) (*newsletter.Leaver, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const window = 64 << 10
	raw, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-window), window))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(raw), "\n")
	for n := len(lines) - 2; n >= 0; n-- { // behind the last line break stands nothing, or what a crash cut short
		if l, err := parseLeaver(lines[n]); err == nil && !strings.HasPrefix(string(l.Key), markPrefix) {
			return &l, nil
		}
	}
	return nil, nil
}

func (c *cli) leaversCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "leavers", Short: "Who must not be written to again, also after a restore"}
	confirm := &cobra.Command{
		Use: "confirm", Short: "After a restore: go on although nobody knows who left in between", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, a *app, _ []string) error {
			r, err := a.svc.HouseRest(ctx)
			switch {
			case err != nil:
				return err
			case r.LeaversFrom.IsZero():
				fmt.Fprintln(os.Stderr, "nothing to confirm: all who left are known")
				return nil
			}
			if err := a.svc.ConfirmLeavers(ctx, actorCLI); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "confirmed: who left between %s and %s may be written to\n", r.LeaversFrom.In(a.cfg.loc).Format(time.DateTime), r.LeaversUntil.In(a.cfg.loc).Format(time.DateTime))
			return nil
		}),
	}
	take := &cobra.Command{
		Use: "import FILE", Short: "Take over a newer leavers.log of this house", Args: cobra.ExactArgs(1),
		RunE: c.with(func(ctx context.Context, a *app, args []string) error {
			if !exists(args[0]) {
				return usage("%s is not there", args[0])
			}
			log, err := readLeavers(args[0])
			if err != nil {
				return err
			}
			if log.house != "" && log.house != a.svc.HouseMark() {
				return fmt.Errorf("%s is the log of another house", args[0])
			}
			gone, err := a.takeLog(ctx, log)
			if err != nil {
				return err
			}
			return c.print(map[string]any{"lines": len(log.lines), "left": gone, "until": log.until}, func() {
				fmt.Printf("%d lines · %s\n", len(log.lines), plural(int64(gone), "reader")+" had left")
			})
		}),
	}
	cmd.AddCommand(confirm, take)
	return cmd
}

// takeLog takes over a log: into the database, and into the log beside it.
func (a *app) takeLog(ctx context.Context, log leaversLog) (int, error) {
	gone, err := a.svc.TakeLeavers(ctx, log.lines)
	if err != nil {
		return gone, err
	}
	if a.leavers != nil {
		own, err := readLeavers(a.leavers.path)
		if err != nil {
			return gone, err
		}
		if err := a.leavers.Append(ctx, own.lacks(log)...); err != nil {
			return gone, err
		}
	}
	until := log.until
	if now().Sub(until) < markPatient {
		until = now()
	}
	return gone, a.svc.LeaversKnown(ctx, actorCLI, until)
}

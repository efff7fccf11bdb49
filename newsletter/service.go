package newsletter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options is what a Service is made of. Store, Keys, Now and House are needed; the rest has a harmless default.
type Options struct {
	Store     Store
	Keys      func() Keyring
	Now       func() time.Time // UTC
	Log       *slog.Logger
	House     House // of the environment; the admin's settings override it
	Renderer  Renderer
	Links     func(Snapshot) ([]string, error) // the addresses in a letter worth counting; nil counts none
	Leavers   LeaversLog
	Files     Files // of pictures; nil takes none
	Passwords Passwords

	// SendingRefused says why no letter may leave (no SMTP, no https), nil when letters may.
	SendingRefused   func() error
	DefaultUncertain UncertainPolicy
	// Sender says what is wrong with the sender's domain (SPF, DKIM, DMARC), as last looked up; it must not block. nil says nothing.
	Sender func() []Check
	// FeedbackWays names the ways by which bounces reach this house: listener, imap, ses, mailgun, postmark, sendgrid.
	FeedbackWays []string
	// Location is of dates in texts; nil is UTC.
	Location *time.Location
	// FeedbackDoors names those that count as a way when something came by them lately: pipe, and providers whose notices would be taken.
	FeedbackDoors []string
	// Wake tells the queue that there is work; it must not block.
	Wake func()
}

// Renderer shows an issue as the mailer would send it. cmd gives the mailer's own.
type Renderer interface {
	// RenderIssue returns both parts as one reader named name would get them; links that belong to one reader lead nowhere.
	RenderIssue(s Snapshot, name string) (html, text string, err error)
}

// LeaversLog keeps who left outside the database, so that a restored backup does not write to them again.
type LeaversLog interface {
	// Append returns when the lines are on disk.
	Append(ctx context.Context, l ...Leaver) error
}

// Service holds the use cases. Its methods may be called from several goroutines.
type Service struct {
	opt     Options
	addrKey []byte

	epoch  atomic.Uint64 // grows when this node or another changed what pages show
	mu     sync.Mutex
	views  map[ArticleID]int64
	hits   []Hit
	booted bool // Advance has looked for issues that lay too long

	signIn signIns
}

// NewService reads (or makes) the key of address hashes and stores the keys that old links are verified with.
func NewService(ctx context.Context, o Options) (*Service, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.SendingRefused == nil {
		o.SendingRefused = func() error { return nil }
	}
	if o.DefaultUncertain == "" {
		o.DefaultUncertain = ResendOnce
	}
	if o.Wake == nil {
		o.Wake = func() {}
	}
	s := &Service{opt: o, views: map[ArticleID]int64{}}
	if err := s.prepareKeys(ctx); err != nil {
		return nil, fmt.Errorf("prepare keys: %w", err)
	}
	return s, nil
}

var errKeysMissing = errors.New("some keys are not stored yet")

// prepareKeys writes only what is missing: a command that just reads must work while the database takes no changes, for a full disk or another
// program's lock.
func (s *Service) prepareKeys(ctx context.Context) error {
	derived := s.opt.Keys().DerivedKeys()
	err := s.view(ctx, func(tx Tx) error {
		stored, err := tx.TokenKeys(ctx)
		if err != nil {
			return err
		}
		for _, k := range derived {
			if !slices.ContainsFunc(stored, func(old TokenKey) bool { return old.ID == k.ID && old.Purpose == k.Purpose }) {
				return errKeysMissing
			}
		}
		s.addrKey, err = tx.AddressHashKey(ctx)
		return err
	})
	if err == nil {
		return nil
	}
	return s.opt.Store.Update(ctx, func(tx Tx) (err error) {
		if s.addrKey, err = tx.AddressHashKey(ctx); err != nil {
			return err
		}
		for _, k := range derived {
			if err := tx.PutTokenKey(ctx, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// keyOf is the keyed hash under which an address is known when it must not be kept.
func (s *Service) keyOf(a Address) AddressKey { return a.Key(s.addrKey) }

// leave writes who left to the table and to the log beside the database. The log is on disk before the
// transaction commits: a crash between leaves a line too many, never one too few.
func (s *Service) leave(ctx context.Context, tx Tx, key AddressKey, kind string, now time.Time) error {
	l := Leaver{Key: key, At: now, Kind: kind}
	if err := tx.AddLeaver(ctx, l); err != nil {
		return err
	}
	if s.opt.Leavers == nil {
		return nil
	}
	if err := s.opt.Leavers.Append(ctx, l); err != nil {
		return &Error{Kind: Unavailable, Msg: "지금은 저장할 수 없어요. 잠시 뒤에 다시 해 주세요.", Err: err}
	}
	return nil
}

// audit records who did what at the desk, in the transaction that does it.
func (s *Service) audit(ctx context.Context, tx Tx, actor, action, object, detail string) error {
	return tx.Audit(ctx, AuditEntry{At: s.opt.Now(), Actor: actor, Action: action, Object: object, Detail: detail})
}

func (s *Service) view(ctx context.Context, fn func(Tx) error) error {
	return s.opt.Store.View(ctx, fn)
}

func (s *Service) update(ctx context.Context, fn func(Tx) error) error {
	key, _ := ctx.Value(replayKey{}).(string)
	shows := false
	err := s.opt.Store.Update(ctx, func(tx Tx) error {
		watched := &watchedTx{Tx: tx}
		if err := fn(watched); err != nil {
			return err
		}
		shows = watched.bumped
		if key == "" {
			return nil
		}
		return tx.MarkReplay(ctx, key, replayDone)
	})
	if shows { // even after an error: whether the commit reached the disk is not known then
		s.epoch.Add(1)
	}
	return err
}

// get reads one thing in a transaction of its own.
func get[T any](ctx context.Context, s *Service, read func(Tx) (T, error)) (T, error) {
	var v T
	err := s.view(ctx, func(tx Tx) (err error) {
		v, err = read(tx)
		return err
	})
	return v, err
}

// page cuts the extra row off a list, which tells whether there are more.
func page[T any](rows []T, limit int) ([]T, bool) {
	if len(rows) > limit {
		return rows[:limit], true
	}
	return rows, false
}

// pageLimit keeps a list's limit within 1…200; 0 means 50.
func pageLimit(n int) int {
	switch {
	case n <= 0:
		return 50
	case n > 200:
		return 200
	}
	return n
}

// found turns NotFound into false, and tells nothing of other errors.
func found(err error) (bool, error) {
	if KindOf(err) == NotFound {
		return false, nil
	}
	return err == nil, err
}

package newsletter

import (
	"context"
	"time"
)

// Rest is why a house sends nothing.
type Rest string

const (
	Awake      Rest = ""
	RestFinal  Rest = "final"  // its last backup was made: it lives on elsewhere
	RestCopied Rest = "copied" // it is a copy, and the original may still be sending
)

// Alerts of a house that was moved or restored; the last one is an issue's.
const (
	alertLeavers  = "leavers"
	alertResting  = "resting"
	alertRestored = "restored"
)

// HouseRest is what keeps a house from sending, beyond settings.
type HouseRest struct {
	Why Rest
	// LeaversFrom and LeaversUntil bound the time of which nobody knows who left; zero when all is known.
	LeaversFrom, LeaversUntil time.Time
}

// Backup is a file that was written, or could not be.
type Backup struct {
	ID         int64
	At         time.Time
	Path       string
	Bytes      int64
	Kind       string // manual, scheduled, final
	VerifiedAt time.Time
	Fault      string // what was wrong when it was written or read back
}

// RestTx keeps whether the house rests, and what is known of its backups.
type RestTx interface {
	HouseRest(ctx context.Context) (HouseRest, error)
	PutHouseRest(ctx context.Context, r HouseRest) error
	// HoldNotices cancels single letters that are owed, takes the second try from those in doubt, and ends what programs were still to be
	// told. It tells how many letters.
	HoldNotices(ctx context.Context, reason string, now time.Time) (int64, error)
	// NewestLeaver is the newest line of the leavers' table, NotFound when there is none.
	NewestLeaver(ctx context.Context) (Leaver, error)
	// HasLeaver tells whether this very line stands in the table.
	HasLeaver(ctx context.Context, l Leaver) (bool, error)

	// CountLeavers counts the lines of a kind from then on.
	CountLeavers(ctx context.Context, kind string, since time.Time) (int64, error)

	PutBackup(ctx context.Context, b *Backup) error
	// Backups lists what was written and not removed, newest first.
	Backups(ctx context.Context, limit int) ([]Backup, error)
	RemoveBackup(ctx context.Context, id int64, now time.Time) error
}

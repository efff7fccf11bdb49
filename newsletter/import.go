package newsletter

import (
	"context"
	"time"
)

// Import is one run of bringing readers in from a file. Rows counts data lines; created, updated,
// unsubscribed and rejected say what became of them (an unchanged reader counts as updated).
type Import struct {
	ID            int64
	State         string // running, done, failed
	File          string
	Format        string // stibee, mailchimp, substack, ghost, listmonk, techissue, plain
	As            ImportAs
	ConsentSource string
	DryRun        bool
	Rows          int64
	Created       int64
	Updated       int64
	Unsubscribed  int64 // the part of created and updated that came as having left
	Rejected      int64
	Error         string
	SeenAt        time.Time // of a running one: when it last took a chunk
	CreatedAt     time.Time
	DoneAt        time.Time
}

// importSilence is how long a running import may take no chunk before it counts as dead; one of 2,000 lines takes a second.
const importSilence = 10 * time.Minute

// judged shows an import as failed that died with its process.
func (i Import) judged(now time.Time) Import {
	if i.State == "running" && now.Sub(i.SeenAt) > importSilence && now.Sub(i.CreatedAt) > importSilence {
		i.State, i.Error, i.DoneAt = "failed", errImportStopped, i.SeenAt
	}
	return i
}

// ImportAs is what the file's readers become when their row does not say otherwise.
type ImportAs string

const (
	ImportActive       ImportAs = "active" // needs a consent source
	ImportPending      ImportAs = "pending"
	ImportUnsubscribed ImportAs = "unsubscribed"
	ImportSuppressed   ImportAs = "suppressed"
)

// Reject is a line that was not taken. Lines are numbered as in the file, the header being line 1.
type Reject struct {
	Line   int64
	Value  string // the line's address cell, made harmless
	Reason string
}

// ImportTx keeps imports and their refused lines, and does for many readers at once what SubscriberTx and
// SuppressionTx do for one.
type ImportTx interface {
	PutImport(ctx context.Context, i *Import) error
	Import(ctx context.Context, id int64) (Import, error)
	AddRejects(ctx context.Context, id int64, r []Reject) error
	Rejects(ctx context.Context, id int64, after int64, limit int) ([]Reject, error)

	// Known tells what the house knows of the addresses; those it does not know are left out.
	Known(ctx context.Context, keys []AddressKey) (map[AddressKey]Known, error)
	// InsertSubscribers inserts new readers with their tags and sets their IDs. Conflict: an address is taken.
	InsertSubscribers(ctx context.Context, readers []Subscriber) error
	AddConsents(ctx context.Context, c []Consent) error
	AddEvents(ctx context.Context, e []Event) error
	AddLeavers(ctx context.Context, l []Leaver) error
}

// Known is what the house knows of an address; each part may be zero.
type Known struct {
	Subscriber  Subscriber
	Suppression Suppression
	Left        Leaver // the newest line about it
}

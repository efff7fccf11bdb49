package newsletter

import (
	"context"
	"errors"
	"time"
)

// ErrLeaseLost says that the letter is somebody else's by now: the worker forgets it and writes nothing.
var ErrLeaseLost = errors.New("lease lost")

// Ticket names a letter that a worker holds: a delivery, or with Single set a notice.
type Ticket struct {
	Single bool
	ID     int64 // DeliveryID or NoticeID
	Lease  int64
}

// Claimed is a letter just leased, with what composing it needs.
type Claimed struct {
	Ticket
	Email    string
	Attempts int  // charged so far
	Resent   bool // the automatic second try is used up
	FirstDue time.Time

	// of a delivery
	Issue      IssueID
	Number     int
	Edition    int
	Subscriber SubscriberID
	Name       string
	ConsentAt  time.Time
	PreparedAt time.Time
	ExpiresAt  time.Time
	NoTracking bool

	Notice *Notice // of a single letter
}

// Place is where a letter stands among those that are due.
type Place struct {
	Issue  IssueID
	Due    time.Time
	Letter DeliveryID
}

// GateError says that a letter may not leave, and what became of its row in the same transaction.
type GateError struct {
	State  DeliveryState // skipped, cancelled, or queued when the issue is paused
	Reason string
}

func (e *GateError) Error() string { return "gate refused: " + string(e.State) + " " + e.Reason }

// Settlement is the result of one attempt, to be written in one transaction: the row's new state, the attempt, the
// suppression that follows.
type Settlement struct {
	Ticket
	State   DeliveryState // sent, queued, failed, uncertain or expired
	Reason  string
	DueAt   time.Time // for queued
	Charge  bool      // the attempt counts
	Reply   Reply
	RelayID string
	Relay   string // host:port that was asked
	Outcome string // for the attempt: sent, retry, failed, uncertain, requeued, released
	At      time.Time

	Suppress SuppressionReason // "" for none; the row's reader is suppressed with Reply as evidence
	Pause    string            // not "": the issue pauses with this reason and an alert of that kind
	Alert    string            // the alert's text
}

// Plain tells that nothing follows from a result beyond the letter itself: it may travel in a Turn.
func (s Settlement) Plain() bool {
	return s.State == Sent && !s.Single && s.Suppress == "" && s.Pause == ""
}

// Turn is what a worker asks between two letters. Either half may be missing.
type Turn struct {
	Settle *Settlement // a plain one
	Gate   *Ticket     // of a delivery
}

// TurnAnswer holds the errors that Settle and Gate would have answered.
type TurnAnswer struct{ Settled, Gated error }

// Recovered counts what a restart found in flight.
type Recovered struct{ Requeued, Uncertain int64 }

// QueueStore is what the queue needs of the store. Each call is one transaction, on disk when it returns; calls
// of many workers share commits where the engine can.
type QueueStore interface {
	// ClaimDeliveries leases up to limit letters that are queued and due, of issues in state sending, oldest due first. No letter is
	// given to two callers. Each names the newest edition of its variant, or the one it was handed with before.
	ClaimDeliveries(ctx context.Context, node int64, limit int, now time.Time) ([]Claimed, error)
	ClaimNotices(ctx context.Context, node int64, limit int, now time.Time) ([]Claimed, error)
	// ClaimBeyond claims as ClaimDeliveries does, among the next look letters behind a place (zero: the first of all), and passes by those
	// that go to the domains named. It returns the place it came to, zero at the end.
	ClaimBeyond(ctx context.Context, node int64, limit, look int, from Place, pass []string, now time.Time) ([]Claimed, Place, error)
	// Gate turns leased into handing only while the lease is ours, the issue is sending, the reader is active under the same address,
	// not resting, and the address is not suppressed. Errors: ErrLeaseLost, *GateError (the row is settled already).
	Gate(ctx context.Context, t Ticket, now time.Time) error
	// Settle writes a result under the same lease; a 2xx that comes late turns uncertain into sent. ErrLeaseLost otherwise. A letter that
	// was to be queued again is cancelled when its issue was cancelled meanwhile, and skipped when its reader was erased.
	Settle(ctx context.Context, s Settlement) error
	// Turns does what many workers ask between two letters, in one commit: settles each one's last letter and opens the gate of its next.
	// The answers stand in the order of the turns. An error of the store means that none of it happened.
	Turns(ctx context.Context, turns []Turn, now time.Time) ([]TurnAnswer, error)
	// Release gives leased letters back uncharged, due at that time. Those that are no longer held under their lease are passed over.
	Release(ctx context.Context, letters []Ticket, due time.Time) error
	// Leases lists what a node holds as leased.
	Leases(ctx context.Context, node int64) ([]Ticket, error)
	// TakeBack undoes refusals that were nobody's fault: each letter that failed under this lease is queued again uncharged, and the
	// suppression that its failure brought is lifted. It pauses the issue with an alert.
	TakeBack(ctx context.Context, issue IssueID, letters []Ticket, alert Alert, now time.Time) error
	// Recover takes back what a node (0: every node) held when it died: leased → queued uncharged, handing → uncertain.
	Recover(ctx context.Context, node int64, now time.Time) (Recovered, error)
	// SecondTries queues uncertain letters of resend_once for their one more try: 15 minutes without evidence, single letters 5.
	SecondTries(ctx context.Context, now time.Time) (int64, error)
	// ClockSetBack makes queued letters of open issues due whose wait exceeds the longest one, and counts doubts from now.
	ClockSetBack(ctx context.Context, longest time.Duration, now time.Time) (int64, error)
	// Edition returns an issue's edition by its number.
	Edition(ctx context.Context, issue IssueID, number int) (Edition, error)

	// Raise opens an alert; it tells whether there was none of its issue and kind open before. Clear closes it. Raised tells whether it is open.
	Raise(ctx context.Context, a Alert) (bool, error)
	Clear(ctx context.Context, issue IssueID, kind string, now time.Time) error
	Raised(ctx context.Context, issue IssueID, kind string) (bool, error)

	// Learned and Learn keep what a transport was found to bear, as the mailer writes it.
	Learned(ctx context.Context, transport string) (string, error)
	Learn(ctx context.Context, transport, text string, now time.Time) error

	// RegisterNode names this process; Beat says it is alive, by the database's clock where there is one.
	// ReapNodes marks other nodes silent for longer than that as stopped and returns stopped ones that hold letters, until Recover takes them back.
	RegisterNode(ctx context.Context, name string, now time.Time) (int64, error)
	Beat(ctx context.Context, node int64, now time.Time) error
	ReapNodes(ctx context.Context, self int64, silent time.Duration, now time.Time) ([]int64, error)
	StopNode(ctx context.Context, node int64, now time.Time) error
}

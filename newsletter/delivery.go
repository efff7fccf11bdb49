package newsletter

import "time"

// DeliveryID names one letter: one reader, one issue.
type DeliveryID int64

// DeliveryState is what we know of one letter; docs/states.md draws it. A delivery leaves
// queued, leased and handing by the queue, uncertain by policy, evidence or the editor.
type DeliveryState string

const (
	Queued    DeliveryState = "queued"    // owed; DueAt says when
	Leased    DeliveryState = "leased"    // a worker has it; nothing of it can have been accepted
	Handing   DeliveryState = "handing"   // the gate is committed: in doubt
	Uncertain DeliveryState = "uncertain" // outcome unknown
	Sent      DeliveryState = "sent"      // the server answered 2xx
	Failed    DeliveryState = "failed"
	Expired   DeliveryState = "expired"
	Skipped   DeliveryState = "skipped" // the reader left before; Reason says how
	Cancelled DeliveryState = "cancelled"
)

// DeliveryStates in the order people read them.
var DeliveryStates = [...]DeliveryState{Queued, Leased, Handing, Sent, Uncertain, Failed, Expired, Skipped, Cancelled}

// Reasons of skipped, failed and cancelled letters.
const (
	ReasonUnsubscribed = "unsubscribed"
	ReasonSuppressed   = "suppressed"
	ReasonPaused       = "paused"
	ReasonErased       = "erased"
	ReasonAddress      = "address_changed"
	ReasonCancelled    = "cancelled"
	ReasonRefused      = "refused"
	ReasonCompose      = "compose"
	ReasonLost         = "lost"    // each connection that carried it ended before its final dot
	ReasonLimit        = "limit"   // of single letters: the address or its domain had its share
	ReasonUnknown      = "unknown" // of single letters: no reader has that address
	ReasonOpened       = "opened"  // uncertain letters that turned out to have arrived
	ReasonClicked      = "clicked" // so too
	ReasonPanic        = "panic"   // a bug of ours met it three times
)

// Delivery is the one durable row per reader and issue.
type Delivery struct {
	ID         DeliveryID
	Issue      IssueID
	Number     int // the issue's
	Subscriber SubscriberID
	Email      string // as frozen; the gate compares it with the reader's
	Variant    int
	Edition    int // 0 until claimed
	State      DeliveryState
	Reason     string
	Lease      int64
	DueAt      time.Time
	Attempts   int
	Resent     bool // the one automatic second try of resend_once was used
	RelayID    string
	Reply      string // the server's last answer, made harmless
	FirstAt    time.Time
	DoneAt     time.Time
	BouncedAt  time.Time
	OpenedAt   time.Time
	ClickedAt  time.Time
}

// Attempt is a line of the append-only record of what the outside world said.
type Attempt struct {
	ID       int64
	Delivery DeliveryID // or
	Notice   NoticeID
	Lease    int64
	At       time.Time
	Reply    Reply
	Outcome  string // sent, retry, failed, uncertain, requeued, copy …
	Relay    string // host that was asked
}

// Progress is an issue's sending at one instant. The nine counts add up to Recipients.
type Progress struct {
	Issue      IssueID
	Number     int
	State      IssueState
	Recipients int64
	Counts     map[DeliveryState]int64
	Deferred   int64   // the part of queued that was tried before
	Rate       float64 // letters sent per second over the last half minute
	ETA        time.Duration
	NextDue    time.Time // earliest queued letter; zero when none
	Alerts     []Alert
}

// Tally is what is known of an issue's letters beyond their states. Opened is an estimate: mail programs and
// scanners open letters by themselves.
type Tally struct {
	Opened, Clicked, Bounced, Unsubscribed int64
	PeopleOpened, PeopleClicked            int64 // without those that only machines opened or clicked
}

// DeliveryFilter selects letters of one issue, oldest first.
type DeliveryFilter struct {
	Issue  IssueID
	State  DeliveryState
	Query  string
	Cursor int64
	Limit  int
}

// NoticeID names one single letter.
type NoticeID int64

// NoticeKind is what a single letter is about. The gate differs by kind.
type NoticeKind string

const (
	NoticeConfirm    NoticeKind = "confirm" // gate: not blocked by hand
	NoticeAlready    NoticeKind = "already" // already subscribed; gate: none beyond the address
	NoticeWelcome    NoticeKind = "welcome" // gate: active
	NoticeRefusal    NoticeKind = "refusal" // 수신거부 처리 결과 (정보통신망법 §50⑦); gate: none
	NoticeManage     NoticeKind = "manage"  // the 30-minute link
	NoticeAddress    NoticeKind = "address" // proves a new address
	NoticeTest       NoticeKind = "test"    // a test letter of an issue
	NoticeAlert      NoticeKind = "alert"   // to the owner
	NoticeCopy       NoticeKind = "copy"    // a sent letter once more, by hand; gate: active, at the same address
	NoticeComment    NoticeKind = "comment" // proves the address of a comment
	NoticeReply      NoticeKind = "reply"   // somebody answered a comment
	NoticeAdminReset NoticeKind = "admin_reset"
)

// Notice is a single letter: same states, lease, gate and settle as a delivery, in no issue's sums.
type Notice struct {
	ID         NoticeID
	Kind       NoticeKind
	Subscriber SubscriberID // 0: nobody of ours
	Email      string
	Payload    NoticePayload
	State      DeliveryState
	Reason     string
	Lease      int64
	DueAt      time.Time
	Attempts   int
	Resent     bool
	Reply      string
	CreatedAt  time.Time
	DoneAt     time.Time
}

// NoticePayload is what its letter needs beyond the reader. Stored as JSON.
type NoticePayload struct {
	Name     string     `json:"name,omitempty"`
	Grant    int64      `json:"grant,omitempty"` // the token in the letter is made of it when composing
	Expires  time.Time  `json:"expires,omitzero"`
	At       time.Time  `json:"at,omitzero"` // when the thing told of happened
	AdAlso   bool       `json:"ad,omitempty"`
	Issue    IssueID    `json:"issue,omitempty"`
	Delivery DeliveryID `json:"delivery,omitempty"` // of a copy
	Subject  string     `json:"subject,omitempty"`
	Text     string     `json:"text,omitempty"`
	Link     string     `json:"link,omitempty"`
	Again    bool       `json:"again,omitempty"` // confirmation after a complaint: says so
}

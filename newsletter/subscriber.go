package newsletter

import "time"

// SubscriberID is the store's own number of a reader. It never leaves the house except inside a signed token and the API.
type SubscriberID int64

// Status is what a reader has chosen. Suppressed is never stored: it is what is shown of a pending or
// active reader whose address is suppressed, and lifting the suppression shows the stored one again.
type Status string

const (
	Pending      Status = "pending"
	Active       Status = "active"
	Unsubscribed Status = "unsubscribed"
	Suppressed   Status = "suppressed"
)

// Subscriber is one reader, one address.
type Subscriber struct {
	ID      SubscriberID
	Email   Address
	AddrKey AddressKey // keyed hash of Email, unique
	Name    string     // "" when not given; NFC, at most 64 characters
	Status  Status
	Tags    []string // sorted, unique
	Source  string   // where they came from: form, import, api, admin, stibee …

	AdConsent   bool
	AdConsentAt time.Time
	ConsentAt   time.Time // consent to receive, the date in the footer; zero: none
	ConfirmedAt time.Time // the mailed link was used

	UnsubscribedAt    time.Time
	UnsubscribeReason string
	PausedUntil       time.Time // letters before it are skipped with reason paused
	NoTracking        bool      // opens and clicks of this reader are not recorded

	Suppression SuppressionReason // "" when the address is free; filled by the store on reading

	CreatedAt time.Time
	UpdatedAt time.Time
}

// Shown is the status for people: Suppressed outranks pending and active.
func (s Subscriber) Shown() Status {
	if s.Suppression != "" && s.Status != Unsubscribed {
		return Suppressed
	}
	return s.Status
}

// Paused tells whether letters to the reader rest at this moment.
func (s Subscriber) Paused(now time.Time) bool { return s.PausedUntil.After(now) }

// SubscriberFilter selects readers for a list. Its zero value is everybody.
type SubscriberFilter struct {
	Query  string // part of the address or name
	Status Status // Suppressed is understood
	Tag    string
	Cursor int64 // the last ID of the page before; lists are newest first
	Limit  int   // 1…200
}

// SuppressionReason says why nothing may be sent to an address.
type SuppressionReason string

const (
	SuppressedHard      SuppressionReason = "hard"      // the server says there is no such reader
	SuppressedSoft      SuppressionReason = "soft"      // refused for several issues in a row
	SuppressedComplaint SuppressionReason = "complaint" // reported as spam
	SuppressedManual    SuppressionReason = "manual"    // by the editor
)

// Suppression forbids every letter to one address but a processing notice. It is keyed on
// the hash of the address, which stays when the address itself has to be forgotten.
type Suppression struct {
	ID        int64
	AddrKey   AddressKey
	Email     string // "" after retention removed it
	Reason    SuppressionReason
	Evidence  string // the server's answer, the report, or the editor's words
	CreatedAt time.Time
}

// Event is one line of a reader's timeline.
type Event struct {
	ID         int64
	Subscriber SubscriberID
	Kind       string // subscribed, confirmed, unsubscribed, renamed, paused, resumed, imported, suppressed, lifted, address_changed …
	Detail     string
	At         time.Time
}

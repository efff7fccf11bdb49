package newsletter

import (
	"context"
	"time"
)

// LetterReport is one line of what came back about a letter.
type LetterReport struct {
	Delivery DeliveryID // or
	Notice   NoticeID
	Kind     FeedbackKind
	Via      string
	Reply    Reply
	Reporter string
	At       time.Time
}

// FeedbackWay is a way by which bounces reach the house, and what it brought.
type FeedbackWay struct {
	Name     string           `json:"name"`
	Set      bool             `json:"set"` // named in the settings; a door shows by what it brings
	LastAt   time.Time        `json:"last_at,omitzero"`
	Outcomes map[string]int64 `json:"outcomes"`
}

// LeaveOffer is an answer that begins with 수신거부 and waits for the editor's word.
type LeaveOffer struct {
	ID         int64
	Subscriber SubscriberID
	Email      Address // the reader's, filled by the store
	Mark       string  // names the message
	Text       string  // its first words
	At         time.Time
}

// FeedbackEntry is one line of what came in.
type FeedbackEntry struct {
	ID         int64
	At         time.Time
	Via        string
	Kind       FeedbackKind
	Outcome    string
	Why        string
	Code       int
	Enhanced   string
	Delivery   DeliveryID
	Notice     NoticeID
	Subscriber SubscriberID

	// Filled by the store when it lists them.
	Number      int    // of the issue, 0 for a single letter
	Email       string // the reader's, "" when nobody was found or they are forgotten
	Suppression int64  // what stands against the reader's address now, 0 when nothing does
	Reason      SuppressionReason
}

// FeedbackTx keeps what comes back about letters.
type FeedbackTx interface {
	// DeliveriesByRelay and NoticesByRelay list letters that a relay knows by that id: at most two, more than one names none.
	DeliveriesByRelay(ctx context.Context, relayID string) ([]Delivery, error)
	NoticesByRelay(ctx context.Context, relayID string) ([]Notice, error)
	// DeliveryTo returns a reader's letter of an issue.
	DeliveryTo(ctx context.Context, issue IssueID, id SubscriberID) (Delivery, error)
	// NoticesTo lists a reader's single letters, newest first.
	NoticesTo(ctx context.Context, id SubscriberID, limit int) ([]Notice, error)

	// AddReport writes a report and its attempt. false: the letter has one of that kind already, and nothing was written. A bounce
	// sets BouncedAt, and an uncertain letter becomes failed.
	AddReport(ctx context.Context, r LetterReport) (bool, error)
	// SuppressionFor says what a failed letter means for its address, given the letters before and after it, "" for nothing yet. Letters
	// from before the address was let in again do not count, and a failure from before means nothing.
	SuppressionFor(ctx context.Context, d Delivery, key AddressKey) (SuppressionReason, error)
	// CountFailure counts a hard bounce or a complaint against the issue; when the rate is too high (RateExceeded) and the issue is sending, it
	// pauses with one alert and tells so.
	CountFailure(ctx context.Context, id IssueID, k FeedbackKind, now time.Time) (paused bool, err error)
	// TallyFeedback counts one message or notice of a way.
	TallyFeedback(ctx context.Context, via, outcome string, now time.Time) error
	FeedbackTally(ctx context.Context) ([]FeedbackWay, error)
	// LogFeedback adds a line and drops the oldest beyond a few thousand; FeedbackLog lists them, newest first, those with a smaller ID than
	// before (0: all), of one outcome ("": any).
	LogFeedback(ctx context.Context, e FeedbackEntry) error
	FeedbackLog(ctx context.Context, outcome string, before int64, limit int) ([]FeedbackEntry, error)
	// SeeFeedback remembers a name with a body. For a name seen before it returns the first body, and fresh is false.
	SeeFeedback(ctx context.Context, name, body string, now time.Time) (first string, fresh bool, err error)
	ForgetFeedback(ctx context.Context, before time.Time) error

	// PutLeaveOffer keeps an offer. false: the message was seen before, or the reader has one open.
	PutLeaveOffer(ctx context.Context, o LeaveOffer) (bool, error)
	LeaveOffers(ctx context.Context, limit int) ([]LeaveOffer, error) // open ones, oldest first
	// DecideLeaveOffer closes an open offer; NotFound otherwise.
	DecideLeaveOffer(ctx context.Context, id int64, accepted bool, now time.Time) (LeaveOffer, error)

	// UnmailedAlerts lists uncleared alerts that no letter told of yet, oldest first, with the issue's number (0: the house).
	UnmailedAlerts(ctx context.Context, limit int) ([]Alert, error)
	AlertMailed(ctx context.Context, id int64, now time.Time) error
}

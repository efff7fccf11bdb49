package newsletter

import (
	"context"
	"time"
)

// Store keeps everything. db.DB satisfies it on SQLite and PostgreSQL alike.
type Store interface {
	// View runs fn on one consistent state of the store, without changing it.
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn in a transaction and returns after it is on disk. fn may run again
	// after a conflict, so it touches nothing but tx; an error undoes all it did.
	Update(ctx context.Context, fn func(Tx) error) error
}

// Tx is what a use case may ask inside a transaction. Methods that return one thing
// answer NotFound when it does not exist; lists answer empty. Lists give at most
// limit+1 rows, so that the caller sees whether there are more.
type Tx interface {
	SubscriberTx
	SuppressionTx
	ArticleTx
	IssueTx
	DeliveryTx
	HitTx
	NoticeTx
	AdminTx
	HouseTx
	ImportTx
	OpinionTx
	ProposalTx
	FeedbackTx
	RetentionTx
	LinkTx
	DeskTx
	RestTx
	SearchTx
	CommentTx
	CardTx
	WebhookTx
	MediaTx
	HistoryTx
	LinkCheckTx
	StoryTx
	AnnounceTx
}

// SubscriberTx keeps readers, their consents, grants and timeline.
type SubscriberTx interface {
	Subscriber(ctx context.Context, id SubscriberID) (Subscriber, error)
	SubscriberByKey(ctx context.Context, key AddressKey) (Subscriber, error)
	// PutSubscriber inserts (ID 0, which it sets) or changes a reader with its tags. Conflict: the address is taken.
	PutSubscriber(ctx context.Context, s *Subscriber) error
	Subscribers(ctx context.Context, f SubscriberFilter) ([]Subscriber, error)
	// CountSubscribers counts by shown status.
	CountSubscribers(ctx context.Context) (map[Status]int64, error)
	// EraseSubscriber removes the reader, their name and address everywhere: timeline, deliveries (the
	// row stays, its address empty, queued ones skipped as erased), notices, attempts' texts, grants. Consents
	// stay under the keyed hash.
	EraseSubscriber(ctx context.Context, id SubscriberID, now time.Time) error
	// PendingBefore lists unconfirmed readers who were asked to confirm before t and not since, oldest first.
	PendingBefore(ctx context.Context, t time.Time, limit int) ([]Subscriber, error)

	AddConsent(ctx context.Context, c Consent) error
	Consents(ctx context.Context, id SubscriberID) ([]Consent, error)
	AddEvent(ctx context.Context, e Event) error
	Events(ctx context.Context, id SubscriberID) ([]Event, error)

	PutGrant(ctx context.Context, g *Grant) error
	Grant(ctx context.Context, id int64) (Grant, error)

	// Take counts one use of the named limit within the window that contains now, and tells how many
	// uses (this one included) there were: limits that matter live in the database.
	Take(ctx context.Context, name string, window time.Duration, now time.Time) (int, error)
	// LastTaken tells when the named limit was last used, zero when never.
	LastTaken(ctx context.Context, name string) (time.Time, error)
}

// SuppressionTx keeps addresses that must not be written to.
type SuppressionTx interface {
	SuppressionByKey(ctx context.Context, key AddressKey) (Suppression, error)
	Suppression(ctx context.Context, id int64) (Suppression, error)
	// PutSuppression inserts; for an address already there it changes reason and evidence only
	// when the new reason is stronger (soft < hard < manual < complaint).
	PutSuppression(ctx context.Context, s *Suppression) error
	DeleteSuppression(ctx context.Context, id int64) error
	Suppressions(ctx context.Context, query string, cursor int64, limit int) ([]Suppression, error)
	// AddLeaver appends to the leavers' table; a SQLite house keeps a file of the same lines beside the database.
	AddLeaver(ctx context.Context, l Leaver) error
	// LastLeaver returns the newest line about an address. NotFound: it never left.
	LastLeaver(ctx context.Context, key AddressKey) (Leaver, error)
}

// Leaver is a line of the leavers' log: who must not be written to again, whatever a backup says.
type Leaver struct {
	Key  AddressKey
	At   time.Time
	Kind string // unsubscribed, suppressed, erased; returned takes the lines before it back
}

// ArticleTx keeps articles.
type ArticleTx interface {
	// Article returns one by its slug, or by a former one: then its Slug is another than was asked for.
	Article(ctx context.Context, slug string) (Article, error)
	// OldSlugs lists the addresses under which it was published before.
	OldSlugs(ctx context.Context, id ArticleID) ([]string, error)
	// PutArticle inserts (ID 0) or changes with its tags; Version grows by one. Conflict: the slug is taken, or
	// for a change, the stored Version is another one.
	PutArticle(ctx context.Context, a *Article) error
	DeleteArticle(ctx context.Context, id ArticleID) error
	ArticleByID(ctx context.Context, id ArticleID) (Article, error)
	// DueArticles lists drafts whose time to be published has come, by their slugs.
	DueArticles(ctx context.Context, now time.Time) ([]string, error)
	Articles(ctx context.Context, f ArticleFilter) ([]Article, error)
	AddViews(ctx context.Context, views map[ArticleID]int64) error
}

// IssueTx keeps issues, editions, alerts.
type IssueTx interface {
	Issue(ctx context.Context, number int) (Issue, error)
	IssueByID(ctx context.Context, id IssueID) (Issue, error)
	// NextNumber is the highest number + 1, 1 in an empty house.
	NextNumber(ctx context.Context) (int, error)
	// PutIssue inserts (ID 0) or changes the content of an issue; Version grows by one and never the state. Conflict:
	// the number is taken, or the stored Version is another one.
	PutIssue(ctx context.Context, i *Issue) error
	DeleteIssue(ctx context.Context, id IssueID) error
	Issues(ctx context.Context, f IssueFilter) ([]Issue, error)
	// IssuesIn lists issues in any of the states, oldest first.
	IssuesIn(ctx context.Context, states ...IssueState) ([]Issue, error)
	// MoveIssue writes i.State and the times, PauseReason and Recipients if the stored state is one of from; otherwise Conflict.
	MoveIssue(ctx context.Context, i Issue, from ...IssueState) error
	// IssuesWithArticle lists public issues that carry the article, newest first.
	IssuesWithArticle(ctx context.Context, slug string) ([]Issue, error)

	AddEdition(ctx context.Context, e Edition) error
	// EditionTallies counts how many letters of each edition were sent.
	EditionTallies(ctx context.Context, id IssueID) ([]EditionTally, error)
	// Editions lists an issue's editions, oldest first.
	Editions(ctx context.Context, id IssueID) ([]Edition, error)

	PutAlert(ctx context.Context, a *Alert) error // one uncleared alert per issue and kind: a second one changes nothing
	ClearAlerts(ctx context.Context, id IssueID, kind string, now time.Time) error
	Alerts(ctx context.Context, id IssueID) ([]Alert, error) // uncleared
}

// Recipients selects who gets an issue: the audience, and the side of the ad consent.
type Recipients struct {
	Audience  Audience
	AdConsent *bool // nil: both sides
}

// DeliveryTx keeps letters, as far as people and the start of a send need them. The queue's own
// statements (claim, gate, settle) are declared in package mailer.
type DeliveryTx interface {
	// CountRecipients counts active, unsuppressed readers who match.
	CountRecipients(ctx context.Context, r Recipients) (int64, error)
	// Freeze inserts a queued delivery for each reader who matches, due now, in order of subscriber id beginning behind
	// after, at most limit; safe to repeat. It returns the last subscriber id looked at and how many were looked at; 0 at the end.
	Freeze(ctx context.Context, id IssueID, r Recipients, variant int, after SubscriberID, limit int, now time.Time) (SubscriberID, int, error)
	// DeferBehind puts off an issue's queued letters behind the first n, the most active readers being first, until due.
	DeferBehind(ctx context.Context, id IssueID, n int64, due time.Time) error
	// CountSentUpTo counts an issue's sent letters, most at most.
	CountSentUpTo(ctx context.Context, id IssueID, most int64) (int64, error)
	Progress(ctx context.Context, id IssueID, now time.Time) (Progress, error)
	// CountUnsettled counts letters that keep an issue from being done: queued, leased, handing, and uncertain
	// ones that wait for their automatic second try (withSecondTry). It stops counting at a thousand of a sort.
	CountUnsettled(ctx context.Context, id IssueID, withSecondTry bool) (int64, error)
	Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error)
	Delivery(ctx context.Context, id DeliveryID) (Delivery, error)
	Attempts(ctx context.Context, id DeliveryID) ([]Attempt, error)
	// DeliveriesOf lists a reader's letters, newest first.
	DeliveriesOf(ctx context.Context, id SubscriberID, limit int) ([]Delivery, error)
	// Requeue makes letters in the given states (failed, expired, uncertain, skipped never) queued again, due now; suppressed,
	// unsubscribed and erased readers are left out. ids nil means all of the issue. Reports how many.
	Requeue(ctx context.Context, id IssueID, ids []DeliveryID, states []DeliveryState, reasons []string, now time.Time) (int64, error)
	// CancelQueued turns queued and leased letters of the issue into cancelled and reports how many.
	CancelQueued(ctx context.Context, id IssueID, now time.Time) (int64, error)
	// ExpireQueued turns letters still queued into expired.
	ExpireQueued(ctx context.Context, id IssueID, now time.Time) (int64, error)
	// Tally counts what became of an issue beyond its states: distinct letters opened, clicked and bounced,
	// and readers who left after they got it.
	Tally(ctx context.Context, id IssueID) (Tally, error)
	// MarkSent settles an uncertain letter by hand, with an attempt that says who.
	MarkSent(ctx context.Context, id DeliveryID, by string, now time.Time) error
	// Violations runs the invariants of docs/states.md and describes each row that breaks one, at most 20.
	Violations(ctx context.Context) ([]string, error)
}

// NoticeTx queues single letters.
type NoticeTx interface {
	// QueueNotice makes a single letter owed; with State Skipped and a Reason it only keeps why there was none.
	QueueNotice(ctx context.Context, n *Notice) error
	Notices(ctx context.Context, kind NoticeKind, limit int) ([]Notice, error) // newest first, "" is every kind
	Notice(ctx context.Context, id NoticeID) (Notice, error)
}

// AdminTx keeps people, sessions, keys, and what they did.
type AdminTx interface {
	Admins(ctx context.Context) ([]Admin, error)
	Admin(ctx context.Context, id AdminID) (Admin, error)
	AdminByEmail(ctx context.Context, email Address) (Admin, error)
	PutAdmin(ctx context.Context, a *Admin) error

	PutSession(ctx context.Context, s Session) error
	Session(ctx context.Context, hash string) (Session, error)
	Sessions(ctx context.Context, id AdminID) ([]Session, error)
	DeleteSession(ctx context.Context, hash string) error
	DeleteSessions(ctx context.Context, id AdminID) error // 0: everybody's

	PutAPIKey(ctx context.Context, k *APIKey) error
	APIKeys(ctx context.Context) ([]APIKey, error)
	APIKeyByHash(ctx context.Context, hash string) (APIKey, error)

	Audit(ctx context.Context, e AuditEntry) error
	AuditLog(ctx context.Context, cursor int64, limit int) ([]AuditEntry, error)

	// Replay returns the remembered answer; PutReplay remembers one: Conflict with code exists when the key is there already.
	Replay(ctx context.Context, key string) (Replay, error)
	PutReplay(ctx context.Context, r Replay) error
	// MarkReplay writes the status of a reservation, FinishReplay its answer; both leave an answered one alone. FinishReplay and
	// DropReplay touch only the reservation made at r.At, DropReplay only with the same Status.
	MarkReplay(ctx context.Context, key string, status int) error
	FinishReplay(ctx context.Context, r Replay) error
	DropReplay(ctx context.Context, r Replay) error
	DropReplays(ctx context.Context, before time.Time) error
}

// HouseTx keeps settings, keys, the revision that invalidates page caches.
type HouseTx interface {
	Settings(ctx context.Context) (map[string]string, error)
	PutSetting(ctx context.Context, name, value string, now time.Time) error
	TokenKeys(ctx context.Context) ([]TokenKey, error)
	PutTokenKey(ctx context.Context, k TokenKey) error // an existing ID and Purpose is left as it is
	// AddressKey returns the key of address hashes, made on first use. It never rotates.
	AddressHashKey(ctx context.Context) ([]byte, error)
	// BumpRevision tells every node that pages changed.
	BumpRevision(ctx context.Context) error
	Revision(ctx context.Context) (int64, error)
	// Emit appends to the outbox in the same transaction as the event it tells of.
	Emit(ctx context.Context, kind, payload string, now time.Time) error
}

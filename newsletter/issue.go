package newsletter

import "time"

// IssueID is the store's own number of an issue, the one inside tokens and Message-IDs.
// People and commands use its Number.
type IssueID int64

// IssueState moves by compare-and-swap only; docs/states.md draws it.
type IssueState string

const (
	IssueDraft     IssueState = "draft"
	IssueScheduled IssueState = "scheduled"
	IssuePreparing IssueState = "preparing"
	IssueSending   IssueState = "sending"
	IssuePaused    IssueState = "paused"
	IssueDone      IssueState = "done"
	IssueCancelled IssueState = "cancelled"
)

// IssueKind decides on the (광고) label and on who may get the issue.
type IssueKind string

const (
	KindInfo IssueKind = "info" // 정보
	KindAd   IssueKind = "ad"   // 광고
)

// UncertainPolicy is what happens by itself to a letter whose outcome is unknown.
type UncertainPolicy string

const (
	ResendOnce UncertainPolicy = "resend_once"
	Hold       UncertainPolicy = "hold"
)

// What a reader without ad consent gets of an advertising issue.
const (
	SkipWithoutAdConsent = "skip"
	InfoEdition          = "info_edition" // the same issue without the sponsor and the label
)

// RoundupLink is one row of IT 이슈 모음.
type RoundupLink struct {
	URL     string `json:"url" yaml:"url"`
	Title   string `json:"title" yaml:"title"`
	Source  string `json:"source" yaml:"source"`
	Summary string `json:"summary" yaml:"summary"`
}

// Content is what the editor writes; a sent issue has it frozen in an Edition.
type Content struct {
	Subject   string        `json:"subject"`
	Preheader string        `json:"preheader"`
	Kind      IssueKind     `json:"kind"`
	Intro     string        `json:"intro"` // Markdown
	Links     []RoundupLink `json:"links"`
	Articles  []string      `json:"articles"` // slugs, in order
	Sponsor   string        `json:"sponsor"`  // Markdown; shown in a box labelled 광고, left out of the info edition
	Outro     string        `json:"outro"`    // Markdown
}

// Audience selects recipients among active readers. Its zero value is all of them.
type Audience struct {
	Status       Status    `json:"status,omitempty"` // "" or active; nobody else may be written to
	Tags         []string  `json:"tags,omitempty"`
	TagsMode     string    `json:"tags_mode,omitempty"` // any (default) or all
	JoinedAfter  time.Time `json:"joined_after,omitzero"`
	JoinedBefore time.Time `json:"joined_before,omitzero"`
	Source       string    `json:"source,omitempty"` // where they came from, as the sign-up wrote it down
	// Opened and Clicked want at least so many of the last issues opened or clicked, machines counted too.
	Opened  *Engagement `json:"opened,omitempty"`
	Clicked *Engagement `json:"clicked,omitempty"`
	// Received wants readers who were sent these editions of an earlier issue: who has to get its correction.
	Received *Received `json:"received,omitempty"`
}

// Engagement is a number of letters among those of the last issues.
type Engagement struct {
	Least int `json:"least"`
	Of    int `json:"of"`
}

// Received names editions of an issue.
type Received struct {
	Number   int   `json:"number"`
	Editions []int `json:"editions"`
}

// Narrow tells whether the audience leaves out active readers.
func (a Audience) Narrow() bool {
	return len(a.Tags) > 0 || !a.JoinedAfter.IsZero() || !a.JoinedBefore.IsZero() || a.Source != "" || a.Opened != nil || a.Clicked != nil || a.Received != nil
}

// Issue is one number of the letter.
type Issue struct {
	ID     IssueID
	Number int // unique, in addresses and commands; settable while draft
	State  IssueState
	Content
	WithoutAdConsent string // SkipWithoutAdConsent or InfoEdition
	Uncertain        UncertainPolicy
	Tracking         bool
	Audience         Audience
	Portions         int       // days over which it goes out, the most active readers first; 0 and 1: at once
	ExpiresAt        time.Time // letters still queued then expire; zero: 96 h rule alone
	Archived         bool      // an issue of the past, never sent from here

	ScheduledAt time.Time
	AcceptedAt  time.Time // when the send was accepted and edition 1 frozen
	PreparedAt  time.Time // recipients are counted and frozen; the Date of every letter
	DoneAt      time.Time
	Recipients  int64 // valid from PreparedAt on
	PauseReason string

	Version   int64 // grows with each change of the draft: the ETag
	CreatedAt time.Time
	UpdatedAt time.Time
}

// SentAt is the date that pages and the letter show: when it was prepared, or the original date of an archived one.
func (i Issue) SentAt() time.Time {
	if !i.PreparedAt.IsZero() {
		return i.PreparedAt
	}
	return i.AcceptedAt
}

// Public tells whether the issue has a page on the site.
func (i Issue) Public() bool {
	switch i.State {
	case IssueSending, IssuePaused, IssueDone:
		return !i.SentAt().IsZero()
	case IssueCancelled:
		return !i.PreparedAt.IsZero()
	}
	return false
}

// Variants of an edition.
const (
	VariantWhole = 0 // as written
	VariantInfo  = 1 // without sponsor and label, for readers without ad consent
)

// Edition (판) is an immutable snapshot of an issue's content and of everything of the house that shows in
// the letter. The newest edition of a delivery's variant is the one it names when it is claimed.
type Edition struct {
	Issue     IssueID
	Number    int // 1, 2, … within the issue
	Variant   int
	Reason    string // "first", "without sponsor", or the editor's words for a correction
	Snapshot  Snapshot
	CreatedAt time.Time
}

// Snapshot is what an edition freezes. It is stored as one JSON document.
type Snapshot struct {
	Number   int `json:"number"`
	Content  `json:"content"`
	Articles []SnapshotArticle `json:"article_texts"`
	Tracking bool              `json:"tracking"`
	House    House             `json:"house"`
	KeyID    string            `json:"key_id"` // the key that derives Message-IDs and tokens
	// TrackedLinks are the counted addresses of a tracked issue, as stored when the edition was made.
	TrackedLinks []TrackedLink `json:"tracked_links,omitempty"`
}

// TrackedLink is an address that a counted link of its issue may lead to.
type TrackedLink struct {
	ID  int64  `json:"id"`
	URL string `json:"url"`
}

// SnapshotArticle is an article as it stood when the edition was made.
type SnapshotArticle struct {
	Slug    string `json:"slug"`
	Title   string `json:"title"`
	Summary string `json:"summary"`
	Body    string `json:"body"`
	Author  string `json:"author"`
	// Cover is the address of its picture on the site.
	Cover    string `json:"cover,omitempty"`
	CoverAlt string `json:"cover_alt,omitempty"`
}

// Legal is the sender's data that Korean law asks for in advertising letters
// (정보통신망법 §50④, 시행령 별표 6) and every letter of ours shows.
type Legal struct {
	Name           string `json:"name"`
	Representative string `json:"representative"`
	Address        string `json:"address"`
	Phone          string `json:"phone"`
	Email          string `json:"email"`
}

// Missing names the empty fields in the editor's words.
func (l Legal) Missing() []string {
	var missing []string
	for _, f := range []struct{ name, value string }{
		{"상호", l.Name}, {"대표", l.Representative}, {"주소", l.Address}, {"전화", l.Phone}, {"이메일", l.Email},
	} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	return missing
}

// House is who sends: settings of the environment, overridden by the admin's.
type House struct {
	SiteName   string `json:"site_name"`
	Tagline    string `json:"tagline"`
	Author     string `json:"author"`
	AuthorLine string `json:"author_line"`
	BaseURL    string `json:"base_url"` // no slash at the end
	From       string `json:"from"`     // address only
	FromName   string `json:"from_name"`
	ReplyTo    string `json:"reply_to"`
	ListID     string `json:"list_id"`       // ASCII, e.g. letter.example.kr
	Bounce     string `json:"bounce_domain"` // "" uses From as the envelope sender
	// MailLeave is where the mailto beside the link of List-Unsubscribe leads, "" while nothing reads it: the domain of signed addresses,
	// or the polled mailbox, whose messages carry the token in their subject.
	MailLeave string `json:"mail_leave,omitempty"`
	Legal     Legal  `json:"legal"`
	// The brand: a picture's name and size (see Sign), "" for the mark, and a colour like #0b5c9e, "" for the house's own.
	Logo   string `json:"logo,omitempty"`
	Accent string `json:"accent,omitempty"`

	// TrackingOff counts no opening and no click of any issue; links of letters that have left go on leading where they did.
	TrackingOff string `json:"-"` // on, or ""
	UndoSeconds string `json:"-"` // how long a send at the desk can be taken back; "" is 30

	// What only the site uses; no letter freezes it.
	CommentWords       string `json:"-"` // comma-separated: comments with one of them wait for the editor
	NaverVerification  string `json:"-"` // content of naver-site-verification
	GoogleVerification string `json:"-"`
	IndexNow           string `json:"-"` // where search engines are told of new pages, "" for nowhere
	ShareNaver         string `json:"-"` // "on": a link that shares to Naver beside the others
}

// IssueFilter selects issues for a list, highest number first.
type IssueFilter struct {
	State  IssueState // "" is all
	Public bool       // only those with a page on the site
	Query  string
	Cursor int64 // the last Number of the page before
	Limit  int
}

// Alert is something the editor has to know about an issue or the house, until it is cleared.
type Alert struct {
	ID        int64
	Issue     IssueID // 0: about the house
	Kind      string  // restored, refused, auth, quota, overdue, bounces …
	Text      string
	At        time.Time
	ClearedAt time.Time
}

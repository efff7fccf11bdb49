package newsletter

import "time"

// ConsentKind names what was agreed to or refused; each is asked apart (개인정보보호법 §22).
type ConsentKind string

const (
	ConsentPrivacy    ConsentKind = "privacy"    // collection and use of personal data, needed
	ConsentLetter     ConsentKind = "letter"     // receiving the letter, proved by the mailed link
	ConsentAd         ConsentKind = "ad"         // advertising, optional (정보통신망법 §50①)
	ConsentAge14      ConsentKind = "age14"      // "만 14세 이상입니다" (§22의2)
	ConsentImported   ConsentKind = "imported"   // brought along, with a named source
	ConsentTracking   ConsentKind = "tracking"   // opens and clicks
	ConsentUnsuppress ConsentKind = "unsuppress" // asked for letters again after a bounce or complaint
)

// ConsentVersion is the version of the texts now shown at sign-up. It changes with every change of a consent text.
const ConsentVersion = "2026-11-24"

// Consent is a line of the append-only ledger. Granted false is a refusal or withdrawal.
type Consent struct {
	ID          int64
	Subscriber  SubscriberID
	AddrKey     AddressKey // stays when the reader is erased
	Kind        ConsentKind
	Granted     bool
	TextVersion string
	At          time.Time
	IP          string
	Form        string // the page, call or file it came by: site, json, api, import:NAME, one-click …
	Source      string // for imports: the evidence named by the editor
	Confirmed   string // how it was confirmed: mail, import, admin, "" while it is not
}

// GrantKind is what a mailed, single-use link allows.
type GrantKind string

const (
	GrantConfirm GrantKind = "confirm" // 7 days
	GrantManage  GrantKind = "manage"  // 30 minutes: see, rename, export, erase
	GrantAddress GrantKind = "address" // 24 hours: proves a new address; Detail is the address
)

// Grant is a permission that was mailed to an address and can be used once.
type Grant struct {
	ID         int64
	Kind       GrantKind
	Subscriber SubscriberID
	Detail     string
	CreatedAt  time.Time
	ExpiresAt  time.Time
	UsedAt     time.Time
}

// Usable tells whether the link still opens anything.
func (g Grant) Usable(now time.Time) error {
	switch {
	case !g.UsedAt.IsZero():
		return &Error{Kind: Gone, Code: "used", Msg: "이미 사용한 링크예요."}
	case !now.Before(g.ExpiresAt):
		return &Error{Kind: Gone, Code: "expired", Msg: "링크가 만료됐어요."}
	}
	return nil
}

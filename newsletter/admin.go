package newsletter

import (
	"slices"
	"time"
)

// AdminID is the store's own number of a person with a desk.
type AdminID int64

// Role is what a person at the desk may do.
type Role string

const (
	Owner  Role = "owner"
	Editor Role = "editor" // everything but people, keys, settings and secrets
)

// Admin is a person who may sign in at /admin.
type Admin struct {
	ID           AdminID
	Email        Address
	Role         Role
	PasswordHash string // argon2id in PHC form
	CreatedAt    time.Time
	LastLoginAt  time.Time
}

// Session is a signed-in browser. Only the SHA-256 of its token is stored.
type Session struct {
	Hash      string // hex SHA-256 of the cookie's value
	Admin     AdminID
	CreatedAt time.Time
	SeenAt    time.Time
	IP        string
	Agent     string
}

const (
	sessionIdle = 12 * time.Hour
	sessionLife = 14 * 24 * time.Hour
)

// Valid applies the idle limit (12 h) and the absolute one (14 days), OWASP ASVS 7.3.
func (s Session) Valid(now time.Time) bool {
	return now.Sub(s.SeenAt) < sessionIdle && now.Sub(s.CreatedAt) < sessionLife
}

// Scope is what an API key may do.
type Scope string

const (
	ScopeAll              Scope = "all"
	ScopeSubscribersRead  Scope = "subscribers:read"
	ScopeSubscribersWrite Scope = "subscribers:write"
	ScopeIssuesRead       Scope = "issues:read"
	ScopeIssuesWrite      Scope = "issues:write"
	ScopeIssuesSend       Scope = "issues:send"
	ScopeArticlesRead     Scope = "articles:read"
	ScopeArticlesWrite    Scope = "articles:write"
	ScopeLinksWrite       Scope = "links:write"
	ScopeSettingsRead     Scope = "settings:read"
	ScopeSettingsWrite    Scope = "settings:write"
)

// Scopes lists every scope there is.
var scopes = []Scope{
	ScopeAll, ScopeSubscribersRead, ScopeSubscribersWrite, ScopeIssuesRead, ScopeIssuesWrite, ScopeIssuesSend,
	ScopeArticlesRead, ScopeArticlesWrite, ScopeLinksWrite, ScopeSettingsRead, ScopeSettingsWrite,
}

// Scopes returns every scope there is, for help texts and checks.
func Scopes() []Scope { return slices.Clone(scopes) }

// APIKey lets a program act. Only the SHA-256 of the key is stored.
type APIKey struct {
	ID         int64
	Name       string
	Hash       string
	Scopes     []Scope
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time
	RevokedAt  time.Time
}

// Allows tells whether the key carries the scope; all carries every one.
func (k APIKey) Allows(s Scope) bool {
	return slices.Contains(k.Scopes, ScopeAll) || slices.Contains(k.Scopes, s)
}

// AuditEntry is a line of the append-only record of what people and programs did at the desk.
type AuditEntry struct {
	ID     int64
	At     time.Time
	Actor  string // admin:ID, key:ID, cli, system
	Action string // login, export, send, erase, …
	Object string // issue:12, subscriber:7
	Detail string
	IP     string
}

// Replay is a remembered answer to a call with an Idempotency-Key.
type Replay struct {
	Key      string // scoped to the API key by the caller
	BodyHash string
	Status   int    // of HTTP; below 100 there is no answer yet
	Header   string // as the caller wrote it
	Body     []byte
	At       time.Time
}

package newsletter

import "time"

// ArticleID is the store's own number of an article; its name outside is the slug.
type ArticleID int64

// ArticleStatus is what the editor has set.
type ArticleStatus string

const (
	ArticleDraft     ArticleStatus = "draft"
	ArticlePublished ArticleStatus = "published"
)

// Article is a long read: a page of the site that issues carry to readers.
type Article struct {
	ID          ArticleID
	Slug        string // unique, Hangul kept
	Title       string
	Summary     string
	Body        string // Markdown
	Tags        []string
	Author      string // "" is the house's author
	Status      ArticleStatus
	PublishedAt time.Time
	Views       int64
	Version     int64 // grows with each change: the ETag
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// ArticleFilter selects articles for a list, newest published first.
type ArticleFilter struct {
	Query  string
	Status ArticleStatus // "" is every status
	Tag    string
	Cursor int64
	Limit  int
}

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
	Cover       string // address of the picture that stands for it; "" for none
	CoverAlt    string
	PublishAt   time.Time // when a draft publishes itself; zero: never
	Status      ArticleStatus
	PublishedAt time.Time
	Views       int64
	Comments    int64 // published ones
	// CommentsClosed: 댓글을 받지 않는 글. What is there stays.
	CommentsClosed bool
	Version        int64 // grows with each change: the ETag
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// ArticleFilter selects articles for a list, newest published first.
type ArticleFilter struct {
	Query  string
	Status ArticleStatus // "" is every status
	Tag    string
	Cursor int64
	Before time.Time // with Cursor: the date (published, or of a draft made) of that row, for pages that outlive it
	Limit  int
	// Upwards turns the list around, behind the cursor too: the next newer one first.
	Upwards bool
}

// ListedAt is the date by which lists are ordered: of publication, for a draft of its making.
func (a Article) ListedAt() time.Time {
	if a.PublishedAt.IsZero() {
		return a.CreatedAt
	}
	return a.PublishedAt
}

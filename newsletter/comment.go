package newsletter

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// CommentID is the store's own number of a comment.
type CommentID int64

// CommentStatus is where a comment stands.
type CommentStatus string

const (
	CommentUnconfirmed CommentStatus = "unconfirmed" // its address is not proved: shown to nobody, not even the desk
	CommentPending     CommentStatus = "pending"     // waits for the editor
	CommentPublished   CommentStatus = "published"
	CommentSpam        CommentStatus = "spam"
	CommentDeleted     CommentStatus = "deleted" // taken back, kept without its text for the replies under it
)

// CommentOn is what is commented on: an article or an issue, by its id.
type CommentOn struct {
	Kind string // article or issue
	ID   int64
}

const (
	OnArticle = "article"
	OnIssue   = "issue"
)

// Comment is what somebody says under an article or an issue: plain text, shown as it is.
type Comment struct {
	ID          CommentID
	On          CommentOn
	Parent      CommentID // 0: not a reply. Replies have one level.
	Writer      int64     // CommentWriter, 0 for the author
	Name        string
	Body        string
	Status      CommentStatus
	Held        string // why it waits, in the editor's words
	ByAuthor    bool
	Notify      bool // tell the writer of replies
	Told        bool // whoever it answers has been told
	IP          string
	CreatedAt   time.Time
	PublishedAt time.Time
	EditedAt    time.Time

	// For lists of the desk; not stored with it.
	Email  string
	Title  string // of what it stands under
	Slug   string
	Number int
}

// CommentWriter is an address that writes comments.
type CommentWriter struct {
	ID          int64
	Key         AddressKey
	Email       string
	ConfirmedAt time.Time
	CreatedAt   time.Time
	Published   int // comments of theirs that were published
}

// CommentTx keeps comments.
type CommentTx interface {
	// PutComment inserts (ID 0) or changes a comment.
	PutComment(ctx context.Context, c *Comment) error
	Comment(ctx context.Context, id CommentID) (Comment, error)
	// DeleteComment removes one that has no replies; Conflict otherwise.
	DeleteComment(ctx context.Context, id CommentID) error
	// CommentsOn lists what is shown under a page: published and deleted ones, oldest first.
	CommentsOn(ctx context.Context, on CommentOn) ([]Comment, error)
	// Comments lists those of a status for the desk ("" for all but unconfirmed ones), newest first, beginning behind the cursor.
	Comments(ctx context.Context, status CommentStatus, cursor CommentID, limit int) ([]Comment, error)
	CountComments(ctx context.Context) (map[CommentStatus]int64, error)
	// DropUnconfirmed removes comments whose link nobody used, made before t.
	DropUnconfirmed(ctx context.Context, before time.Time) error

	// CommentWriter returns one with the number of their published comments.
	CommentWriter(ctx context.Context, id int64) (CommentWriter, error)
	CommentWriterByKey(ctx context.Context, key AddressKey) (CommentWriter, error)
	PutCommentWriter(ctx context.Context, w *CommentWriter) error
	// ArticleByID is for what stands under it.
	ArticleByID(ctx context.Context, id ArticleID) (Article, error)
}

const (
	maxComment      = 2000 // characters
	maxCommentLinks = 3    // above: refused
	commentLife     = 7 * 24 * time.Hour
	commentsAnHour  = 20 // from one network, whatever becomes of them
	commentsByOne   = 10 // published or waiting within an hour, of one writer
	commentMails    = 3  // letters to one address within a day that a form can cause
	commentMailGap  = 2 * time.Minute
	replyMails      = 5 // notices of replies within a day
	replyMailGap    = 10 * time.Minute
	WriterLife      = 180 * 24 * time.Hour // for which a browser is known
)

// NewComment is the form as it came in.
type NewComment struct {
	Name, Email, Body string
	Parent            CommentID
	Notify            bool
	IP                string
	Browser           string // what OpenComment gave this browser, "" when none
}

var commentLink = regexp.MustCompile(`(?i)https?://|www\.|\b[a-z0-9-]+\.(com|net|org|kr|io|shop|xyz|top|ru|cn|info|biz|site|link|click|online)\b`)

func (in NewComment) judge() (Comment, Address, error) {
	var faults Faults
	c := Comment{Parent: in.Parent, Notify: in.Notify, IP: in.IP}
	var err error
	if c.Name, err = CleanName(in.Name); err != nil {
		faults = append(faults, FaultsOf(err)...)
	} else if c.Name == "" {
		faults = append(faults, invalid("name", "이름을 적어 주세요. 별명도 괜찮아요."))
	}
	addr, err := ParseAddress(in.Email)
	if err != nil {
		faults = append(faults, FaultsOf(err)...)
	}
	if c.Body, err = cleanComment(in.Body); err != nil {
		faults = append(faults, FaultsOf(err)...)
	}
	return c, addr, faults.Err()
}

func cleanComment(raw string) (string, error) {
	body := strings.Map(func(r rune) rune {
		if r != '\n' && forbiddenInLine(r) {
			return -1
		}
		return r
	}, strings.TrimSpace(CleanText(raw)))
	for strings.Contains(body, "\n\n\n") {
		body = strings.ReplaceAll(body, "\n\n\n", "\n\n")
	}
	switch n := Graphemes(body); {
	case strings.TrimFunc(body, func(r rune) bool { return hidden(r) || r == ' ' || r == '\n' }) == "":
		return "", invalid("body", "내용을 적어 주세요.")
	case n > maxComment:
		return "", invalid("body", fmt.Sprintf("댓글은 %s자까지 쓸 수 있어요. 지금은 %s자예요.", Thousands(maxComment), Thousands(int64(n))))
	case len(commentLink.FindAllString(body, maxCommentLinks+1)) > maxCommentLinks:
		return "", invalid("body", fmt.Sprintf("링크는 %d개까지 적을 수 있어요.", maxCommentLinks))
	}
	return body, nil
}

// holdReason says why a comment waits for the editor, "" when it may appear at once.
func holdReason(c Comment, w CommentWriter, words string) string {
	text := fold(c.Name + "\n" + c.Body)
	for word := range strings.SplitSeq(words, ",") {
		if word = fold(strings.TrimSpace(word)); word != "" && strings.Contains(text, word) {
			return "정해 둔 낱말이 들어 있어요: " + word
		}
	}
	switch {
	case commentLink.MatchString(c.Body):
		return "링크가 들어 있어요"
	case w.Published == 0:
		return "이 주소의 첫 댓글이에요"
	}
	return ""
}

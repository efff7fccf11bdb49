package db

import (
	"context"
	"time"

	"techissue/newsletter"
)

const commentColumns = `
SELECT c.id, c.on_kind, c.on_id, COALESCE(c.parent_id, 0), c.writer_id, c.name, c.body, c.status, c.held, c.by_author, c.notify, c.told, c.ip,
	c.created_at, c.published_at, c.edited_at`

func commentInto(c *newsletter.Comment) []any {
	return []any{&c.ID, &c.On.Kind, &c.On.ID, &c.Parent, &c.Writer, &c.Name, &c.Body, &c.Status, &c.Held, asFlag(&c.ByAuthor), asFlag(&c.Notify),
		asFlag(&c.Told), &c.IP, asTime(&c.CreatedAt), asTime(&c.PublishedAt), asTime(&c.EditedAt)}
}

func scanComment(r scanner) (c newsletter.Comment, err error) { return c, r.Scan(commentInto(&c)...) }

// PutComment inserts or changes a comment.
func (t *Tx) PutComment(ctx context.Context, c *newsletter.Comment) (err error) {
	args := []any{c.Name, c.Body, c.Status, c.Held, flag(c.Notify), flag(c.Told), c.IP, orNull(c.PublishedAt), orNull(c.EditedAt)}
	if c.ID != 0 {
		return t.swap(ctx, errNoComment, `
			UPDATE comments SET name = ?, body = ?, status = ?, held = ?, notify = ?, told = ?, ip = ?, published_at = ?, edited_at = ?
			WHERE id = ?`, append(args, c.ID)...)
	}
	id, err := t.insert(ctx, `
		INSERT INTO comments (name, body, status, held, notify, told, ip, published_at, edited_at, on_kind, on_id, parent_id, writer_id, by_author, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		append(args, c.On.Kind, c.On.ID, idOrNull(c.Parent), c.Writer, flag(c.ByAuthor), ms(c.CreatedAt))...)
	c.ID = newsletter.CommentID(id)
	return err
}

var errNoComment = &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 댓글이에요."}

// Comment returns one.
func (t *Tx) Comment(ctx context.Context, id newsletter.CommentID) (newsletter.Comment, error) {
	c, err := scanComment(t.queryRow(ctx, commentColumns+` FROM comments c WHERE c.id = ?`, id))
	return c, missing(err, errNoComment.Msg)
}

// DeleteComment removes one without replies.
func (t *Tx) DeleteComment(ctx context.Context, id newsletter.CommentID) error {
	replied := &newsletter.Error{Kind: newsletter.Conflict, Msg: "답글이 달린 댓글이에요."}
	return t.swap(ctx, replied, `DELETE FROM comments WHERE id = ? AND NOT EXISTS (SELECT 1 FROM comments r WHERE r.parent_id = ?)`, id, id)
}

// CommentsOn lists what a page shows, oldest first.
func (t *Tx) CommentsOn(ctx context.Context, on newsletter.CommentOn) ([]newsletter.Comment, error) {
	return list(ctx, t, scanComment, commentColumns+`
		FROM comments c WHERE c.on_kind = ? AND c.on_id = ? AND c.status IN ('published', 'deleted') ORDER BY c.id`, on.Kind, on.ID)
}

// Comments lists for the desk, newest first.
func (t *Tx) Comments(ctx context.Context, status newsletter.CommentStatus, cursor newsletter.CommentID, limit int) ([]newsletter.Comment, error) {
	w := where{text: ` WHERE c.status NOT IN ('unconfirmed', 'deleted')`}
	if status != "" {
		w.and(`c.status = ?`, status)
	}
	if cursor > 0 {
		w.and(`c.id < ?`, cursor)
	}
	return list(ctx, t, func(r scanner) (c newsletter.Comment, err error) {
		return c, r.Scan(append(commentInto(&c), &c.Email, &c.Title, &c.Slug, &c.Number)...)
	}, commentColumns+`, COALESCE(p.email, ''), COALESCE(a.title, i.subject, ''), COALESCE(a.slug, ''), COALESCE(i.number, 0)
		FROM comments c
		LEFT JOIN comment_writers p ON p.id = c.writer_id
		LEFT JOIN articles a ON c.on_kind = 'article' AND a.id = c.on_id
		LEFT JOIN issues i ON c.on_kind = 'issue' AND i.id = c.on_id`+w.text+` ORDER BY c.id DESC LIMIT ?`, append(w.args, limit+1)...)
}

// CountComments counts by status.
func (t *Tx) CountComments(ctx context.Context) (map[newsletter.CommentStatus]int64, error) {
	counts := map[newsletter.CommentStatus]int64{}
	_, err := list(ctx, t, func(r scanner) (struct{}, error) {
		var s newsletter.CommentStatus
		var n int64
		err := r.Scan(&s, &n)
		counts[s] = n
		return struct{}{}, err
	}, `SELECT status, COUNT(*) FROM comments GROUP BY status`)
	return counts, err
}

// DropUnconfirmed removes comments whose link was never used, and addresses that only they had.
func (t *Tx) DropUnconfirmed(ctx context.Context, before time.Time) error {
	if _, err := t.exec(ctx, `DELETE FROM comments WHERE status = 'unconfirmed' AND created_at < ?`, ms(before)); err != nil {
		return err
	}
	_, err := t.exec(ctx, `
		DELETE FROM comment_writers WHERE confirmed_at IS NULL AND created_at < ?
		AND NOT EXISTS (SELECT 1 FROM comments c WHERE c.writer_id = comment_writers.id)`, ms(before))
	return err
}

const writerColumns = `
SELECT w.id, w.addr_key, w.email, w.confirmed_at, w.created_at,
	(SELECT COUNT(*) FROM comments c WHERE c.writer_id = w.id AND c.status = 'published')
FROM comment_writers w WHERE `

func scanWriter(r scanner) (w newsletter.CommentWriter, err error) {
	return w, r.Scan(&w.ID, &w.Key, &w.Email, asTime(&w.ConfirmedAt), asTime(&w.CreatedAt), &w.Published)
}

// CommentWriter returns one by id.
func (t *Tx) CommentWriter(ctx context.Context, id int64) (newsletter.CommentWriter, error) {
	w, err := scanWriter(t.queryRow(ctx, writerColumns+`w.id = ?`, id))
	return w, missing(err, "없는 사람이에요.")
}

// CommentWriterByKey returns one by the hash of the address.
func (t *Tx) CommentWriterByKey(ctx context.Context, key newsletter.AddressKey) (newsletter.CommentWriter, error) {
	w, err := scanWriter(t.queryRow(ctx, writerColumns+`w.addr_key = ?`, key))
	return w, missing(err, "없는 사람이에요.")
}

// PutCommentWriter inserts, or keeps when the address was proved.
func (t *Tx) PutCommentWriter(ctx context.Context, w *newsletter.CommentWriter) (err error) {
	if w.ID != 0 {
		_, err := t.exec(ctx, `UPDATE comment_writers SET confirmed_at = ? WHERE id = ?`, orNull(w.ConfirmedAt), w.ID)
		return err
	}
	w.ID, err = t.insert(ctx, `INSERT INTO comment_writers (addr_key, email, confirmed_at, created_at) VALUES (?, ?, ?, ?) RETURNING id`,
		w.Key, w.Email, orNull(w.ConfirmedAt), ms(w.CreatedAt))
	return err
}

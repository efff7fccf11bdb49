package newsletter

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// A comment needs no account. Its address is proved by the link in a letter, once for each browser; that link is also
// where its writer changes it or takes it back. A link printed in an issue proves nothing here: letters are forwarded (S53).

// AddComment keeps a comment. From a browser that has proved this address it is published or held by the rules at once, otherwise its
// writer gets a letter. Errors: Faults (name, email, body, parent); NotFound; Conflict (code closed); TooMany.
func (s *Service) AddComment(ctx context.Context, on CommentOn, in NewComment) (Comment, error) {
	c, addr, err := in.judge()
	if err != nil {
		return Comment{}, err
	}
	if err := s.limitIP(ctx, "comment", in.IP, commentsAnHour); err != nil {
		return Comment{}, err
	}
	now := s.opt.Now()
	c.On, c.CreatedAt = on, now
	var out Comment
	err = s.update(ctx, func(tx Tx) error {
		out = c
		if err := s.openFor(ctx, tx, on); err != nil {
			return err
		}
		if err := parentOf(ctx, tx, &out); err != nil {
			return err
		}
		if err := tx.DropUnconfirmed(ctx, now.Add(-commentLife)); err != nil {
			return err
		}
		w, err := s.commentWriter(ctx, tx, addr, now)
		if err != nil {
			return err
		}
		out.Writer = w.ID
		known, err := s.opt.Keys().Verify(PurposeWriter, in.Browser, now)
		if err == nil && known == w.ID && !w.ConfirmedAt.IsZero() {
			return s.enterComment(ctx, tx, &out, w, now)
		}
		return s.askWriter(ctx, tx, &out, w, now)
	})
	if err != nil {
		return Comment{}, fmt.Errorf("add comment: %w", err)
	}
	s.opt.Wake()
	return out, nil
}

// openFor tells whether comments are taken there.
func (s *Service) openFor(ctx context.Context, tx Tx, on CommentOn) error {
	if on.Kind == OnIssue {
		i, err := tx.IssueByID(ctx, IssueID(on.ID))
		if err == nil && !i.Public() {
			err = &Error{Kind: NotFound, Msg: "찾으시는 호가 없어요."}
		}
		return err
	}
	a, err := tx.ArticleByID(ctx, ArticleID(on.ID))
	switch {
	case err != nil:
		return err
	case a.Status != ArticlePublished:
		return &Error{Kind: NotFound, Msg: "찾으시는 글이 없어요."}
	case a.CommentsClosed:
		return &Error{Kind: Conflict, Code: "closed", Msg: "댓글을 받지 않는 글이에요."}
	}
	return nil
}

// parentOf makes a reply to a reply one to the comment above both.
func parentOf(ctx context.Context, tx Tx, c *Comment) error {
	if c.Parent == 0 {
		return nil
	}
	p, err := tx.Comment(ctx, c.Parent)
	if known, err := found(err); err != nil {
		return err
	} else if !known || p.On != c.On || p.Status != CommentPublished {
		return invalid("parent", "답글을 달려던 댓글이 없어졌어요. 새 댓글로 남겨 주세요.")
	}
	if p.Parent != 0 {
		c.Parent = p.Parent
	}
	return nil
}

func (s *Service) commentWriter(ctx context.Context, tx Tx, addr Address, now time.Time) (CommentWriter, error) {
	w, err := tx.CommentWriterByKey(ctx, s.keyOf(addr))
	if KindOf(err) == NotFound {
		w = CommentWriter{Key: s.keyOf(addr), Email: addr.String(), CreatedAt: now}
		err = tx.PutCommentWriter(ctx, &w)
	}
	return w, err
}

// askWriter keeps the comment out of sight and mails its link. Letters that a form can cause at an address are counted apart
// from those of the sign-up: the refusal tells nothing about who reads (S11).
func (s *Service) askWriter(ctx context.Context, tx Tx, c *Comment, w CommentWriter, now time.Time) error {
	wait, err := takeSlot(ctx, tx, "comment.mail", string(w.Key), commentMails, 24*time.Hour, commentMailGap, now)
	if err != nil {
		return err
	}
	if wait > 0 {
		return &Error{Kind: TooMany, After: wait, Msg: "이 주소로는 확인 메일을 이미 보냈어요. 받은 메일의 버튼을 먼저 눌러 주세요."}
	}
	c.Status = CommentUnconfirmed
	if err := tx.PutComment(ctx, c); err != nil {
		return err
	}
	blocked, err := tx.SuppressionByKey(ctx, w.Key)
	if _, err := found(err); err != nil {
		return err
	}
	n := Notice{
		Kind: NoticeComment, Email: w.Email, State: Queued, DueAt: now, CreatedAt: now,
		Payload: NoticePayload{Name: c.Name, Grant: int64(c.ID)},
	}
	if blocked.Reason == SuppressedManual || blocked.Reason == SuppressedComplaint {
		n.State, n.Reason = Skipped, ReasonSuppressed
	}
	return tx.QueueNotice(ctx, &n)
}

// enterComment publishes a comment of a proved writer, or holds it.
func (s *Service) enterComment(ctx context.Context, tx Tx, c *Comment, w CommentWriter, now time.Time) error {
	n, err := tx.Take(ctx, fmt.Sprintf("comment.writer:%d", w.ID), time.Hour, now)
	if err != nil {
		return err
	}
	if n > commentsByOne {
		return &Error{Kind: TooMany, Msg: "댓글을 너무 자주 남기고 있어요. 조금 뒤에 다시 해 주세요.", After: now.Truncate(time.Hour).Add(time.Hour).Sub(now)}
	}
	set, err := tx.Settings(ctx)
	if err != nil {
		return err
	}
	c.Held, c.Status = holdReason(*c, w, set["comment_words"]), CommentPublished
	if c.Held != "" {
		c.Status = CommentPending
		if err := tx.PutComment(ctx, c); err != nil {
			return err
		}
		return tx.PutAlert(ctx, &Alert{Kind: "comments", Text: "확인을 기다리는 댓글이 있어요.", At: now})
	}
	return s.publishComment(ctx, tx, c, now)
}

// publishComment shows it and tells whom it answers.
func (s *Service) publishComment(ctx context.Context, tx Tx, c *Comment, now time.Time) error {
	c.Status, c.Held = CommentPublished, ""
	if c.PublishedAt.IsZero() {
		c.PublishedAt = now
	}
	tell := c.Parent != 0 && !c.Told
	c.Told = c.Told || tell
	if err := tx.PutComment(ctx, c); err != nil {
		return err
	}
	if tell {
		if err := s.tellOfReply(ctx, tx, *c, now); err != nil {
			return err
		}
	}
	return tx.BumpRevision(ctx)
}

// tellOfReply mails the writer of the comment above, who asked for it, a few times a day at most (S39).
func (s *Service) tellOfReply(ctx context.Context, tx Tx, c Comment, now time.Time) error {
	p, err := tx.Comment(ctx, c.Parent)
	if err != nil || !p.Notify || p.Status != CommentPublished || p.Writer == 0 || p.Writer == c.Writer {
		return err
	}
	w, err := tx.CommentWriter(ctx, p.Writer)
	if err != nil || w.ConfirmedAt.IsZero() {
		return err
	}
	_, err = tx.SuppressionByKey(ctx, w.Key)
	if blocked, err := found(err); err != nil || blocked {
		return err
	}
	wait, err := takeSlot(ctx, tx, "comment.reply", string(w.Key), replyMails, 24*time.Hour, replyMailGap, now)
	if err != nil || wait > 0 {
		return err
	}
	return tx.QueueNotice(ctx, &Notice{
		Kind: NoticeReply, Email: w.Email, State: Queued, DueAt: now, CreatedAt: now,
		Payload: NoticePayload{Name: p.Name, Grant: int64(p.ID), Subject: c.Name, Text: c.Body},
	})
}

// CommentView is the page behind a comment's link.
type CommentView struct {
	Comment
	Masked    string // the writer's address
	Confirmed bool
}

// CommentByToken opens a comment's link and changes nothing. NotFound: forged, or taken back; Gone: not confirmed in seven days.
func (s *Service) CommentByToken(ctx context.Context, token string) (CommentView, error) {
	return get(ctx, s, func(tx Tx) (CommentView, error) {
		c, w, err := s.openComment(ctx, tx, token)
		return CommentView{Comment: c, Masked: StoredAddress(w.Email).Masked(), Confirmed: c.Status != CommentUnconfirmed}, err
	})
}

func (s *Service) openComment(ctx context.Context, tx Tx, token string) (Comment, CommentWriter, error) {
	now := s.opt.Now()
	id, err := s.opt.Keys().Verify(PurposeComment, token, now)
	if err != nil {
		return Comment{}, CommentWriter{}, err
	}
	c, err := tx.Comment(ctx, CommentID(id))
	if KindOf(err) == NotFound || err == nil && c.Status == CommentDeleted {
		return c, CommentWriter{}, &Error{Kind: Gone, Code: "removed", Msg: "이미 지운 댓글이에요."}
	}
	if err != nil {
		return c, CommentWriter{}, err
	}
	if c.Status == CommentUnconfirmed && now.Sub(c.CreatedAt) > commentLife {
		return c, CommentWriter{}, &Error{Kind: Gone, Code: "expired", Msg: "7일이 지나 만료된 링크예요. 댓글을 다시 남겨 주세요."}
	}
	w, err := tx.CommentWriter(ctx, c.Writer)
	return c, w, err
}

// ConfirmComment proves the address. It returns the comment and what this browser is known by from now on.
func (s *Service) ConfirmComment(ctx context.Context, token string) (Comment, string, error) {
	now := s.opt.Now()
	var c Comment
	err := s.update(ctx, func(tx Tx) error {
		var w CommentWriter
		var err error
		if c, w, err = s.openComment(ctx, tx, token); err != nil {
			return err
		}
		if w.ConfirmedAt.IsZero() {
			w.ConfirmedAt = now
			if err := tx.PutCommentWriter(ctx, &w); err != nil {
				return err
			}
		}
		if c.Status != CommentUnconfirmed { // pressed twice
			return nil
		}
		if err := s.openFor(ctx, tx, c.On); err != nil {
			return err
		}
		return s.enterComment(ctx, tx, &c, w, now)
	})
	if err != nil {
		return Comment{}, "", fmt.Errorf("confirm comment: %w", err)
	}
	s.opt.Wake()
	return c, s.opt.Keys().Sign(PurposeWriter, c.Writer, now.Add(WriterLife)), nil
}

// EditComment changes the text by the writer's link; the rules look at it anew. Errors: Faults (body), Gone, NotFound.
func (s *Service) EditComment(ctx context.Context, token, body string, notify bool) (Comment, error) {
	clean, err := cleanComment(body)
	if err != nil {
		return Comment{}, err
	}
	now := s.opt.Now()
	var c Comment
	err = s.update(ctx, func(tx Tx) error {
		var w CommentWriter
		if c, w, err = s.openComment(ctx, tx, token); err != nil {
			return err
		}
		c.Notify = notify
		if c.Body == clean {
			return tx.PutComment(ctx, &c)
		}
		c.Body, c.EditedAt = clean, now
		if c.Status != CommentPublished {
			return tx.PutComment(ctx, &c)
		}
		return s.enterComment(ctx, tx, &c, w, now)
	})
	if err != nil {
		return Comment{}, fmt.Errorf("edit comment: %w", err)
	}
	s.opt.Wake()
	return c, nil
}

// TakeBackComment removes a comment by the writer's link; under one with replies an empty place stays.
func (s *Service) TakeBackComment(ctx context.Context, token string) (Comment, error) {
	var c Comment
	err := s.update(ctx, func(tx Tx) (err error) {
		if c, _, err = s.openComment(ctx, tx, token); err != nil {
			return err
		}
		return removeComment(ctx, tx, c)
	})
	return c, err
}

func removeComment(ctx context.Context, tx Tx, c Comment) error {
	err := tx.DeleteComment(ctx, c.ID)
	if KindOf(err) == Conflict {
		c.Status, c.Name, c.Body, c.IP, c.Notify = CommentDeleted, "", "", "", false
		err = tx.PutComment(ctx, &c)
	}
	if err != nil {
		return err
	}
	return tx.BumpRevision(ctx)
}

// CommentsOn lists what is shown under an article or an issue, oldest first: published ones, and places of deleted ones.
func (s *Service) CommentsOn(ctx context.Context, on CommentOn) ([]Comment, error) {
	return get(ctx, s, func(tx Tx) ([]Comment, error) { return tx.CommentsOn(ctx, on) })
}

// Comments lists for the desk, newest first, and tells whether there is more.
func (s *Service) Comments(ctx context.Context, status CommentStatus, cursor CommentID, limit int) ([]Comment, bool, error) {
	limit = pageLimit(limit)
	rows, err := get(ctx, s, func(tx Tx) ([]Comment, error) { return tx.Comments(ctx, status, cursor, limit) })
	rows, more := page(rows, limit)
	return rows, more, err
}

// CountComments counts by status.
func (s *Service) CountComments(ctx context.Context) (map[CommentStatus]int64, error) {
	return get(ctx, s, func(tx Tx) (map[CommentStatus]int64, error) { return tx.CountComments(ctx) })
}

// JudgeComment is the editor's word: pending, published or spam. NotFound for one that is not confirmed or was taken back.
func (s *Service) JudgeComment(ctx context.Context, actor string, id CommentID, status CommentStatus) (Comment, error) {
	if status != CommentPending && status != CommentPublished && status != CommentSpam {
		return Comment{}, invalid("status", "상태는 pending, published, spam 가운데 하나예요.")
	}
	now := s.opt.Now()
	var c Comment
	err := s.update(ctx, func(tx Tx) (err error) {
		if c, err = deskComment(ctx, tx, id); err != nil {
			return err
		}
		if status == CommentPublished {
			err = s.publishComment(ctx, tx, &c, now)
		} else {
			c.Status, c.Held = status, ""
			if err = tx.PutComment(ctx, &c); err == nil {
				err = tx.BumpRevision(ctx)
			}
		}
		if err != nil {
			return err
		}
		if err := calmComments(ctx, tx, now); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "comment_"+string(status), fmt.Sprintf("comment:%d", id), "")
	})
	if err != nil {
		return Comment{}, fmt.Errorf("judge comment: %w", err)
	}
	s.opt.Wake()
	return c, nil
}

func deskComment(ctx context.Context, tx Tx, id CommentID) (Comment, error) {
	c, err := tx.Comment(ctx, id)
	if err == nil && (c.Status == CommentUnconfirmed || c.Status == CommentDeleted) {
		err = &Error{Kind: NotFound, Msg: "없는 댓글이에요."}
	}
	return c, err
}

// calmComments clears the alert when nothing waits any more.
func calmComments(ctx context.Context, tx Tx, now time.Time) error {
	n, err := tx.CountComments(ctx)
	if err != nil || n[CommentPending] > 0 {
		return err
	}
	return tx.ClearAlerts(ctx, 0, "comments", now)
}

// RemoveComment deletes one at the desk.
func (s *Service) RemoveComment(ctx context.Context, actor string, id CommentID) error {
	return s.update(ctx, func(tx Tx) error {
		c, err := deskComment(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := removeComment(ctx, tx, c); err != nil {
			return err
		}
		if err := calmComments(ctx, tx, s.opt.Now()); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "comment_delete", fmt.Sprintf("comment:%d", id), "")
	})
}

// ReplyAsAuthor answers a comment from the desk. It publishes the comment, too: nobody answers what nobody sees.
func (s *Service) ReplyAsAuthor(ctx context.Context, actor string, id CommentID, body string) (Comment, error) {
	clean, err := cleanComment(body)
	if err != nil {
		return Comment{}, err
	}
	now := s.opt.Now()
	var reply Comment
	err = s.update(ctx, func(tx Tx) error {
		c, err := deskComment(ctx, tx, id)
		if err != nil {
			return err
		}
		if c.Status != CommentPublished {
			if err := s.publishComment(ctx, tx, &c, now); err != nil {
				return err
			}
		}
		house, err := s.house(ctx, tx)
		if err != nil {
			return err
		}
		name := house.Author
		if name == "" {
			name = house.SiteName
		}
		reply = Comment{On: c.On, Parent: c.ID, Name: name, Body: clean, ByAuthor: true, CreatedAt: now}
		if err := parentOf(ctx, tx, &reply); err != nil {
			return err
		}
		if err := s.publishComment(ctx, tx, &reply, now); err != nil {
			return err
		}
		if err := calmComments(ctx, tx, now); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "comment_reply", fmt.Sprintf("comment:%d", id), "")
	})
	if err != nil {
		return Comment{}, fmt.Errorf("reply: %w", err)
	}
	s.opt.Wake()
	return reply, nil
}

// CommentPlace is the page on which comments of that stand, by the caller's addresses of articles and issues.
func (s *Service) CommentPlace(ctx context.Context, on CommentOn, article func(slug string) string, issue func(number int) string) (string, error) {
	return get(ctx, s, func(tx Tx) (string, error) {
		if on.Kind == OnIssue {
			i, err := tx.IssueByID(ctx, IssueID(on.ID))
			return issue(i.Number), err
		}
		a, err := tx.ArticleByID(ctx, ArticleID(on.ID))
		return article(a.Slug), err
	})
}

// DeskComment returns one as the desk lists it. NotFound.
func (s *Service) DeskComment(ctx context.Context, id CommentID) (Comment, error) {
	return get(ctx, s, func(tx Tx) (Comment, error) {
		list, err := tx.Comments(ctx, "", id+1, 0)
		if err != nil || len(list) == 0 || list[0].ID != id {
			return Comment{}, cmp.Or[error](err, &Error{Kind: NotFound, Msg: "없는 댓글이에요."})
		}
		return list[0], nil
	})
}

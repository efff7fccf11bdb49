package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"techissue/newsletter"
)

const issueColumns = `
SELECT id, number, state, subject, preheader, kind, intro, links, articles, sponsor, outro, without_ad_consent, uncertain, tracking,
	audience, portions, expires_at, archived, scheduled_at, accepted_at, prepared_at, done_at, recipients, pause_reason, version, created_at, updated_at
FROM issues WHERE TRUE`

func scanIssue(r scanner) (newsletter.Issue, error) {
	var i newsletter.Issue
	var links, articles, audience string
	err := r.Scan(&i.ID, &i.Number, &i.State, &i.Subject, &i.Preheader, &i.Kind, &i.Intro, &links, &articles, &i.Sponsor, &i.Outro,
		&i.WithoutAdConsent, &i.Uncertain, asFlag(&i.Tracking), &audience, &i.Portions, asTime(&i.ExpiresAt), asFlag(&i.Archived), asTime(&i.ScheduledAt),
		asTime(&i.AcceptedAt), asTime(&i.PreparedAt), asTime(&i.DoneAt), &i.Recipients, &i.PauseReason, &i.Version, asTime(&i.CreatedAt), asTime(&i.UpdatedAt))
	if err != nil {
		return i, err
	}
	for _, f := range []struct {
		text string
		into any
	}{{links, &i.Links}, {articles, &i.Content.Articles}, {audience, &i.Audience}} {
		if err := json.Unmarshal([]byte(f.text), f.into); err != nil {
			return i, fmt.Errorf("read issue %d: %w", i.Number, err)
		}
	}
	return i, nil
}

// Issue returns one by its number.
func (t *Tx) Issue(ctx context.Context, number int) (newsletter.Issue, error) {
	if number != int(int32(number)) { // PostgreSQL's INTEGER does not take it, not even to compare
		number = 0
	}
	i, err := scanIssue(t.queryRow(ctx, issueColumns+` AND number = ?`, number))
	return i, missing(err, fmt.Sprintf("%d호는 없어요.", number))
}

// IssueByID returns one by its id.
func (t *Tx) IssueByID(ctx context.Context, id newsletter.IssueID) (newsletter.Issue, error) {
	i, err := scanIssue(t.queryRow(ctx, issueColumns+` AND id = ?`, id))
	return i, missing(err, "없는 호예요.")
}

// NextNumber is the highest number + 1.
func (t *Tx) NextNumber(ctx context.Context) (n int, err error) {
	return n, t.queryRow(ctx, `SELECT COALESCE(MAX(number), 0) + 1 FROM issues`).Scan(&n)
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs of text and times
	}
	return string(b)
}

// PutIssue inserts a draft, or changes the content of an issue.
func (t *Tx) PutIssue(ctx context.Context, i *newsletter.Issue) error {
	if i.Links == nil {
		i.Links = []newsletter.RoundupLink{}
	}
	if i.Content.Articles == nil {
		i.Content.Articles = []string{}
	}
	args := []any{i.Number, i.Subject, i.Preheader, i.Kind, i.Intro, jsonText(i.Links), jsonText(i.Content.Articles), i.Sponsor, i.Outro, i.WithoutAdConsent,
		i.Uncertain, flag(i.Tracking), jsonText(i.Audience), i.Portions, orNull(i.ExpiresAt), flag(i.Archived), ms(i.UpdatedAt)}
	if i.ID == 0 {
		id, err := t.insert(ctx, `
			INSERT INTO issues (number, subject, preheader, kind, intro, links, articles, sponsor, outro, without_ad_consent, uncertain, tracking,
				audience, portions, expires_at, archived, updated_at, created_at, state, version)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'draft', 1) RETURNING id`, append(args, ms(i.CreatedAt))...)
		if err != nil {
			return taken(err, "number", "이미 있는 호 번호예요.")
		}
		i.ID, i.Version = newsletter.IssueID(id), 1
		return nil
	}
	err := t.swap(ctx, errVersion, `
		UPDATE issues SET number = ?, subject = ?, preheader = ?, kind = ?, intro = ?, links = ?, articles = ?, sponsor = ?, outro = ?, without_ad_consent = ?,
			uncertain = ?, tracking = ?, audience = ?, portions = ?, expires_at = ?, archived = ?, updated_at = ?, version = version + 1
		WHERE id = ? AND version = ?`, append(args, i.ID, i.Version)...)
	if errors.Is(err, errVersion) {
		return err
	}
	if err != nil {
		return taken(err, "number", "이미 있는 호 번호예요.")
	}
	i.Version++
	return nil
}

// DeleteIssue removes a draft.
func (t *Tx) DeleteIssue(ctx context.Context, id newsletter.IssueID) error {
	return t.swap(ctx, errState, `DELETE FROM issues WHERE id = ? AND state = 'draft'`, id)
}

// publicIssue says in SQL what newsletter.Issue.Public says.
const publicIssue = `
	CASE WHEN state IN ('sending', 'paused', 'done') THEN COALESCE(prepared_at, accepted_at) WHEN state = 'cancelled' THEN prepared_at END IS NOT NULL`

// Issues lists the highest number first.
func (t *Tx) Issues(ctx context.Context, f newsletter.IssueFilter) ([]newsletter.Issue, error) {
	var w where
	if f.State != "" {
		w.and(`state = ?`, f.State)
	}
	if f.Public {
		w.and(publicIssue)
	}
	if f.Query != "" {
		w.and(`subject {{like}} ? ESCAPE '\'`, contains(f.Query))
	}
	if f.Cursor > 0 {
		w.and(`number < ?`, f.Cursor)
	}
	return list(ctx, t, scanIssue, issueColumns+w.text+` ORDER BY number DESC LIMIT ?`, append(w.args, f.Limit+1)...)
}

// IssuesIn lists issues in any of the states, oldest first.
func (t *Tx) IssuesIn(ctx context.Context, states ...newsletter.IssueState) ([]newsletter.Issue, error) {
	if len(states) == 0 {
		return nil, nil
	}
	return list(ctx, t, scanIssue, issueColumns+` AND state IN (`+marks(len(states))+`) ORDER BY id`, anyOf(states)...)
}

// MoveIssue is the compare-and-swap of an issue's state.
func (t *Tx) MoveIssue(ctx context.Context, i newsletter.Issue, from ...newsletter.IssueState) error {
	if len(from) == 0 {
		return errState
	}
	args := []any{i.State, orNull(i.ScheduledAt), orNull(i.AcceptedAt), orNull(i.PreparedAt), orNull(i.DoneAt), i.Recipients, i.PauseReason, i.ID}
	return t.swap(ctx, errState, `
		UPDATE issues SET state = ?, scheduled_at = ?, accepted_at = ?, prepared_at = ?, done_at = ?, recipients = ?, pause_reason = ?
		WHERE id = ? AND state IN (`+marks(len(from))+`)`, append(args, anyOf(from)...)...)
}

// IssuesWithArticle lists public issues that carry the article, newest first. The text of the JSON finds them, the list in
// it decides.
func (t *Tx) IssuesWithArticle(ctx context.Context, slug string) ([]newsletter.Issue, error) {
	var w where
	w.and(publicIssue)
	w.and(`articles {{like}} ? ESCAPE '\'`, contains(jsonText(slug)))
	found, err := list(ctx, t, scanIssue, issueColumns+w.text+` ORDER BY number DESC`, w.args...)
	return slices.DeleteFunc(found, func(i newsletter.Issue) bool { return !slices.Contains(i.Content.Articles, slug) }), err
}

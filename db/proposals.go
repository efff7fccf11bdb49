package db

import (
	"context"
	"time"

	"techissue/newsletter"
)

const proposalColumns = `
SELECT id, kind, name, email, body, status, text_version, ip, created_at, answered_at
FROM proposals WHERE TRUE`

func scanProposal(r scanner) (p newsletter.Proposal, err error) {
	var email string
	err = r.Scan(&p.ID, &p.Kind, &p.Name, &email, &p.Body, &p.Status, &p.TextVersion, &p.IP, asTime(&p.CreatedAt), asTime(&p.AnsweredAt))
	p.Email = newsletter.StoredAddress(email)
	return p, err
}

// AddProposal inserts and sets the ID.
func (t *Tx) AddProposal(ctx context.Context, p *newsletter.Proposal) (err error) {
	p.ID, err = t.insert(ctx, `
		INSERT INTO proposals (kind, name, email, body, status, text_version, ip, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		p.Kind, p.Name, p.Email.String(), p.Body, p.Status, p.TextVersion, p.IP, ms(p.CreatedAt))
	return err
}

// Proposal returns one.
func (t *Tx) Proposal(ctx context.Context, id int64) (newsletter.Proposal, error) {
	p, err := scanProposal(t.queryRow(ctx, proposalColumns+` AND id = ?`, id))
	return p, missing(err, "없는 제안이에요.")
}

// Proposals lists the newest first.
func (t *Tx) Proposals(ctx context.Context, status newsletter.ProposalStatus, cursor int64, limit int) ([]newsletter.Proposal, error) {
	var w where
	if status != "" {
		w.and(`status = ?`, status)
	}
	if cursor > 0 {
		w.and(`id < ?`, cursor)
	}
	return list(ctx, t, scanProposal, proposalColumns+w.text+` ORDER BY id DESC LIMIT ?`, append(w.args, limit+1)...)
}

var errNoProposal = &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 제안이에요."}

// MarkProposal keeps whether and when it was answered.
func (t *Tx) MarkProposal(ctx context.Context, id int64, status newsletter.ProposalStatus, now time.Time) error {
	var at time.Time
	if status == newsletter.ProposalAnswered {
		at = now
	}
	return t.swap(ctx, errNoProposal, `UPDATE proposals SET status = ?, answered_at = ? WHERE id = ?`, status, orNull(at), id)
}

// DeleteProposal removes one.
func (t *Tx) DeleteProposal(ctx context.Context, id int64) error {
	return t.swap(ctx, errNoProposal, `DELETE FROM proposals WHERE id = ?`, id)
}

package newsletter

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// ProposalKind is what somebody proposes by 제안하기.
type ProposalKind string

const (
	ProposalMarketing  ProposalKind = "marketing"
	ProposalLecture    ProposalKind = "lecture"
	ProposalPublishing ProposalKind = "publishing"
	ProposalProject    ProposalKind = "project"
)

// ProposalKinds in the order the form offers them, with their words.
var ProposalKinds = [...]struct {
	Kind  ProposalKind
	Label string
}{
	{ProposalMarketing, "마케팅"}, {ProposalLecture, "강연"}, {ProposalPublishing, "출판"}, {ProposalProject, "프로젝트"},
}

// Label is the kind's word for people, "" for an unknown kind.
func (k ProposalKind) Label() string {
	for _, p := range ProposalKinds {
		if p.Kind == k {
			return p.Label
		}
	}
	return ""
}

// ProposalStatus is what the editor has done about a proposal.
type ProposalStatus string

const (
	ProposalNew      ProposalStatus = "new"
	ProposalAnswered ProposalStatus = "answered"
)

// Proposal is one filled-in form.
type Proposal struct {
	ID          int64
	Kind        ProposalKind
	Name        string // or the company's
	Email       Address
	Body        string // plain text of at most 5,000 characters
	Status      ProposalStatus
	TextVersion string // of the consent it came with
	IP          string
	CreatedAt   time.Time
	AnsweredAt  time.Time
}

// ProposalTx keeps proposals.
type ProposalTx interface {
	AddProposal(ctx context.Context, p *Proposal) error
	Proposal(ctx context.Context, id int64) (Proposal, error)
	// Proposals lists those of a status ("" for all), newest first, beginning behind the cursor (0: at the newest).
	Proposals(ctx context.Context, status ProposalStatus, cursor int64, limit int) ([]Proposal, error)
	// MarkProposal keeps that it was answered, or is new again. NotFound.
	MarkProposal(ctx context.Context, id int64, status ProposalStatus, now time.Time) error
	DeleteProposal(ctx context.Context, id int64) error
}

const (
	maxProposal     = 5000
	proposalsAtOnce = 3
	proposalsWithin = 10 * time.Minute
)

// NewProposal is the form as it came in.
type NewProposal struct {
	Kind, Name, Email, Body string
	Consent                 bool
	IP                      string
}

// Propose keeps a proposal and mails it to everybody at the desk. Errors: Faults (kind, name, email, body,
// consent); TooMany for the fourth within ten minutes from one network.
func (s *Service) Propose(ctx context.Context, in NewProposal) (Proposal, error) {
	p, err := in.judge()
	if err != nil {
		return Proposal{}, err
	}
	if err := s.limitProposals(ctx, in.IP); err != nil {
		return Proposal{}, err
	}
	p.CreatedAt = s.opt.Now()
	err = s.update(ctx, func(tx Tx) error {
		p.ID = 0
		if err := tx.AddProposal(ctx, &p); err != nil {
			return err
		}
		return s.tellOfProposal(ctx, tx, p)
	})
	if err != nil {
		return Proposal{}, fmt.Errorf("propose: %w", err)
	}
	s.opt.Wake()
	return p, nil
}

func (in NewProposal) judge() (Proposal, error) {
	var faults Faults
	p := Proposal{Kind: ProposalKind(in.Kind), Status: ProposalNew, TextVersion: ConsentVersion, IP: in.IP}
	var err error
	if p.Name, err = CleanName(in.Name); err != nil {
		faults = append(faults, FaultsOf(err)...)
	} else if p.Name == "" {
		faults = append(faults, invalid("name", "이름이나 회사명을 적어 주세요."))
	}
	if p.Email, err = ParseAddress(in.Email); err != nil {
		faults = append(faults, FaultsOf(err)...)
	}
	if p.Kind.Label() == "" {
		faults = append(faults, invalid("kind", "어떤 제안인지 골라 주세요."))
	}
	p.Body = strings.TrimSpace(CleanText(in.Body))
	switch n := utf8.RuneCountInString(p.Body); {
	case n == 0:
		faults = append(faults, invalid("body", "제안하실 내용을 적어 주세요."))
	case n > maxProposal:
		faults = append(faults, invalid("body", fmt.Sprintf("내용은 %s자까지 적을 수 있어요. 지금은 %s자예요.", Thousands(maxProposal), Thousands(int64(n)))))
	}
	if !in.Consent {
		faults = append(faults, invalid("consent", "개인정보 수집·이용에 동의해 주세요."))
	}
	return p, faults.Err()
}

// limitProposals keeps one network to three in any ten minutes, counted before the proposal is written.
func (s *Service) limitProposals(ctx context.Context, ip string) error {
	now := s.opt.Now()
	var wait time.Duration
	err := s.update(ctx, func(tx Tx) (err error) {
		wait, err = takeSlot(ctx, tx, "contact", network(ip), proposalsAtOnce, proposalsWithin, 0, now)
		return err
	})
	if err == nil && wait > 0 {
		err = &Error{Kind: TooMany, Msg: "조금 뒤에 다시 보내 주세요(10분에 3번).", After: wait}
	}
	return err
}

func (s *Service) tellOfProposal(ctx context.Context, tx Tx, p Proposal) error {
	people, err := tx.Admins(ctx)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s 제안이 왔어요.\n\n보낸 사람: %s <%s>\n\n%s", p.Kind.Label(), p.Name, p.Email, p.Body)
	for _, a := range people {
		n := Notice{
			Kind: NoticeAlert, Email: a.Email.String(), State: Queued, DueAt: p.CreatedAt, CreatedAt: p.CreatedAt,
			Payload: NoticePayload{Subject: fmt.Sprintf("새 제안: %s · %s", p.Kind.Label(), p.Name), Text: text, At: p.CreatedAt},
		}
		if err := tx.QueueNotice(ctx, &n); err != nil {
			return err
		}
	}
	return nil
}

// Proposals lists what was proposed, newest first, and tells whether there is more.
func (s *Service) Proposals(ctx context.Context, status ProposalStatus, cursor int64, limit int) ([]Proposal, bool, error) {
	limit = pageLimit(limit)
	rows, err := get(ctx, s, func(tx Tx) ([]Proposal, error) { return tx.Proposals(ctx, status, cursor, limit) })
	rows, more := page(rows, limit)
	return rows, more, err
}

// Proposal returns one. NotFound.
func (s *Service) Proposal(ctx context.Context, id int64) (Proposal, error) {
	return get(ctx, s, func(tx Tx) (Proposal, error) { return tx.Proposal(ctx, id) })
}

// MarkProposal keeps that the editor answered, or wants it among the new ones again.
func (s *Service) MarkProposal(ctx context.Context, actor string, id int64, status ProposalStatus) error {
	if status != ProposalNew && status != ProposalAnswered {
		return invalid("status", "상태는 new나 answered 가운데 하나예요.")
	}
	return s.update(ctx, func(tx Tx) error {
		if err := tx.MarkProposal(ctx, id, status, s.opt.Now()); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "proposal_"+string(status), fmt.Sprintf("proposal:%d", id), "")
	})
}

// DeleteProposal removes one with the address and the text in it.
func (s *Service) DeleteProposal(ctx context.Context, actor string, id int64) error {
	return s.update(ctx, func(tx Tx) error {
		if err := tx.DeleteProposal(ctx, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "proposal_delete", fmt.Sprintf("proposal:%d", id), "")
	})
}

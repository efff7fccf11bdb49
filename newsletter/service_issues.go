package newsletter

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// maxNumber keeps a slip of the finger from making every later number unusable: the next issue's is the highest + 1.
const maxNumber = 1_000_000

// judge names everything wrong with an issue's fields and tidies them in place.
func (i *Issue) judge() error {
	var faults Faults
	subject, err := CleanLine(i.Subject, 200)
	switch {
	case err != nil:
		faults = append(faults, invalid("subject", "제목에 줄바꿈이나 제어 문자는 쓸 수 없고, 200자까지 쓸 수 있어요."))
	case subject == "":
		faults = append(faults, invalid("subject", "제목을 적어 주세요."))
	case !HasAdLabel(subject) && LooksLikeAdLabel(subject):
		faults = append(faults, invalid("subject", "광고 표시는 (광고) 그대로만 쓸 수 있어요. 종류를 광고로 바꾸면 저절로 붙어요."))
	case HasAdLabel(subject) && i.Kind == KindInfo:
		faults = append(faults, invalid("subject", "(광고) 표시는 종류가 광고일 때만 쓸 수 있어요."))
	}
	i.Subject = subject
	if i.Preheader, err = CleanLine(i.Preheader, 300); err != nil {
		faults = append(faults, invalid("preheader", "미리보기 글에 줄바꿈이나 제어 문자는 쓸 수 없고, 300자까지 쓸 수 있어요."))
	}
	if i.Kind != KindInfo && i.Kind != KindAd {
		faults = append(faults, invalid("kind", "종류는 info나 ad예요."))
	}
	if i.WithoutAdConsent != SkipWithoutAdConsent && i.WithoutAdConsent != InfoEdition {
		faults = append(faults, invalid("without_ad_consent", "skip이나 info_edition을 적어 주세요."))
	}
	if i.Portions < 0 || i.Portions > mostPortions {
		faults = append(faults, invalid("portions", fmt.Sprintf("1일에서 %d일 사이로 나눌 수 있어요.", mostPortions)))
	}
	if i.Uncertain != ResendOnce && i.Uncertain != Hold {
		faults = append(faults, invalid("uncertain", "resend_once나 hold를 적어 주세요."))
	}
	if i.Number < 0 || i.Number > maxNumber {
		faults = append(faults, invalid("number", "호 번호는 1부터 "+Thousands(maxNumber)+"까지예요."))
	}
	i.Intro, i.Outro, i.Sponsor = CleanText(i.Intro), CleanText(i.Outro), CleanText(i.Sponsor)
	faults = append(faults, i.judgeLinks()...)
	return append(faults, i.Audience.judge()...).Err()
}

func (i *Issue) judgeLinks() (faults Faults) {
	for n := range i.Links {
		l := &i.Links[n]
		u, err := url.Parse(l.URL)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			faults = append(faults, invalid(fmt.Sprintf("links[%d].url", n), "링크는 http:// 나 https:// 로 시작하는 주소여야 해요."))
		}
		for _, f := range []struct {
			name string
			text *string
		}{{"title", &l.Title}, {"source", &l.Source}, {"summary", &l.Summary}} {
			if *f.text, err = CleanLine(*f.text, 1000); err != nil {
				faults = append(faults, invalid(fmt.Sprintf("links[%d].%s", n, f.name), "줄바꿈이나 제어 문자는 쓸 수 없어요."))
			}
		}
	}
	return faults
}

// maxEngagement is how many of the last issues a segment may look back on.
const maxEngagement = 50

func (a Audience) judge() (faults Faults) {
	if a.Status != "" && a.Status != Active {
		faults = append(faults, invalid("audience.status", "구독 중(active)인 사람에게만 보낼 수 있어요."))
	}
	for _, e := range []struct {
		field string
		*Engagement
	}{{"opened", a.Opened}, {"clicked", a.Clicked}} {
		if e.Engagement != nil && (e.Least < 1 || e.Of < e.Least || e.Of > maxEngagement) {
			faults = append(faults, invalid("audience."+e.field, fmt.Sprintf("최근 호는 %d개까지, 그 가운데 1개에서 전부까지 고를 수 있어요.", maxEngagement)))
		}
	}
	if r := a.Received; r != nil && (r.Number < 1 || len(r.Editions) == 0 || len(r.Editions) > 100) {
		faults = append(faults, invalid("audience.received", "호 번호와 판을 적어 주세요."))
	}
	if a.TagsMode != "" && a.TagsMode != "any" && a.TagsMode != "all" {
		faults = append(faults, invalid("audience.tags_mode", "any나 all을 적어 주세요."))
	}
	return faults
}

// CreateIssue keeps a new draft, or with Archived an issue of the past: done, dated AcceptedAt, never sent.
// Number 0 takes the next one. Errors: Faults, Conflict when the number is taken.
func (s *Service) CreateIssue(ctx context.Context, actor string, i Issue) (Issue, error) {
	now := s.opt.Now()
	if i.Kind == "" {
		i.Kind = KindInfo
	}
	if i.WithoutAdConsent == "" {
		i.WithoutAdConsent = SkipWithoutAdConsent
	}
	if i.Uncertain == "" {
		i.Uncertain = s.opt.DefaultUncertain
	}
	if err := i.judge(); err != nil {
		return Issue{}, err
	}
	i.State, i.CreatedAt, i.UpdatedAt = IssueDraft, now, now
	wanted := i.Number
	var out Issue
	err := s.update(ctx, func(tx Tx) (err error) {
		out = i
		if wanted == 0 {
			if out.Number, err = tx.NextNumber(ctx); err != nil {
				return err
			}
		}
		if err := haveArticles(ctx, tx, out.Content.Articles); err != nil {
			return err
		}
		if err := tx.PutIssue(ctx, &out); err != nil {
			return err
		}
		if out.Archived {
			if err := s.archive(ctx, tx, &out); err != nil {
				return err
			}
		}
		if err := s.rememberIssue(ctx, tx, actor, out, false); err != nil {
			return err
		}
		if !out.Archived {
			if err := s.wantLinkChecks(ctx, tx, out); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, actor, "issue.create", issueObject(out), "")
	})
	if err != nil {
		return Issue{}, fmt.Errorf("create issue: %w", err)
	}
	return out, nil
}

// archive gives an issue of the past its edition and its date.
func (s *Service) archive(ctx context.Context, tx Tx, i *Issue) error {
	if i.AcceptedAt.IsZero() {
		return invalid("sent_at", "지난 호에는 보낸 날짜(sent_at)가 필요해요.")
	}
	snap, err := s.snapshot(ctx, tx, *i, VariantWhole)
	if err != nil {
		return err
	}
	if err := tx.AddEdition(ctx, Edition{Issue: i.ID, Number: 1, Reason: "archived", Snapshot: snap, CreatedAt: s.opt.Now()}); err != nil {
		return err
	}
	i.State, i.PreparedAt, i.DoneAt = IssueDone, i.AcceptedAt, i.AcceptedAt
	if err := tx.MoveIssue(ctx, *i, IssueDraft); err != nil {
		return err
	}
	if err := indexIssue(ctx, tx, *i, snap); err != nil {
		return err
	}
	return tx.BumpRevision(ctx)
}

func haveArticles(ctx context.Context, tx Tx, slugs []string) error {
	var faults Faults
	for n, slug := range slugs {
		_, err := tx.Article(ctx, slug)
		known, err := found(err)
		if err != nil {
			return err
		}
		if !known {
			faults = append(faults, invalid(fmt.Sprintf("articles[%d]", n), "없는 아티클이에요: "+slug))
		}
	}
	return faults.Err()
}

func issueObject(i Issue) string { return fmt.Sprintf("issue:%d", i.Number) }

// UpdateIssue changes a draft. version 0 takes any; another one than the stored is a Conflict (code version), a state other
// than draft one with code state.
func (s *Service) UpdateIssue(ctx context.Context, actor string, number int, change func(*Issue) error, version int64) (Issue, error) {
	return s.updateIssue(ctx, actor, number, change, version, false)
}

// AutosaveIssue is UpdateIssue for a draft that saves itself: it leaves no line in the audit, and several make one row of the history.
func (s *Service) AutosaveIssue(ctx context.Context, actor string, number int, change func(*Issue) error, version int64) (Issue, error) {
	return s.updateIssue(ctx, actor, number, change, version, true)
}

func (s *Service) updateIssue(ctx context.Context, actor string, number int, change func(*Issue) error, version int64, auto bool) (Issue, error) {
	var out Issue
	err := s.update(ctx, func(tx Tx) error {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return err
		}
		if i.State != IssueDraft {
			return wrongState(i, "고칠")
		}
		if version != 0 && version != i.Version {
			return &Error{Kind: Conflict, Code: "version", Msg: "다른 창에서 바뀌었어요."}
		}
		if err := change(&i); err != nil {
			return err
		}
		if err := i.judge(); err != nil {
			return err
		}
		if i.Number == 0 {
			i.Number = number
		}
		if err := haveArticles(ctx, tx, i.Content.Articles); err != nil {
			return err
		}
		i.UpdatedAt = s.opt.Now()
		if err := tx.PutIssue(ctx, &i); err != nil {
			return err
		}
		out = i
		if err := s.rememberIssue(ctx, tx, actor, i, auto); err != nil || auto {
			return err
		}
		if err := s.wantLinkChecks(ctx, tx, i); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "issue.update", issueObject(i), "")
	})
	return out, err
}

func wrongState(i Issue, verb string) error {
	return &Error{Kind: Conflict, Code: "state", Msg: fmt.Sprintf("%d호는 지금 %s 수 없어요(상태: %s).", i.Number, verb, i.State)}
}

// DeleteIssue removes a draft.
func (s *Service) DeleteIssue(ctx context.Context, actor string, number int) error {
	return s.update(ctx, func(tx Tx) error {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return err
		}
		if i.State != IssueDraft {
			return wrongState(i, "지울")
		}
		if err := tx.DeleteIssue(ctx, i.ID); err != nil {
			return err
		}
		if err := tx.CutHistory(ctx, HistoryIssue, int64(i.ID), 0); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "issue.delete", issueObject(i), "")
	})
}

// Issue returns one issue by its number.
func (s *Service) Issue(ctx context.Context, number int) (Issue, error) {
	return get(ctx, s, func(tx Tx) (Issue, error) { return tx.Issue(ctx, number) })
}

// Issues lists issues, highest number first, and tells whether there are more.
func (s *Service) Issues(ctx context.Context, f IssueFilter) ([]Issue, bool, error) {
	f.Limit = pageLimit(f.Limit)
	rows, err := get(ctx, s, func(tx Tx) ([]Issue, error) { return tx.Issues(ctx, f) })
	rows, more := page(rows, f.Limit)
	return rows, more, err
}

// IssueEdition returns a public issue with its newest whole edition. NotFound for one that was never sent.
func (s *Service) IssueEdition(ctx context.Context, number int) (Issue, Edition, error) {
	var issue Issue
	var edition Edition
	err := s.view(ctx, func(tx Tx) (err error) {
		if issue, err = tx.Issue(ctx, number); err != nil {
			return err
		}
		if !issue.Public() {
			return &Error{Kind: NotFound, Msg: "아직 나오지 않은 호예요."}
		}
		edition, err = newestEdition(ctx, tx, issue.ID)
		return err
	})
	return issue, edition, err
}

func newestEdition(ctx context.Context, tx Tx, id IssueID) (Edition, error) {
	editions, err := tx.Editions(ctx, id)
	if err != nil {
		return Edition{}, fmt.Errorf("list editions: %w", err)
	}
	for n := len(editions) - 1; n >= 0; n-- {
		if editions[n].Variant == VariantWhole {
			return editions[n], nil
		}
	}
	return Edition{}, &Error{Kind: NotFound, Msg: "아직 나오지 않은 호예요."}
}

// Snapshot returns what goes (or went) into the letter: the newest edition of a frozen issue, and of a draft what would be frozen now.
func (s *Service) Snapshot(ctx context.Context, number int) (Issue, Snapshot, error) {
	var issue Issue
	var snap Snapshot
	err := s.view(ctx, func(tx Tx) (err error) {
		if issue, err = tx.Issue(ctx, number); err != nil {
			return err
		}
		snap, err = s.SnapshotIn(ctx, tx, issue)
		return err
	})
	return issue, snap, err
}

// SnapshotIn is Snapshot inside a transaction of the caller's.
func (s *Service) SnapshotIn(ctx context.Context, tx Tx, issue Issue) (Snapshot, error) {
	e, err := newestEdition(ctx, tx, issue.ID)
	if frozen, err := found(err); err != nil || frozen {
		return e.Snapshot, err
	}
	return s.snapshot(ctx, tx, issue, VariantWhole)
}

func (s *Service) snapshot(ctx context.Context, tx Tx, i Issue, variant int) (Snapshot, error) {
	house, err := s.house(ctx, tx)
	if err != nil {
		return Snapshot{}, err
	}
	snap := Snapshot{Number: i.Number, Content: i.Content, Tracking: i.Tracking && house.TrackingOff == "", House: house, KeyID: s.opt.Keys().KeyID()}
	switch {
	case variant == VariantInfo:
		snap.Kind, snap.Sponsor = KindInfo, ""
	case i.Kind == KindAd && !HasAdLabel(snap.Subject):
		snap.Subject = AdLabel + " " + snap.Subject
	}
	if variant == VariantInfo {
		snap.Subject = withoutAdLabel(snap.Subject)
	}
	for _, slug := range i.Content.Articles {
		a, err := tx.Article(ctx, slug)
		if err != nil {
			return Snapshot{}, fmt.Errorf("article %s: %w", slug, err)
		}
		snap.Articles = append(snap.Articles, SnapshotArticle{Slug: a.Slug, Title: a.Title, Summary: a.Summary, Body: a.Body, Author: a.Author, Cover: a.Cover, CoverAlt: a.CoverAlt})
	}
	return snap, nil
}

// PreviewIssue renders the letter by the code that sends it.
func (s *Service) PreviewIssue(ctx context.Context, number int) (html, text string, err error) {
	_, snap, err := s.Snapshot(ctx, number)
	if err != nil {
		return "", "", err
	}
	return s.opt.Renderer.RenderIssue(snap, "")
}

// PreviewVariant renders what readers without ad consent get of a draft (VariantInfo), or everybody else.
func (s *Service) PreviewVariant(ctx context.Context, number, variant int) (html, text string, err error) {
	snap, err := get(ctx, s, func(tx Tx) (Snapshot, error) {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return Snapshot{}, err
		}
		return s.snapshot(ctx, tx, i, variant)
	})
	if err != nil {
		return "", "", err
	}
	return s.opt.Renderer.RenderIssue(snap, "")
}

// AudienceCount says who would get an issue and who would not.
type AudienceCount struct {
	Recipients int64
	Info       int64 // the part that gets the edition without the sponsor
	Active     int64 // all active readers
	Other      map[Status]int64
}

// Audience counts exactly.
func (s *Service) Audience(ctx context.Context, number int) (AudienceCount, error) {
	return get(ctx, s, func(tx Tx) (AudienceCount, error) {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return AudienceCount{}, err
		}
		return countAudience(ctx, tx, i)
	})
}

const (
	oldText    = 7 * 24 * time.Hour // a draft that lay so long may not be what the editor means
	likeBefore = 10                 // per cent of difference to the audience before that nobody has to confirm
)

// Unusual says in the editor's words why a send should be confirmed by the number of its readers, "" when nothing is out of the ordinary:
// the audience differs from that of the issue before, or the text is an old one.
func (s *Service) Unusual(ctx context.Context, number int) (why string, recipients int64, err error) {
	err = s.view(ctx, func(tx Tx) error {
		why = ""
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return err
		}
		if i.State != IssueDraft {
			return nil
		}
		n, err := countAudience(ctx, tx, i)
		if err != nil {
			return err
		}
		recipients = n.Recipients
		before, err := sentBefore(ctx, tx, i)
		if err != nil {
			return err
		}
		if age := s.opt.Now().Sub(i.UpdatedAt); age > oldText {
			why = fmt.Sprintf("%d일 전에 쓴 글이에요.", int(age.Hours())/24)
		}
		for _, b := range before {
			if b.Archived || b.Recipients == 0 {
				continue
			}
			if d := n.Recipients - b.Recipients; max(d, -d)*100 > b.Recipients*likeBefore {
				why = fmt.Sprintf("받는 사람이 %d호(%s명)와 많이 달라요.", b.Number, Thousands(b.Recipients))
			}
			break
		}
		return nil
	})
	return why, recipients, err
}

func countAudience(ctx context.Context, tx Tx, i Issue) (AudienceCount, error) {
	var c AudienceCount
	for variant, r := range i.recipients() {
		n, err := tx.CountRecipients(ctx, r)
		if err != nil {
			return c, fmt.Errorf("count recipients: %w", err)
		}
		c.Recipients += n
		if variant == VariantInfo {
			c.Info = n
		}
	}
	counts, err := tx.CountSubscribers(ctx)
	if err != nil {
		return c, fmt.Errorf("count readers: %w", err)
	}
	c.Active = counts[Active]
	delete(counts, Active)
	c.Other = counts
	return c, nil
}

// recipients says who gets which variant: advertising goes only to readers who agreed to it (정보통신망법 §50①).
func (i Issue) recipients() []Recipients {
	if i.Kind == KindInfo {
		return []Recipients{VariantWhole: {Audience: i.Audience}}
	}
	yes, no := true, false
	r := []Recipients{VariantWhole: {Audience: i.Audience, AdConsent: &yes}}
	if i.WithoutAdConsent == InfoEdition {
		r = append(r, Recipients{Audience: i.Audience, AdConsent: &no})
	}
	return r
}

// TestIssue queues the letter to at most five addresses, its subject marked [테스트]. Errors: Faults per address (to[n]).
func (s *Service) TestIssue(ctx context.Context, actor string, number int, to []string) ([]NoticeID, error) {
	var faults Faults
	if len(to) == 0 || len(to) > 5 {
		faults = append(faults, invalid("to", "받을 주소를 1개에서 5개까지 적어 주세요."))
	}
	addresses := make([]Address, len(to))
	for n, raw := range to {
		a, err := ParseAddress(raw)
		if err != nil {
			faults = append(faults, &Error{Kind: Invalid, Field: fmt.Sprintf("to[%d]", n), Msg: raw + ": 메일 주소가 올바르지 않아요.", Err: err})
		}
		addresses[n] = a
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	if err := s.opt.SendingRefused(); err != nil {
		return nil, err
	}
	now := s.opt.Now()
	var ids []NoticeID
	err := s.update(ctx, func(tx Tx) error {
		ids = nil
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return err
		}
		for _, a := range addresses {
			n := Notice{Kind: NoticeTest, Email: a.String(), State: Queued, DueAt: now, CreatedAt: now, Payload: NoticePayload{Issue: i.ID}}
			if err := tx.QueueNotice(ctx, &n); err != nil {
				return err
			}
			ids = append(ids, n.ID)
		}
		return s.audit(ctx, tx, actor, "issue.test", issueObject(i), fmt.Sprintf("%d addresses", len(addresses)))
	})
	s.opt.Wake()
	return ids, err
}

// Notice returns a single letter, for instance to see what the server said to a test.
func (s *Service) Notice(ctx context.Context, id NoticeID) (Notice, error) {
	return get(ctx, s, func(tx Tx) (Notice, error) { return tx.Notice(ctx, id) })
}

// Report is an issue in figures.
type Report struct {
	Progress
	Tally
	SentAt   time.Time
	Links    []LinkTally    // the most clicked first; none when clicks were not counted
	Editions []EditionTally // who got which; one for an issue without sponsor or correction
}

// Report counts what became of an issue.
func (s *Service) Report(ctx context.Context, number int) (Report, error) {
	return get(ctx, s, func(tx Tx) (Report, error) {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return Report{}, err
		}
		p, err := progressOf(ctx, tx, i, s.opt.Now())
		if err != nil {
			return Report{}, err
		}
		r := Report{Progress: p, SentAt: i.SentAt()}
		if r.Tally, err = tx.Tally(ctx, i.ID); err != nil {
			return r, err
		}
		if r.Links, err = tx.LinkTallies(ctx, i.ID); err != nil {
			return r, err
		}
		r.Editions, err = tx.EditionTallies(ctx, i.ID)
		return r, err
	})
}

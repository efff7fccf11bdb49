package newsletter

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Why a hit was taken for a machine's.
const (
	WhyAgent = "agent" // it says so itself
	WhySoon  = "soon"  // within seconds of the delivery
	WhySweep = "sweep" // one of many links at once
	WhyEarly = "early" // before the letter was delivered
)

// Hour is what one hour after the start of a sending brought: hits, people's and machines' apart.
type Hour struct {
	N                                          int // 0 is the first
	Opens, Clicks, MachineOpens, MachineClicks int64
}

// VerdictTally counts hits by what they were taken for.
type VerdictTally struct {
	Click bool
	Why   string // "" for people
	N     int64
}

// Provider is what became of an issue at one mail provider.
type Provider struct {
	Domain       string
	Sent, Opened int64
	Usual        float64 // the share opened of the issues before; below 0 when there is nothing to compare with
	Low          bool    // the share fell below half of the usual one
}

// Share is the part that was opened.
func (p Provider) Share() float64 {
	if p.Sent == 0 {
		return 0
	}
	return float64(p.Opened) / float64(p.Sent)
}

// Leaving counts readers who left with an issue as their last letter, by the reason they gave.
type Leaving struct {
	Reason string // "" gave none
	N      int64
}

// Past is an issue in a comparison.
type Past struct {
	Number                                     int
	Subject                                    string
	At                                         time.Time
	Sent, Opened, Clicked, Left, Bounced, Good int64
}

// Story is everything there is to learn of an issue that left.
type Story struct {
	Report
	Issue     Issue
	Hours     []Hour // 24
	Verdicts  []VerdictTally
	Providers []Provider
	Leavings  []Leaving
	Opinions  map[string]int64
	Past      []Past // this issue first, then those before it
}

// StoryTx reads what became of an issue.
type StoryTx interface {
	// Hours counts the hits of the first n hours after since; hours without one are left out.
	Hours(ctx context.Context, id IssueID, since time.Time, n int) ([]Hour, error)
	Verdicts(ctx context.Context, id IssueID) ([]VerdictTally, error)
	// Providers counts sent and opened letters by domain, the largest first, at most limit. Usual and Low are not filled in.
	Providers(ctx context.Context, ids []IssueID, limit int) ([]Provider, error)
	Leavings(ctx context.Context, id IssueID) ([]Leaving, error)
	// Growth counts, for each day of the house's place that brought something, who came and who left since then.
	Growth(ctx context.Context, since time.Time, offset time.Duration) ([]Day, error)
	// Sources counts active readers by where they came from, the most first.
	Sources(ctx context.Context, limit int) ([]SourceTally, error)
}

// Day is one day of the list's life.
type Day struct {
	At           time.Time // its beginning
	Joined, Left int64
}

// SourceTally is how many readers came by one way.
type SourceTally struct {
	Source string
	N      int64
}

const (
	storyHours     = 24
	storyProviders = 12
	storyPast      = 6  // issues of the comparison
	fewLetters     = 20 // of a provider say nothing about it
)

// Story reads what there is to learn of an issue. Errors: NotFound, also for one that was not prepared.
func (s *Service) Story(ctx context.Context, number int) (Story, error) {
	report, err := s.Report(ctx, number)
	if err != nil {
		return Story{}, err
	}
	st := Story{Report: report}
	err = s.view(ctx, func(tx Tx) (err error) {
		if st.Issue, err = tx.Issue(ctx, number); err != nil {
			return err
		}
		if st.Issue.PreparedAt.IsZero() || st.Issue.Archived {
			return &Error{Kind: NotFound, Msg: "아직 보내지 않은 호예요."}
		}
		return s.fillStory(ctx, tx, &st)
	})
	return st, err
}

func (s *Service) fillStory(ctx context.Context, tx Tx, st *Story) (err error) {
	id := st.Issue.ID
	hours, err := tx.Hours(ctx, id, st.Issue.PreparedAt, storyHours)
	if err != nil {
		return err
	}
	st.Hours = make([]Hour, storyHours)
	for n := range st.Hours {
		st.Hours[n].N = n
	}
	for _, h := range hours {
		st.Hours[h.N] = h
	}
	if st.Verdicts, err = tx.Verdicts(ctx, id); err != nil {
		return err
	}
	if st.Leavings, err = tx.Leavings(ctx, id); err != nil {
		return err
	}
	if st.Opinions, err = tx.Opinions(ctx, id); err != nil {
		return err
	}
	before, err := sentBefore(ctx, tx, st.Issue)
	if err != nil {
		return err
	}
	before = slices.DeleteFunc(before, func(i Issue) bool {
		return i.Archived || i.PreparedAt.IsZero() || i.PreparedAt.After(st.Issue.PreparedAt)
	})
	before = before[:min(len(before), storyPast-1)]
	if st.Providers, err = providers(ctx, tx, id, before); err != nil {
		return err
	}
	for _, i := range append([]Issue{st.Issue}, before...) {
		p, err := pastOf(ctx, tx, i)
		if err != nil {
			return err
		}
		st.Past = append(st.Past, p)
	}
	return nil
}

// providers compares each provider's share of opened letters with that of the issues before.
func providers(ctx context.Context, tx Tx, id IssueID, before []Issue) ([]Provider, error) {
	now, err := tx.Providers(ctx, []IssueID{id}, storyProviders)
	if err != nil || len(before) == 0 {
		for n := range now {
			now[n].Usual = -1
		}
		return now, err
	}
	ids := make([]IssueID, len(before))
	for n, i := range before {
		ids[n] = i.ID
	}
	usual, err := tx.Providers(ctx, ids, 1000)
	if err != nil {
		return nil, err
	}
	known := map[string]Provider{}
	for _, p := range usual {
		known[p.Domain] = p
	}
	for n, p := range now {
		was, ok := known[p.Domain]
		if now[n].Usual = -1; !ok || was.Sent < fewLetters {
			continue
		}
		now[n].Usual = was.Share()
		now[n].Low = p.Sent >= fewLetters && p.Share() < was.Share()/2
	}
	return now, nil
}

// LastRates are the newest issue that was read and the one before, at most: what a first look wants.
func (s *Service) LastRates(ctx context.Context) (rates []Past, err error) {
	err = s.view(ctx, func(tx Tx) error {
		rates = nil
		list, err := tx.Issues(ctx, IssueFilter{State: IssueDone, Limit: 10})
		if err != nil {
			return err
		}
		for _, i := range list {
			if i.Archived || !i.Tracking || len(rates) == 2 {
				continue
			}
			p, err := pastOf(ctx, tx, i)
			if err != nil {
				return err
			}
			rates = append(rates, p)
		}
		return nil
	})
	return rates, err
}

func pastOf(ctx context.Context, tx Tx, i Issue) (Past, error) {
	p := Past{Number: i.Number, Subject: i.Subject, At: i.SentAt()}
	counts, err := tx.LettersByState(ctx, []IssueID{i.ID})
	if err != nil {
		return p, err
	}
	y, err := tx.Tally(ctx, i.ID)
	if err != nil {
		return p, err
	}
	said, err := tx.Opinions(ctx, i.ID)
	p.Sent, p.Opened, p.Clicked, p.Left, p.Bounced, p.Good = counts[i.ID][Sent], y.PeopleOpened, y.PeopleClicked, y.Unsubscribed, y.Bounced, said[OpinionGood]
	return p, err
}

// ListStory is how the list of readers lives.
type ListStory struct {
	Days    []Day // every day, the oldest first
	Sources []SourceTally
}

const growthDays = 30

// ListStory reads thirty days of coming and going, and where readers come from.
func (s *Service) ListStory(ctx context.Context) (ListStory, error) {
	var l ListStory
	loc := s.place()
	now := s.opt.Now().In(loc)
	begin := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, loc).AddDate(0, 0, 1-growthDays)
	_, offset := now.Zone()
	err := s.view(ctx, func(tx Tx) error {
		days, err := tx.Growth(ctx, begin, time.Duration(offset)*time.Second)
		if err != nil {
			return err
		}
		known := map[string]Day{}
		for _, d := range days {
			known[DateShort(d.At, loc)] = d
		}
		l.Days = nil
		for n := range growthDays {
			at := begin.AddDate(0, 0, n)
			d := known[DateShort(at, loc)]
			d.At = at
			l.Days = append(l.Days, d)
		}
		l.Sources, err = tx.Sources(ctx, 12)
		return err
	})
	return l, err
}

// ExportLetters writes an issue's letters as CSV for a spreadsheet, and what each came to. It streams, a page at a time, and is written to
// the audit before the first line leaves.
func (s *Service) ExportLetters(ctx context.Context, actor string, number int, w io.Writer) error {
	i, err := s.Issue(ctx, number)
	if err != nil {
		return err
	}
	if err := s.update(ctx, func(tx Tx) error { return s.audit(ctx, tx, actor, "export", issueObject(i), "letters") }); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	if err := out.Write([]string{"email", "state", "reason", "attempts", "edition", "done_at", "opened_at", "clicked_at", "bounced_at", "reply"}); err != nil {
		return err
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.In(s.place()).Format("2006-01-02 15:04:05")
	}
	for f := (DeliveryFilter{Limit: 200}); ; {
		rows, more, err := s.Deliveries(ctx, number, f)
		if err != nil {
			return fmt.Errorf("export letters of issue %d: %w", number, err)
		}
		for _, d := range rows {
			cells := []string{d.Email, string(d.State), d.Reason, strconv.Itoa(d.Attempts), strconv.Itoa(d.Edition), at(d.DoneAt), at(d.OpenedAt), at(d.ClickedAt), at(d.BouncedAt), d.Reply}
			for n, c := range cells {
				cells[n] = safeCell(c)
			}
			if err := out.Write(cells); err != nil {
				return err
			}
			f.Cursor = int64(d.ID)
		}
		out.Flush()
		if err := out.Error(); err != nil || !more {
			return err
		}
	}
}

const (
	dayAfter  = 24 * time.Hour
	lateStory = 72 * time.Hour // a house that was off this long has nothing new to tell
)

// TellStories mails the owner what became of an issue, a day after it began to leave. Once per issue, whoever asks.
func (s *Service) TellStories(ctx context.Context) error {
	now := s.opt.Now()
	due, err := get(ctx, s, func(tx Tx) (due []Issue, err error) {
		list, err := tx.Issues(ctx, IssueFilter{Public: true, Limit: 10})
		for _, i := range list {
			if age := now.Sub(i.PreparedAt); !i.Archived && !i.PreparedAt.IsZero() && age >= dayAfter && age < lateStory {
				if told, err := tx.LastTaken(ctx, storyName(i)); err != nil {
					return nil, err
				} else if told.IsZero() {
					due = append(due, i)
				}
			}
		}
		return due, err
	})
	if err != nil {
		return err
	}
	for _, i := range due {
		st, err := s.Story(ctx, i.Number)
		if err != nil {
			return err
		}
		if err := s.update(ctx, func(tx Tx) error { return s.tellStory(ctx, tx, st) }); err != nil {
			return fmt.Errorf("tell the story of issue %d: %w", i.Number, err)
		}
	}
	return nil
}

func storyName(i Issue) string { return fmt.Sprintf("story:%d", i.ID) }

func (s *Service) tellStory(ctx context.Context, tx Tx, st Story) error {
	now := s.opt.Now()
	n, err := tx.Take(ctx, storyName(st.Issue), 10*lateStory, now)
	if err != nil || n != 1 { // another node was faster
		return err
	}
	house, err := s.house(ctx, tx)
	if err != nil {
		return err
	}
	return s.alertOwners(ctx, tx, fmt.Sprintf("%d호를 보낸 지 하루가 지났어요", st.Issue.Number), strings.Join(st.lines(), "\n"),
		fmt.Sprintf("%s/admin/issues/%d/report", house.BaseURL, st.Issue.Number), now)
}

func percent(n, of int64) string {
	if of == 0 {
		return "0%"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(of))
}

// lines say a story in a letter.
func (st Story) lines() []string {
	p := st.Past[0]
	out := []string{
		st.Issue.Subject,
		fmt.Sprintf("%s명 가운데 %s통을 서버가 받았고, %s통이 돌아왔어요.", Thousands(st.Recipients), Thousands(p.Sent), Thousands(p.Bounced)),
	}
	if st.Issue.Tracking {
		out = append(out, fmt.Sprintf("열어 본 사람(추정) %s명(%s), 링크를 누른 사람 %s명(%s).", Thousands(p.Opened), percent(p.Opened, p.Sent), Thousands(p.Clicked), percent(p.Clicked, p.Sent)))
		if len(st.Past) > 1 && st.Past[1].Sent > 0 {
			was := st.Past[1]
			out = append(out, fmt.Sprintf("지난 %d호는 열람 %s, 클릭 %s였어요.", was.Number, percent(was.Opened, was.Sent), percent(was.Clicked, was.Sent)))
		}
		for n, l := range st.Links {
			if n < 3 && l.People > 0 {
				out = append(out, fmt.Sprintf("%d. %s — %s명", n+1, l.URL, Thousands(l.People)))
			}
		}
	}
	out = append(out, fmt.Sprintf("좋았어요 %d명, 아쉬워요 %d명, 수신거부 %d명.", st.Opinions[OpinionGood], st.Opinions[OpinionBad], p.Left))
	for _, v := range st.Providers {
		if v.Low {
			out = append(out, fmt.Sprintf("%s에서 열어 본 사람이 여느 때의 절반보다 적어요. 스팸함으로 갔을 수 있어요.", v.Domain))
		}
	}
	return out
}

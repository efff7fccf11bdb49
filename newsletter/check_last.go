package newsletter

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What an issue must not repeat of those before it.

const issuesBefore = 10 // are compared

// sentBefore lists the issues before one that went out or are about to, the newest first.
func sentBefore(ctx context.Context, tx Tx, i Issue) ([]Issue, error) {
	list, err := tx.Issues(ctx, IssueFilter{Limit: 3 * issuesBefore})
	if err != nil {
		return nil, fmt.Errorf("list issues before %d: %w", i.Number, err)
	}
	list = slices.DeleteFunc(list, func(o Issue) bool {
		return o.ID == i.ID || o.State == IssueDraft || o.State == IssueCancelled && o.PreparedAt.IsZero()
	})
	return list[:min(len(list), issuesBefore)], nil
}

func (s *Service) checkLast(ctx context.Context, tx Tx, i Issue) (out []Check, err error) {
	before, err := sentBefore(ctx, tx, i)
	if err != nil || len(before) == 0 {
		return nil, err
	}
	out = append(repeated(i, before), s.sameDay(before)...)
	return append(out, s.stale(i, before[0])...), nil
}

// repeated names links and articles that an issue before carried.
func repeated(i Issue, before []Issue) (out []Check) {
	links, articles := map[string]int{}, map[string]int{}
	for _, b := range before {
		for _, l := range b.Links {
			if k := LinkKey(l.URL); links[k] == 0 {
				links[k] = b.Number
			}
		}
		for _, a := range b.Content.Articles {
			if articles[a] == 0 {
				articles[a] = b.Number
			}
		}
	}
	for n, l := range i.Links {
		if was := links[LinkKey(l.URL)]; was != 0 {
			out = append(out, Check{"warn", "repeated_link", fmt.Sprintf("links[%d].url", n), fmt.Sprintf("%d호에 실은 링크예요: %s", was, firstText(l.Title, l.URL))})
		}
	}
	for n, a := range i.Content.Articles {
		if was := articles[a]; was != 0 {
			out = append(out, Check{"warn", "repeated_article", fmt.Sprintf("articles[%d]", n), fmt.Sprintf("%d호에 실은 아티클이에요: %s", was, a)})
		}
	}
	return out
}

func firstText(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// sameDay finds another issue of today, in the house's place.
func (s *Service) sameDay(before []Issue) (out []Check) {
	loc := s.place()
	today := DateShort(s.opt.Now(), loc)
	for _, b := range before {
		at, done := b.SentAt(), "이미 보냈어요"
		if b.State == IssueScheduled {
			at, done = b.ScheduledAt, "보내기로 했어요"
		}
		if !b.Archived && DateShort(at, loc) == today {
			out = append(out, Check{"warn", "same_day", "", fmt.Sprintf("오늘 %d호를 %s. 하루에 두 통은 많을 수 있어요.", b.Number, done)})
		}
	}
	return out
}

func (s *Service) place() *time.Location {
	if s.opt.Location == nil {
		return time.UTC
	}
	return s.opt.Location
}

var numberInSubject = regexp.MustCompile(`(?:제\s*|#|[Vv]ol\.?\s*|[Nn]o\.?\s*)?(\d{1,6})\s*호|(?:#|[Vv]ol\.?\s*|[Nn]o\.?\s*)(\d{1,6})`)

// stale finds what was left over from the issue before: its texts, its number, its date.
func (s *Service) stale(i, last Issue) (out []Check) {
	warn := func(code, field, text string) { out = append(out, Check{"warn", code, field, text}) }
	if withoutAdLabel(i.Subject) == withoutAdLabel(last.Subject) {
		warn("same_subject", "subject", fmt.Sprintf("제목이 %d호와 똑같아요.", last.Number))
	}
	for _, m := range numberInSubject.FindAllStringSubmatch(i.Subject, -1) {
		if n := firstText(m[1], m[2]); n == fmt.Sprint(last.Number) && last.Number != i.Number {
			warn("old_number", "subject", fmt.Sprintf("제목에 지난 호의 번호(%s)가 남아 있어요. 이번은 %d호예요.", n, i.Number))
		}
	}
	if at := last.SentAt(); !at.IsZero() {
		at = at.In(s.place())
		for _, layout := range []string{"1월 2일", "2006.01.02", "2006-01-02", "1/2", "01/02"} {
			day := at.Format(layout)
			if DateShort(at, s.place()) != DateShort(s.opt.Now(), s.place()) && standsIn(i.Subject, day) {
				warn("old_date", "subject", "제목에 지난 호의 날짜("+day+")가 남아 있어요.")
				break
			}
		}
	}
	for _, f := range []struct{ name, field, is, was string }{{"인사말", "intro", i.Intro, last.Intro}, {"마무리", "outro", i.Outro, last.Outro}, {"협찬", "sponsor", i.Sponsor, last.Sponsor}} {
		if text := strings.TrimSpace(f.is); text != "" && text == strings.TrimSpace(f.was) {
			warn("same_text", f.field, fmt.Sprintf("%s이 %d호와 똑같아요. 고치는 것을 잊지 않았나요?", particleFree(f.name), last.Number))
		}
	}
	return out
}

// particleFree names a field so that 이 can follow.
func particleFree(name string) string {
	if name == "마무리" {
		return "마무리 글"
	}
	return name
}

// standsIn finds a date that is not a part of a longer number: 1월 2일 is not in 11월 2일.
func standsIn(text, day string) bool {
	for at := 0; ; {
		n := strings.Index(text[at:], day)
		if n < 0 {
			return false
		}
		begin, end := at+n, at+n+len(day)
		digit := func(b byte) bool { return b >= '0' && b <= '9' }
		if (begin == 0 || !digit(text[begin-1])) && (end == len(text) || !digit(text[end])) {
			return true
		}
		at = end
	}
}

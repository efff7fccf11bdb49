package newsletter

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Mail services judge a domain by what it sends: thousands of letters at once from one that nobody knows end in the spam
// folder. Such an issue may go out in daily portions, each twice the one before, to the most active readers first, whose
// opening and clicking is what makes a domain known. It is proposed (a warning of the check, a choice on the send page) and never done by itself.
const (
	warmUpBelow  = 1000 // letters sent by a domain: below it is new, and an audience beyond it is large
	mostPortions = 5
	portionGap   = 24 * time.Hour
)

// proposedPortions is in how many days an audience is written to for the first time, 1 for a small one.
func proposedPortions(recipients int64) int {
	switch {
	case recipients <= warmUpBelow:
		return 1
	case recipients <= 3*warmUpBelow:
		return 3
	case recipients <= 10*warmUpBelow:
		return 4
	}
	return mostPortions
}

// PortionSizes splits an audience: each portion is twice the one before.
func PortionSizes(recipients int64, portions int) []int64 {
	sizes, before := make([]int64, max(portions, 1)), int64(0)
	for n := range sizes {
		upTo := recipients * (1<<(n+1) - 1) / (1<<len(sizes) - 1)
		sizes[n], before = upTo-before, upTo
	}
	return sizes
}

// lastPortion is when the last letters of an issue begin to go, zero for one that has not begun.
func (i Issue) lastPortion() time.Time {
	if i.AcceptedAt.IsZero() {
		return time.Time{}
	}
	return i.AcceptedAt.Add(time.Duration(max(i.Portions, 1)-1) * portionGap)
}

// putOff gives the letters of an issue in portions their days. Nobody claims them before the issue is sending.
func putOff(ctx context.Context, tx Tx, i Issue) error {
	upTo, sizes := int64(0), PortionSizes(i.Recipients, i.Portions)
	for day := 1; day < len(sizes); day++ {
		upTo += sizes[day-1]
		if err := tx.DeferBehind(ctx, i.ID, upTo, i.AcceptedAt.Add(time.Duration(day)*portionGap)); err != nil {
			return fmt.Errorf("put off portion %d: %w", day+1, err)
		}
	}
	return nil
}

// WarmUp proposes in how many days an issue should go out; 1 when its domain is known or its audience small.
func (s *Service) WarmUp(ctx context.Context, number int) (int, error) {
	return get(ctx, s, func(tx Tx) (int, error) {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return 0, err
		}
		n, err := countAudience(ctx, tx, i)
		if err != nil {
			return 0, err
		}
		snap, err := s.snapshot(ctx, tx, i, VariantWhole)
		if err != nil {
			return 0, err
		}
		return warmUp(ctx, tx, fromDomain(snap), n.Recipients)
	})
}

func fromDomain(snap Snapshot) string {
	_, domain, _ := strings.Cut(strings.ToLower(snap.House.From), "@")
	return domain
}

func warmUp(ctx context.Context, tx Tx, domain string, recipients int64) (int, error) {
	portions := proposedPortions(recipients)
	if portions == 1 {
		return 1, nil
	}
	issues, err := tx.IssuesIn(ctx, IssueSending, IssuePaused, IssueDone, IssueCancelled)
	if err != nil {
		return 0, fmt.Errorf("list issues sent: %w", err)
	}
	var sent int64
	for n := len(issues) - 1; n >= 0 && sent < warmUpBelow; n-- { // the newest first: of a house that sends regularly one will do
		if issues[n].Archived {
			continue
		}
		editions, err := tx.Editions(ctx, issues[n].ID)
		if err != nil {
			return 0, fmt.Errorf("editions of issue %d: %w", issues[n].Number, err)
		}
		if len(editions) == 0 || fromDomain(editions[0].Snapshot) != domain {
			continue
		}
		more, err := tx.CountSentUpTo(ctx, issues[n].ID, warmUpBelow)
		if err != nil {
			return 0, err
		}
		sent += more
	}
	if sent >= warmUpBelow {
		return 1, nil
	}
	return portions, nil
}

// checkWarmUp warns of an issue that is to go out at once from a new domain, and of portions that would expire.
func checkWarmUp(ctx context.Context, tx Tx, i Issue, domain string, recipients int64, now time.Time) (out []Check, err error) {
	if i.Portions > 1 {
		begin := now
		if i.ScheduledAt.After(now) {
			begin = i.ScheduledAt
		}
		if last := begin.Add(time.Duration(i.Portions-1) * portionGap); !i.ExpiresAt.IsZero() && !i.ExpiresAt.After(last) {
			out = append(out, Check{"block", "portions_expire", "portions", fmt.Sprintf("%d일에 나눠 보내면 마지막 날 전에 기한이 끝나요. 기한을 늦추거나 더 적은 날로 나눠 주세요.", i.Portions)})
		}
		return out, nil
	}
	portions, err := warmUp(ctx, tx, domain, recipients)
	if err != nil || portions == 1 {
		return nil, err
	}
	return []Check{{"warn", "warm_up", "portions", fmt.Sprintf("%s에서 보낸 편지가 아직 %s통이 안 돼요. 한꺼번에 보내면 스팸함으로 가기 쉬우니, %d일에 나눠 %s명씩 많이 읽는 분부터 보내 보세요.",
		domain, Thousands(warmUpBelow), portions, sizesText(PortionSizes(recipients, portions)))}}, nil
}

func sizesText(sizes []int64) string {
	texts := make([]string, len(sizes))
	for n, size := range sizes {
		texts[n] = Thousands(size)
	}
	return strings.Join(texts, "·")
}

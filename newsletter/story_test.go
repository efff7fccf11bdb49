package newsletter_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

// What became of an issue: hits by the hour with the reason for each verdict, providers against their usual, those before it; and one letter a day later.
func TestTheStoryOfAnIssue(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		_, err := k.CreateAdmin(ctx, "cli", "owner@example.kr", newsletter.Owner, "오늘도 편지를 씁니다")
		k.must(err)
		number, letters := k.sendTracked(false, "a@example.com", "b@example.com", "c@example.org")
		k.must(k.Advance(ctx))
		hit := func(l newsletter.Claimed, machine bool) {
			k.CountHit(newsletter.Hit{Delivery: newsletter.DeliveryID(l.ID), At: k.clock.Now(), Machine: machine})
		}
		k.clock.add(2 * time.Second)
		hit(letters[0], false) // so soon: a scanner
		k.clock.add(90 * time.Minute)
		hit(letters[1], false)
		hit(letters[2], true)
		k.click(letters[1].ID, k.links(number)[2].ID)
		k.must(k.FlushHits(ctx))
		st, err := k.Story(ctx, number)
		k.must(err)
		if len(st.Hours) != 24 || st.Hours[0].MachineOpens != 1 || st.Hours[1].Opens != 1 || st.Hours[1].Clicks != 1 || st.Hours[1].MachineOpens != 1 {
			t.Errorf("the hours are %+v", st.Hours[:3])
		}
		why := map[string]int64{}
		for _, v := range st.Verdicts {
			why[v.Why] += v.N
		}
		if why[""] != 2 || why[newsletter.WhySoon] != 1 || why[newsletter.WhyAgent] != 1 {
			t.Errorf("the verdicts are %v", why)
		}
		if len(st.Providers) != 2 || st.Providers[0].Domain != "example.com" || st.Providers[0].Sent != 2 || st.Providers[0].Opened != 2 || st.Providers[0].Usual >= 0 {
			t.Errorf("the providers are %+v", st.Providers)
		}
		if len(st.Past) != 1 || st.Past[0].Sent != 3 || st.Past[0].Opened != 1 || st.Past[0].Clicked != 1 {
			t.Errorf("the comparison is %+v", st.Past)
		}
		var csv strings.Builder
		k.must(k.ExportLetters(ctx, "admin:1", number, &csv))
		if lines := strings.Split(strings.TrimSpace(csv.String()), "\n"); len(lines) != 4 || !strings.HasPrefix(lines[0], "\uFEFFemail,state") || !strings.Contains(lines[1], "a@example.com,sent") {
			t.Errorf("the file is %q", csv.String())
		}
		k.must(k.TellStories(ctx))
		if n := len(k.notices(newsletter.NoticeAlert)); n != 0 {
			t.Errorf("%d letters came before the day was over", n)
		}
		k.clock.add(24 * time.Hour)
		k.must(k.TellStories(ctx))
		k.clock.add(time.Hour)
		k.must(k.TellStories(ctx))
		told := k.notices(newsletter.NoticeAlert)
		if len(told) != 1 || !strings.Contains(told[0].Payload.Subject, "하루가 지났어요") || !strings.Contains(told[0].Payload.Text, "3통을 서버가 받았고") {
			t.Errorf("the editor was told %+v", told)
		}
	})
}

// Days of coming and going are those of the house's place.
func TestTheListStory(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		k.addActive("a@example.com")
		k.clock.add(24 * time.Hour)
		k.addActive("b@example.com")
		l, err := k.ListStory(t.Context())
		k.must(err)
		if len(l.Days) != 30 || l.Days[29].Joined != 1 || l.Days[28].Joined != 1 || slices.ContainsFunc(l.Days[:28], func(d newsletter.Day) bool { return d.Joined > 0 }) {
			t.Errorf("the days are %+v", l.Days[26:])
		}
		if len(l.Sources) != 1 || l.Sources[0].N != 2 {
			t.Errorf("the sources are %+v", l.Sources)
		}
	})
}

package newsletter

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Check is one finding about an issue before it is sent. A block stops the send, a warn is the editor's to weigh.
type Check struct {
	Level string `json:"level"` // block, warn, ok
	Code  string `json:"code"`
	Field string `json:"field"` // the form field to mend it in, "" for the settings
	Text  string `json:"text"`
}

// Limits of the decoded HTML part. Gmail clips a letter at 102 KB.
const (
	letterWarn  = 80 << 10
	letterBlock = 100 << 10
)

// mergeTag finds what looks like a merge tag; {이름|독자} and $%name%$ are the ones that are understood.
var mergeTag = regexp.MustCompile(`\{[^{}\s]{1,30}\}|\$%[^%\s]{1,30}%\$`)

var (
	mergeTagKnown = regexp.MustCompile(`^(?:\{이름(?:\|[^{}|]{0,40})?\}|\$%name%\$)$`)
	withoutAlt    = regexp.MustCompile(`!\[\s*\]\(`)
	emptyLink     = regexp.MustCompile(`\[[^\]]*\]\(\s*#?\s*\)`)
)

// checkTags finds merge tags that would reach readers as they stand.
func checkTags(field, text string) (out []Check) {
	for _, tag := range mergeTag.FindAllString(text, -1) {
		if !mergeTagKnown.MatchString(tag) {
			out = append(out, Check{"warn", "merge_tag", field, "모르는 치환자가 있어요: " + tag})
		}
	}
	return out
}

// fieldOf is where an address of the letter stands.
func (i Issue) fieldOf(address string) string {
	for n, l := range i.Links {
		if l.URL == address {
			return fmt.Sprintf("links[%d].url", n)
		}
	}
	for _, f := range []struct{ field, text string }{{"intro", i.Intro}, {"sponsor", i.Sponsor}, {"outro", i.Outro}} {
		if strings.Contains(f.text, address) {
			return f.field
		}
	}
	return "articles"
}

// checkMarkdown finds what readers with pictures off, and those who click, would miss.
func checkMarkdown(field, text string) (out []Check) {
	if n := len(withoutAlt.FindAllString(text, -1)); n > 0 {
		out = append(out, Check{"warn", "alt", field, fmt.Sprintf("대체 텍스트가 없는 그림이 %d개 있어요. 그림을 끄고 읽는 분이 많아요.", n)})
	}
	for _, link := range emptyLink.FindAllString(text, -1) {
		out = append(out, Check{"block", "empty_link", field, "주소가 빈 링크가 있어요: " + link})
	}
	return out
}

func withoutAdLabel(subject string) string {
	return strings.TrimSpace(strings.TrimPrefix(subject, AdLabel))
}

// CheckIssue lists everything worth mending before the issue is sent; an "ok" line when there is nothing.
func (s *Service) CheckIssue(ctx context.Context, number int) ([]Check, error) {
	return get(ctx, s, func(tx Tx) ([]Check, error) {
		i, err := tx.Issue(ctx, number)
		if err != nil {
			return nil, err
		}
		return s.check(ctx, tx, i)
	})
}

func (s *Service) check(ctx context.Context, tx Tx, i Issue) ([]Check, error) {
	snap, err := s.snapshot(ctx, tx, i, VariantWhole)
	if err != nil {
		return nil, err
	}
	out := append(checkContent(i), checkHouse(i, snap.House)...)
	rest, err := tx.HouseRest(ctx)
	if err != nil {
		return nil, fmt.Errorf("read whether the house rests: %w", err)
	}
	out = append(out, s.checkRest(rest)...)
	for _, slug := range i.Content.Articles {
		a, err := tx.Article(ctx, slug)
		if err != nil {
			return nil, err
		}
		if a.Status != ArticlePublished {
			out = append(out, Check{"block", "article_draft", "articles", "아직 발행하지 않은 아티클이 있어요: " + a.Title})
		}
		out = append(out, checkTags("articles", a.Body)...)
		out = append(out, checkMarkdown("articles", a.Body)...)
	}
	for _, look := range []func() ([]Check, error){
		func() ([]Check, error) { return s.checkLast(ctx, tx, i) },
		func() ([]Check, error) { return s.checkDead(ctx, tx, i, snap) },
		func() ([]Check, error) { return s.checkLetter(snap) },
	} {
		found, err := look()
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	if s.opt.Sender != nil {
		out = append(out, s.opt.Sender()...)
	}
	n, err := countAudience(ctx, tx, i)
	if err != nil {
		return nil, err
	}
	if n.Recipients == 0 {
		out = append(out, Check{"block", "empty_audience", "audience", "받을 사람이 없어요. 받는 사람 조건을 확인해 주세요."})
	}
	warm, err := checkWarmUp(ctx, tx, i, fromDomain(snap), n.Recipients, s.opt.Now())
	if err != nil {
		return nil, err
	}
	out = append(out, warm...)
	if len(out) == 0 {
		out = []Check{{"ok", "ready", "", "보낼 준비가 됐어요."}}
	}
	slices.SortStableFunc(out, func(a, b Check) int { return strings.Compare(a.Level, b.Level) }) // block, ok, warn
	return out, nil
}

func checkContent(i Issue) (out []Check) {
	if i.Subject == "" {
		out = append(out, Check{"block", "no_subject", "subject", "제목이 비어 있어요."})
	}
	if strings.TrimSpace(i.Intro+i.Outro+i.Sponsor) == "" && len(i.Links) == 0 && len(i.Content.Articles) == 0 {
		out = append(out, Check{"block", "empty", "intro", "본문이 비어 있어요."})
	}
	if len([]rune(i.Subject)) > 50 {
		out = append(out, Check{"warn", "long_subject", "subject", "제목이 50자를 넘으면 받은편지함에서 잘려 보여요."})
	}
	if i.Preheader == "" {
		out = append(out, Check{"warn", "no_preheader", "preheader", "미리보기 글이 없으면 본문 첫 줄이 보여요."})
	}
	for n, l := range i.Links {
		if l.Title == "" {
			out = append(out, Check{"warn", "link_title", fmt.Sprintf("links[%d].title", n), "제목이 없는 링크가 있어요: " + l.URL})
		}
	}
	for _, f := range []struct{ field, text string }{
		{"subject", i.Subject}, {"preheader", i.Preheader}, {"intro", i.Intro}, {"sponsor", i.Sponsor}, {"outro", i.Outro},
	} {
		out = append(out, checkTags(f.field, f.text)...)
		out = append(out, checkMarkdown(f.field, f.text)...)
	}
	if i.Kind == KindInfo {
		if words := AdWords(strings.Join([]string{i.Subject, i.Intro, i.Sponsor, i.Outro}, "\n")); len(words) > 0 {
			out = append(out, Check{"warn", "ad_words", "kind", "광고로 보일 수 있는 말이 있어요: " + strings.Join(words, ", ") + ". 광고라면 종류를 바꿔 주세요."})
		}
		if i.Sponsor != "" {
			out = append(out, Check{"warn", "sponsor_in_info", "kind", "협찬 상자가 있으면 보통 광고 호예요."})
		}
	}
	return out
}

func checkHouse(i Issue, h House) (out []Check) {
	if missing := h.Legal.Missing(); len(missing) > 0 {
		level := "warn"
		if i.Kind == KindAd {
			level = "block" // 정보통신망법 시행령 별표 6
		}
		out = append(out, Check{level, "legal", "", "사업자 정보가 비어 있어요: " + strings.Join(missing, ", ")})
	}
	if h.From == "" {
		out = append(out, Check{"block", "no_from", "", "보내는 주소(TECHISSUE_FROM)가 없어요."})
	}
	return out
}

var (
	ignoredByMail = regexp.MustCompile(`(?i)<(?:svg|form|script|video|iframe|object)\b|display:\s*(?:flex|grid)|position:\s*(?:absolute|fixed|sticky)|background-image`)
	letterPicture = regexp.MustCompile(`<img [^>]*>`)
)

// checkLetter looks at the letter as it would leave.
func (s *Service) checkLetter(snap Snapshot) (out []Check, err error) {
	if s.opt.Renderer == nil {
		return nil, nil
	}
	html, text, err := s.opt.Renderer.RenderIssue(snap, "")
	if err != nil {
		return nil, fmt.Errorf("render for the check: %w", err)
	}
	if strings.Count(html, "수신거부") < 2 { // 정보통신망법 §50④: easy to find, at the top and in the footer
		out = append(out, Check{"block", "opt_out", "", "편지 위와 아래에 수신거부 링크가 있어야 해요."})
	}
	if strings.TrimSpace(text) == "" {
		out = append(out, Check{"block", "no_text", "intro", "글자만 있는 편지(텍스트 파트)가 비어 있어요."})
	}
	if found := ignoredByMail.FindString(html); found != "" {
		out = append(out, Check{"warn", "css", "", "메일 프로그램이 무시하는 꾸밈이 있어요: " + found})
	}
	for _, img := range letterPicture.FindAllString(html, -1) {
		if !strings.Contains(img, " width=") {
			out = append(out, Check{"warn", "img_width", "articles", "너비가 없는 그림이 있어요. 아웃룩에서 아주 크게 보일 수 있어요."})
			break
		}
	}
	return append(out, checkSize(html, snap)...), nil
}

func checkSize(html string, snap Snapshot) []Check {
	size := len(html)
	if snap.Tracking { // a counted link is about as long as this
		size += strings.Count(html, `href="`) * (len(snap.House.BaseURL) + 50)
	}
	switch {
	case size > letterBlock:
		return []Check{{"block", "size", "", fmt.Sprintf("편지가 너무 커요(%d KB). 지메일은 102 KB에서 잘라요.", size>>10)}}
	case size > letterWarn:
		return []Check{{"warn", "size", "", fmt.Sprintf("편지가 커요(%d KB). 지메일은 102 KB에서 잘라요.", size>>10)}}
	}
	return nil
}

// blockers are the checks that stop a send, as Faults.
func blockers(checks []Check) error {
	var faults Faults
	for _, c := range checks {
		if c.Level == "block" {
			faults = append(faults, &Error{Kind: Invalid, Field: c.Field, Code: c.Code, Msg: c.Text})
		}
	}
	return faults.Err()
}

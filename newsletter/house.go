package newsletter

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// settingNames are the settings that the admin may change, with the field of the house each one overrides.
var settingNames = map[string]func(*House) *string{
	"site_name":            func(h *House) *string { return &h.SiteName },
	"tagline":              func(h *House) *string { return &h.Tagline },
	"author":               func(h *House) *string { return &h.Author },
	"author_line":          func(h *House) *string { return &h.AuthorLine },
	"from_name":            func(h *House) *string { return &h.FromName },
	"comment_words":        func(h *House) *string { return &h.CommentWords },
	"logo":                 func(h *House) *string { return &h.Logo },
	"accent":               func(h *House) *string { return &h.Accent },
	"naver_verification":   func(h *House) *string { return &h.NaverVerification },
	"google_verification":  func(h *House) *string { return &h.GoogleVerification },
	"tracking_off":         func(h *House) *string { return &h.TrackingOff },
	"undo_seconds":         func(h *House) *string { return &h.UndoSeconds },
	"indexnow":             func(h *House) *string { return &h.IndexNow },
	"share_naver":          func(h *House) *string { return &h.ShareNaver },
	"legal_name":           func(h *House) *string { return &h.Legal.Name },
	"legal_representative": func(h *House) *string { return &h.Legal.Representative },
	"legal_address":        func(h *House) *string { return &h.Legal.Address },
	"legal_phone":          func(h *House) *string { return &h.Legal.Phone },
	"legal_email":          func(h *House) *string { return &h.Legal.Email },
}

var logoSign = regexp.MustCompile(`^[A-Za-z0-9_-]+\.(?:png|jpg|gif) ([1-9][0-9]{0,3})x([1-9][0-9]{0,3})$`)

// Logo is a picture of the library that stands for the house.
type Logo struct {
	Path          string // "" for none
	Width, Height int
}

// Sign reads the setting, which is the picture's name and its size: "abc.png 360x120".
func (h House) Sign() Logo {
	m := logoSign.FindStringSubmatch(h.Logo)
	if m == nil {
		return Logo{}
	}
	name, _, _ := strings.Cut(h.Logo, " ")
	w, _ := strconv.Atoi(m[1])
	height, _ := strconv.Atoi(m[2])
	return Logo{"/media/" + name, w, height}
}

var accentColour = regexp.MustCompile(`^#[0-9a-f]{6}$`)

// SettingNames lists the admin's settings in alphabetical order.
func SettingNames() []string {
	names := make([]string, 0, len(settingNames))
	for n := range settingNames {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// House is who sends: the environment's values where the admin has set nothing.
func (s *Service) House(ctx context.Context) (House, error) {
	return get(ctx, s, func(tx Tx) (House, error) { return s.house(ctx, tx) })
}

func (s *Service) house(ctx context.Context, tx Tx) (House, error) {
	h := s.opt.House
	set, err := tx.Settings(ctx)
	if err != nil {
		return House{}, fmt.Errorf("read settings: %w", err)
	}
	for name, field := range settingNames {
		if v := set[name]; v != "" {
			*field(&h) = v
		}
	}
	if h.MailLeave == "" && h.Bounce != "" {
		// Nothing in the settings tells of a pipe: it shows by what it brings.
		piped, err := s.pipeBrings(ctx, tx)
		if err != nil {
			return House{}, err
		}
		if piped {
			h.MailLeave = h.Bounce
		}
	}
	return h, nil
}

const maxUndo = 1800 // seconds

// UndoTime is how long a send can be taken back: 30 seconds, or what the admin has set.
func (h House) UndoTime() time.Duration {
	if n, err := strconv.Atoi(h.UndoSeconds); err == nil {
		return time.Duration(min(max(n, 0), maxUndo)) * time.Second
	}
	return 30 * time.Second
}

// Settings returns the effective value of each of the admin's settings.
func (s *Service) Settings(ctx context.Context) (map[string]string, error) {
	h, err := s.House(ctx)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(settingNames))
	for name, field := range settingNames {
		values[name] = *field(&h)
	}
	return values, nil
}

// PutSettings changes the named settings, all or none. Faults name unknown ones and values with control characters.
func (s *Service) PutSettings(ctx context.Context, actor string, values map[string]string) error {
	var faults Faults
	clean := make(map[string]string, len(values))
	for name, v := range values {
		if settingNames[name] == nil {
			faults = append(faults, invalid(name, "모르는 설정이에요."))
			continue
		}
		line, err := CleanLine(v, 300)
		if err != nil {
			faults = append(faults, invalid(name, "줄바꿈이나 제어 문자는 쓸 수 없어요. 300자까지 쓸 수 있어요."))
			continue
		}
		if name == "tracking_off" && line != "" && line != "on" {
			faults = append(faults, invalid(name, "on이나 빈 값을 적어 주세요."))
			continue
		}
		if n, err := strconv.Atoi(line); name == "undo_seconds" && line != "" && (err != nil || n < 0 || n > maxUndo) {
			faults = append(faults, invalid(name, "0에서 1,800 사이의 초로 적어 주세요."))
			continue
		}
		clean[name] = line
	}
	if l := clean["logo"]; l != "" && !logoSign.MatchString(l) {
		faults = append(faults, invalid("logo", "로고는 설정 › 브랜드에서 올려 주세요."))
	}
	if a, set := clean["accent"]; set {
		if clean["accent"] = strings.ToLower(a); a != "" && !accentColour.MatchString(clean["accent"]) {
			faults = append(faults, invalid("accent", "색은 #과 여섯 자리 숫자·영문(a–f)으로 적어 주세요. 예: #0b5c9e"))
		}
	}
	if on := clean["share_naver"]; on != "" && on != "on" {
		faults = append(faults, invalid("share_naver", "켜려면 on, 끄려면 빈 값이에요."))
	}
	if at := clean["indexnow"]; at != "" {
		if u, err := url.Parse(at); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			faults = append(faults, invalid("indexnow", "https:// 로 시작하는 주소여야 해요. 예: https://searchadvisor.naver.com/indexnow"))
		}
	}
	if err := faults.Err(); err != nil {
		return err
	}
	names := make([]string, 0, len(clean))
	for name := range clean {
		names = append(names, name)
	}
	slices.Sort(names)
	return s.update(ctx, func(tx Tx) error {
		for _, name := range names {
			if err := tx.PutSetting(ctx, name, clean[name], s.opt.Now()); err != nil {
				return fmt.Errorf("put setting %s: %w", name, err)
			}
		}
		if err := s.audit(ctx, tx, actor, "settings", "house", strings.Join(names, ", ")); err != nil {
			return err
		}
		return tx.BumpRevision(ctx)
	})
}

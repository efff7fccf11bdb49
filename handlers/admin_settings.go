package handlers

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
)

// settingField is one line of the settings form.
type settingField struct {
	Name, Label, Hint, Value, Complete string
	Tick                               bool // on or nothing
}

// settingFields in the order in which people think of them; newsletter.SettingNames holds the same set, which a test sees to.
var settingFields = []struct {
	heading, text string
	fields        []settingField
}{
	{"사이트", "사이트와 편지 맨 위에 보여요.", []settingField{
		{Name: "site_name", Label: "사이트 이름"}, {Name: "tagline", Label: "한 줄 소개"},
	}},
	{"글쓴이", "아티클과 편지의 글쓴이 카드예요.", []settingField{
		{Name: "author", Label: "이름"}, {Name: "author_line", Label: "한 줄 소개"},
	}},
	{"발신자", "받은편지함에 보이는 이름이에요. 보내는 주소는 서버 설정으로 정해져 있어요.", []settingField{
		{Name: "from_name", Label: "보내는 사람 이름"},
	}},
	{"열람과 클릭", "호마다 셀지 고를 수 있고, 여기에서는 모두 끌 수 있어요. 구독자도 저마다 거부할 수 있어요.", []settingField{
		{Name: "tracking_off", Label: "어떤 호에서도 열람과 클릭을 세지 않아요", Tick: true},
	}},
	{"되돌리기", "보내기를 누른 뒤 이만큼 기다려요. 그 전에는 되돌릴 수 있어요. 0초면 바로 나가요.", []settingField{
		{Name: "undo_seconds", Label: "기다리는 시간(초), 비우면 30초"},
	}},
	{"댓글", "적어 둔 낱말이 들어 있는 댓글은 확인한 뒤에 올라가요. 첫 댓글과 링크가 있는 댓글도 그래요.", []settingField{
		{Name: "comment_words", Label: "기다리게 할 낱말, 쉼표로 여러 개"},
	}},
	{"검색 등록", "네이버 서치어드바이저와 구글 서치 콘솔이 준 메타 태그에서 content 값만 붙여 넣어 주세요.", []settingField{
		{Name: "naver_verification", Label: "naver-site-verification"}, {Name: "google_verification", Label: "google-site-verification"},
		{Name: "indexnow", Label: "IndexNow 주소", Hint: "글을 발행하면 검색 엔진에 바로 알려요. 네이버는 https://searchadvisor.naver.com/indexnow 예요. 비우면 알리지 않아요."},
	}},
	{"공유", "링크 복사와 휴대폰의 공유하기는 늘 있어요. 카카오톡은 휴대폰의 공유하기로 보낼 수 있어요.", []settingField{
		{Name: "share_naver", Label: "아티클과 호 아래에 ‘네이버 공유’를 보여요", Tick: true},
	}},
	{"사업자 정보", "모든 편지의 맨 아래에 들어가요. 광고 호는 다섯 칸을 모두 채워야 보낼 수 있어요.", []settingField{
		{Name: "legal_name", Label: "상호", Complete: "organization"}, {Name: "legal_representative", Label: "대표"},
		{Name: "legal_address", Label: "주소", Complete: "street-address"}, {Name: "legal_phone", Label: "전화", Complete: "tel"},
		{Name: "legal_email", Label: "이메일", Complete: "email"},
	}},
}

type settingsView struct {
	Groups          []settingGroup
	Faults          faults
	From, Transport string
	BaseURL         string
}

type settingGroup struct {
	Heading, Text string
	Fields        []settingField
}

func (s *server) settings(c echo.Context) error {
	values, err := s.svc.Settings(c.Request().Context())
	if err != nil {
		return err
	}
	return s.showSettings(c, http.StatusOK, values, nil)
}

func (s *server) showSettings(c echo.Context, status int, values map[string]string, wrong faults) error {
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	v := settingsView{Faults: wrong, From: house.From, Transport: s.opt.Transport, BaseURL: s.baseURL}
	for _, g := range settingFields {
		group := settingGroup{Heading: g.heading, Text: g.text}
		for _, f := range g.fields {
			f.Value = values[f.Name]
			group.Fields = append(group.Fields, f)
		}
		v.Groups = append(v.Groups, group)
	}
	return s.deskPage(c, status, "admin/settings", "settings", "설정", v)
}

func (s *server) saveSettings(c echo.Context) error {
	values := map[string]string{}
	for _, g := range settingFields {
		for _, f := range g.fields {
			values[f.Name] = strings.TrimSpace(c.FormValue(f.Name))
		}
	}
	err := s.svc.PutSettings(c.Request().Context(), actorOf(c), values)
	if wrong, status, ok := faultsFrom(err); ok {
		return s.showSettings(c, status, values, wrong)
	}
	if err != nil {
		return err
	}
	return doneAt(c, "/admin/settings", "saved")
}

type keyRow struct {
	ID                         int64
	Name, Scopes               string
	CreatedAt, UsedAt, Expires time.Time
	Off                        string
}

type keysView struct {
	Keys          []keyRow
	Scopes        []choice
	Name, Expires string
	Fresh         string // the new key, shown this once
	FreshName     string
	Faults        faults
}

var scopeWords = map[newsletter.Scope]string{
	newsletter.ScopeAll: "모든 권한", newsletter.ScopeSubscribersRead: "구독자 보기", newsletter.ScopeSubscribersWrite: "구독자 고치기",
	newsletter.ScopeIssuesRead: "호 보기", newsletter.ScopeIssuesWrite: "호 쓰기", newsletter.ScopeIssuesSend: "호 보내기",
	newsletter.ScopeArticlesRead: "아티클 보기", newsletter.ScopeArticlesWrite: "아티클 쓰기", newsletter.ScopeLinksWrite: "링크 모으기",
	newsletter.ScopeSettingsRead: "설정 보기", newsletter.ScopeSettingsWrite: "설정 고치기",
}

func (s *server) keys(c echo.Context) error { return s.showKeys(c, http.StatusOK, keysView{}, nil) }

func (s *server) showKeys(c echo.Context, status int, v keysView, chosen []string) error {
	list, err := s.svc.Keys(c.Request().Context())
	if err != nil {
		return err
	}
	for _, k := range list {
		row := keyRow{ID: k.ID, Name: k.Name, CreatedAt: k.CreatedAt, UsedAt: k.LastUsedAt, Expires: k.ExpiresAt}
		words := make([]string, len(k.Scopes))
		for n, sc := range k.Scopes {
			words[n] = scopeWords[sc]
		}
		row.Scopes = strings.Join(words, ", ")
		switch {
		case !k.RevokedAt.IsZero():
			row.Off = "폐기함"
		case !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(s.now()):
			row.Off = "만료됨"
		}
		v.Keys = append(v.Keys, row)
	}
	picked := map[string]bool{}
	for _, sc := range chosen {
		picked[sc] = true
	}
	for _, sc := range newsletter.Scopes() {
		v.Scopes = append(v.Scopes, choice{Value: string(sc), Name: scopeWords[sc], On: picked[string(sc)]})
	}
	return s.deskPage(c, status, "admin/keys", "settings", "API 키", v)
}

// createKey shows the key on the page that answers, and nowhere else: no address carries it, no page is kept.
func (s *server) createKey(c echo.Context) error {
	form, err := c.FormParams()
	if err != nil {
		return err
	}
	v := keysView{Name: form.Get("name"), Expires: form.Get("expires")}
	var expires time.Time
	if v.Expires != "" {
		if expires, err = time.ParseInLocation(dayInput, v.Expires, s.loc); err != nil {
			v.Faults = faults{{Kind: newsletter.Invalid, Field: "expires", Msg: "날짜를 골라 주세요."}}
			return s.showKeys(c, http.StatusUnprocessableEntity, v, form["scope"])
		}
		expires = expires.AddDate(0, 0, 1).UTC() // to the end of that day
	}
	var scopes []newsletter.Scope
	for _, sc := range form["scope"] {
		scopes = append(scopes, newsletter.Scope(sc))
	}
	plain, k, err := s.svc.CreateKey(c.Request().Context(), actorOf(c), v.Name, scopes, expires)
	if wrong, status, ok := faultsFrom(err); ok {
		v.Faults = wrong
		return s.showKeys(c, status, v, form["scope"])
	}
	if err != nil {
		return err
	}
	return s.showKeys(c, http.StatusCreated, keysView{Fresh: plain, FreshName: k.Name}, nil)
}

func (s *server) revokeKey(c echo.Context) error {
	id, err := idParam(c)
	if err != nil {
		return err
	}
	if err := s.svc.RevokeKey(c.Request().Context(), actorOf(c), id); err != nil {
		return err
	}
	return doneAt(c, "/admin/settings/keys", "revoked")
}

type accountView struct {
	Email, Role string
	Sessions    []sessionRow
	Faults      faults
}

type sessionRow struct {
	Mark, Agent, IP string
	At, Seen        time.Time
	Here            bool
}

func (s *server) account(c echo.Context) error { return s.showAccount(c, http.StatusOK, nil) }

func (s *server) showAccount(c echo.Context, status int, wrong faults) error {
	who := adminOf(c)
	list, err := s.svc.Sessions(c.Request().Context(), who.ID)
	if err != nil {
		return err
	}
	v := accountView{Email: who.Email.String(), Role: map[newsletter.Role]string{newsletter.Owner: "소유자", newsletter.Editor: "편집자"}[who.Role], Faults: wrong}
	here, _ := c.Get(sessionKey).(newsletter.Session)
	for _, o := range list {
		v.Sessions = append(v.Sessions, sessionRow{o.Mark(), browserName(o.Agent), o.IP, o.CreatedAt, o.SeenAt, o.Hash == here.Hash})
	}
	return s.deskPage(c, status, "admin/account", "account", "내 계정", v)
}

// browserName makes a User-Agent readable, as far as that goes.
func browserName(agent string) string {
	pick := func(list ...[2]string) string {
		for _, p := range list {
			if strings.Contains(agent, p[0]) {
				return p[1]
			}
		}
		return ""
	}
	browser := pick([2]string{"Edg/", "Edge"}, [2]string{"SamsungBrowser", "삼성 인터넷"}, [2]string{"Whale/", "웨일"}, [2]string{"Firefox/", "Firefox"},
		[2]string{"Chrome/", "Chrome"}, [2]string{"Safari/", "Safari"})
	system := pick([2]string{"iPhone", "iPhone"}, [2]string{"iPad", "iPad"}, [2]string{"Android", "Android"}, [2]string{"Windows", "Windows"},
		[2]string{"Mac OS X", "Mac"}, [2]string{"Linux", "Linux"})
	switch {
	case browser == "":
		return "알 수 없는 브라우저"
	case system == "":
		return browser
	}
	return fmt.Sprintf("%s · %s", browser, system)
}

func (s *server) changePassword(c echo.Context) error {
	again := c.FormValue("again")
	var token string
	err := error(&newsletter.Error{Kind: newsletter.Invalid, Field: "again", Msg: "새 비밀번호 두 칸이 서로 달라요."})
	if c.FormValue("password") == again {
		token, err = s.svc.ChangePassword(c.Request().Context(), adminOf(c), c.FormValue("old"), c.FormValue("password"), c.RealIP(), c.Request().UserAgent())
	}
	if wrong, status, ok := faultsFrom(err); ok {
		for _, f := range wrong {
			if f.Field == "" {
				f.Field = "old"
			}
		}
		return s.showAccount(c, status, wrong)
	}
	if err != nil {
		return err
	}
	s.setCookie(c, sessionCookie, token, sessionLife, http.SameSiteLaxMode)
	return doneAt(c, "/admin/account", "password")
}

func (s *server) revokeSession(c echo.Context) error {
	if err := s.svc.RevokeSession(c.Request().Context(), adminOf(c).ID, c.Param("mark")); err != nil {
		return err
	}
	return doneAt(c, "/admin/account", "revoked")
}

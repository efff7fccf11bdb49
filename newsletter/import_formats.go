package newsletter

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// column is what a column of somebody's export means to us.
type column int

const (
	colNone column = iota
	colEmail
	colName
	colFirstName
	colLastName
	colStatus
	colTags
	colSource
	colJoined      // when they agreed to receive
	colConfirmed   // when they proved it
	colCreated     // when the row was made
	colUpdated     // ours alone
	colLeft        // when they left; any value means that they did
	colLeftReason  //
	colLeftFlag    // yes means that they left
	colKeptFlag    // no means that they left
	colCleaned     // when the address was given up; any value means that it was
	colAd          // yes means consent to advertising
	colAdAt        //
	colBounced     // ours: when the address was suppressed
	colSuppression // ours: why
	colPausedUntil // ours
	colNoTracking  // ours
)

// columnNames maps header cells, folded, to their meaning. It serves every format: a word means the same in all of
// them but for "status", whose values are told apart in statusOf.
var columnNames = func() map[string]column {
	names := map[string]column{}
	for col, words := range map[column]string{
		colEmail:       "email emailaddress mail mailaddress subscriberemail 이메일 이메일주소 메일 메일주소 전자우편 구독자이메일",
		colName:        "name fullname displayname subscribername 이름 성명 성함 닉네임 이름/회사명 구독자이름",
		colFirstName:   "firstname givenname",
		colLastName:    "lastname familyname surname",
		colStatus:      "status subscriptionstatus 상태 구독상태",
		colTags:        "tags labels groups 태그 그룹 라벨",
		colSource:      "source signupsource 추가경로 유입경로",
		colJoined:      "subscribedat optintime subscribedate subscribeddate 구독일 구독일시 구독신청일 동의일",
		colConfirmed:   "confirmedat confirmtime",
		colCreated:     "createdat creationdate createddate signupdate joinedat 가입일 등록일 추가일 생성일",
		colUpdated:     "updatedat",
		colLeft:        "unsubscribedat unsubtime unsubscribedate unsubscriptiondate deletedat 수신거부일 구독해지일 해지일 수신거부일시",
		colLeftReason:  "unsubscribereason unsubreason 구독해지사유 수신거부사유",
		colLeftFlag:    "unsubscribed emaildisabled optedout 수신거부 구독해지 수신거부여부",
		colKeptFlag:    "subscribedtoemails 수신동의 수신동의여부",
		colCleaned:     "cleantime",
		colAd:          "adconsent 광고성정보수신동의 광고성정보수신동의여부 광고수신동의 광고성정보동의",
		colAdAt:        "adconsentat 광고성정보수신동의일",
		colBounced:     "bouncedat customsuppressedat",
		colSuppression: "customsuppression",
		colPausedUntil: "custompauseduntil",
		colNoTracking:  "customnotracking",
	} {
		for w := range strings.FieldsSeq(words) {
			names[w] = col
		}
	}
	return names
}()

// foldHeader makes header cells comparable: case, blanks, invisible characters (a BOM) and punctuation do not count,
// nor does what stands in brackets.
func foldHeader(cell string) string {
	cell, _, _ = strings.Cut(norm.NFC.String(cell), "(")
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || hidden(r) || r == '_' || r == '-' || r == '*' || r == '.' {
			return -1
		}
		return unicode.ToLower(r)
	}, cell)
}

// formats are recognised by header cells that stand together only there, the most telling first.
var formats = []struct {
	name   string
	header []string
}{
	{"techissue", []string{"email", "adconsent", "adconsentat", "bouncedat"}},
	{"mailchimp", []string{"emailaddress", "memberrating"}},
	{"mailchimp", []string{"emailaddress", "leid", "euid"}},
	{"mailchimp", []string{"emailaddress", "unsubtime"}},
	{"mailchimp", []string{"emailaddress", "cleantime"}},
	{"ghost", []string{"email", "subscribedtoemails"}},
	{"substack", []string{"email", "activesubscription"}},
	{"listmonk", []string{"uuid", "email", "attributes"}},
	{"listmonk", []string{"email", "name", "attributes"}},
	{"beehiiv", []string{"email", "status", "tier"}},
	{"buttondown", []string{"emailaddress", "creationdate"}},
	{"buttondown", []string{"email", "creationdate", "type"}},
	{"stibee", []string{"이메일주소", "추가경로"}},
	{"stibee", []string{"이메일주소", "광고성정보수신동의"}},
	{"stibee", []string{"이메일주소", "구독일"}},
	{"stibee", []string{"이메일주소", "수신거부"}},
}

// ImportFormats lists the names that ImportOptions.Format understands.
func ImportFormats() []string {
	names := []string{"auto", "plain"}
	for _, f := range formats {
		if !slices.Contains(names, f.name) {
			names = append(names, f.name)
		}
	}
	return names
}

// layout is what a file's first record told: which format, where which column stands, how many there are.
type layout struct {
	format  string
	width   int
	columns []column // by position
	first   bool     // the first record is data: the file has no header
	zone    *time.Location
}

// kst is where Korean services tell the time; KST has no summer time since 1988.
var kst = time.FixedZone("KST", 9*60*60)

// layoutOf reads the header, or finds the column of addresses by looking at the first records.
func layoutOf(first []string, sample []record) (layout, error) {
	l := layout{format: "plain", width: len(first), columns: make([]column, len(first)), zone: kst}
	l.first = slices.ContainsFunc(first, looksLikeAddress)
	if !l.first {
		l.readHeader(first)
	}
	if !slices.Contains(l.columns, colEmail) {
		at := addressColumn(l.width, first, sample, l.first)
		if at < 0 {
			return l, &Error{Kind: Invalid, Field: "file", Code: "no_addresses", Msg: "이메일 주소가 들어 있는 열을 찾지 못했어요. 첫 줄에 '이메일'이나 'email'이라고 적어 주세요."}
		}
		l.columns[at] = colEmail
	}
	return l, nil
}

func (l *layout) readHeader(first []string) {
	folded := make([]string, len(first))
	taken := map[column]bool{}
	for i, cell := range first {
		folded[i] = foldHeader(cell)
		if col := columnNames[folded[i]]; col != colNone && !taken[col] {
			l.columns[i], taken[col] = col, col != colLeft && col != colBounced // Mailchimp's UNSUB_TIME and others': any of them tells
		}
	}
	for _, f := range formats {
		if !slices.ContainsFunc(f.header, func(h string) bool { return !slices.Contains(folded, h) }) {
			l.format = f.name
			break
		}
	}
	if !slices.Contains([]string{"stibee", "plain"}, l.format) {
		l.zone = time.UTC
	}
}

func addressColumn(width int, first []string, sample []record, headerless bool) int {
	rows := make([][]string, 0, len(sample)+1)
	if headerless {
		rows = append(rows, first)
	}
	for _, r := range sample {
		rows = append(rows, r.cells)
	}
	for i := range width {
		for _, cells := range rows {
			if i < len(cells) && looksLikeAddress(cells[i]) {
				return i
			}
		}
	}
	return -1
}

func looksLikeAddress(cell string) bool {
	if !strings.ContainsAny(cell, "@＠") {
		return false
	}
	_, err := ParseAddress(cell)
	return err == nil
}

// standing is what a row says of its reader.
type standing int

const (
	standsAsAsked standing = iota // what the import makes of all
	standsPending
	standsLeft
	standsBarred
)

// statusWords are the values of status columns, folded. A word that is not here refuses its line: it may mean
// that somebody left.
var statusWords = func() map[string]standing {
	words := map[string]standing{}
	for st, list := range map[standing]string{
		standsAsAsked: "active subscribed enabled regular premium gifted confirmed free paid comped 구독 구독중 수신 수신동의 정상 구독자",
		standsPending: "pending unconfirmed unactivated validating needsattention nonsubscribed 미확인 미인증 확인대기 인증대기 대기",
		standsLeft: "unsubscribed unsubscribe disabled inactive removed deleted optedout cancelled canceled churned archived " +
			"수신거부 구독해지 해지 구독취소 탈퇴 휴면",
		standsBarred: "suppressed cleaned bounced bounce blocklisted blacklisted blocked complained complaint spam spammy undeliverable invalid 자동삭제 반송 차단",
	} {
		for w := range strings.FieldsSeq(list) {
			words[w] = st
		}
	}
	return words
}()

// yes reads the booleans of all these services; known is false for anything else.
func yes(cell string) (value, known bool) {
	switch foldHeader(cell) {
	case "y", "yes", "true", "t", "1", "o", "예", "네", "동의", "동의함", "수신동의":
		return true, true
	case "", "n", "no", "false", "f", "0", "x", "아니오", "아니요", "미동의", "동의안함", "거부", "null":
		return false, true
	}
	return false, false
}

// koreanDate takes the year, month, day and the rest out of 2026-11-23, 2026/11/23 08:00, 2026. 11. 23. and 2026년 11월 23일.
var koreanDate = regexp.MustCompile(`^(\d{4})\s*[-./년]\s*(\d{1,2})\s*[-./월]\s*(\d{1,2})\s*[.일]?(?:\s+(.*))?$`)

// dateLayouts are tried after koreanDate has made the date one with hyphens.
var dateLayouts = []string{
	"2006-1-2", "2006-1-2 15:04:05", "2006-1-2 15:04", "20060102", "200601021504", "20060102150405", "20060102 15:04", "20060102 15:04:05",
	"2006-01-02T15:04:05", "2006-1-2 15:04:05 MST", "2006-1-2 15:04:05-07", "2006-1-2 15:04:05-07:00", "2006-1-2 15:04:05 -0700 MST",
	"1/2/2006", "1/2/2006 15:04", "Jan 2, 2006",
}

// parseDate reads the dates of these exports; the zero time for what it cannot read.
func parseDate(cell string, zone *time.Location) time.Time {
	cell = strings.TrimSpace(cell)
	if cell == "" || len(cell) > 40 {
		return time.Time{}
	}
	if t, err := time.Parse(time.RFC3339Nano, cell); err == nil {
		return plausible(t)
	}
	if m := koreanDate.FindStringSubmatch(cell); m != nil {
		cell = strings.TrimSpace(m[1] + "-" + m[2] + "-" + m[3] + " " + m[4])
	}
	for _, layout := range dateLayouts {
		if t, err := time.ParseInLocation(layout, cell, zone); err == nil {
			return plausible(t)
		}
	}
	return time.Time{}
}

// plausible drops years that only a mistake can bring.
func plausible(t time.Time) time.Time {
	if t.Year() < 1990 || t.Year() > 2100 {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// splitTags reads a list inside one cell: commas, and Mailchimp's quotes around each.
func splitTags(cell string) []string {
	if strings.TrimSpace(cell) == "" {
		return nil
	}
	if strings.Contains(cell, `"`) {
		if tags, state := splitRecord(strings.ReplaceAll(cell, `", "`, `","`), ','); state == recordWhole {
			return tags
		}
		cell = strings.ReplaceAll(cell, `"`, "")
	}
	return strings.Split(cell, ",")
}

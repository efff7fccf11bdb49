package newsletter

import (
	"slices"
	"strings"
)

// The mail services of Korean readers, most used first: at equal distance the first wins.
var mailServices = []string{
	"naver.com", "gmail.com", "hanmail.net", "daum.net", "kakao.com", "nate.com", "hotmail.com", "outlook.com",
	"icloud.com", "yahoo.com", "yahoo.co.kr", "outlook.kr", "hotmail.co.kr", "empas.com", "dreamwiz.com",
}

// Real services a slip away from one of the above: whoever has such an address is tired of being asked.
var realNeighbours = []string{
	"mail.com", "email.com", "ymail.com", "gmx.com", "zmail.com", "naver.me", "navercorp.com", "kakaocorp.com", "daumkakao.com",
	"hotmail.fr", "hotmail.de", "hotmail.it", "hotmail.es", "hotmail.co.jp", "hotmail.co.uk", "outlook.jp", "outlook.de",
	"outlook.fr", "outlook.es", "outlook.com.br", "yahoo.co.jp", "yahoo.co.uk", "yahoo.co.in", "yahoo.de", "yahoo.fr",
	"yahoo.ca", "hanmir.com", "me.com", "mac.com", "live.com", "live.co.kr", "korea.com", "korea.kr",
}

// Slips of names seen at Korean services, some of them real domains, which is why we only ask.
var slips = map[string]string{
	"nver": "naver.com", "navar": "naver.com", "never": "naver.com", "naber": "naver.com", "navr": "naver.com",
	"gmial": "gmail.com", "gamil": "gmail.com", "gmai": "gmail.com", "gmal": "gmail.com", "gmil": "gmail.com",
	"hanmial": "hanmail.net", "hamail": "hanmail.net", "hanmai": "hanmail.net",
	"daun": "daum.net", "duam": "daum.net",
	"nete": "nate.com", "naet": "nate.com",
	"kaka": "kakao.com", "kakoa": "kakao.com", "kako": "kakao.com",
	"hotmial": "hotmail.com", "hotmai": "hotmail.com",
	"outlok": "outlook.com", "outloook": "outlook.com",
	"icould": "icloud.com", "iclould": "icloud.com",
	"yaho": "yahoo.com", "yahooo": "yahoo.com",
}

// Endings that people write, right or wrong, behind a name that is nobody else's.
var mailEndings = []string{"com", "net", "con", "co", "cm", "om", "comm", "vom", "xom", "cim", "cpm", "ocm", "kr", "co.kr", "ne", "nte", "met"}

// SuggestDomain tells the domain a reader probably meant: naver.com for someone@naver.con. It is a question
// to put beside the form (혹시 naver.com 인가요?), never a correction: the mistyped domain may exist. ok is false
// for a service we know, and for a domain that resembles none.
func SuggestDomain(a Address) (suggestion string, ok bool) {
	domain := a.Domain()
	if domain == "" || slices.Contains(mailServices, domain) || slices.Contains(realNeighbours, domain) {
		return "", false
	}
	name, ending, _ := strings.Cut(domain, ".")
	if slices.Contains(mailEndings, ending) {
		if right, found := slips[name]; found {
			return right, true
		}
		for _, service := range mailServices {
			if strings.HasPrefix(service, name+".") {
				return service, true
			}
		}
	}
	best := 3
	for _, service := range mailServices {
		if d := distance(domain, service); d < best && d <= slack(domain, service) {
			suggestion, best = service, d
		}
	}
	return suggestion, suggestion != ""
}

// slack is the number of slips we believe in. Names of up to five letters have too many honest neighbours
// for two, and those of four (nate, daum) even for another first letter: date.com is no slip of nate.com.
func slack(domain, service string) int {
	name, _, _ := strings.Cut(service, ".")
	switch {
	case len(name) <= 4 && domain[0] != service[0]:
		return 0
	case len(name) <= 5:
		return 1
	}
	return 2
}

// distance is Damerau and Levenshtein's in its restricted form: insertions, deletions, changes and swaps of
// neighbours, each letter touched once. Both texts are ASCII.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

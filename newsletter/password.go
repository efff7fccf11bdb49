package newsletter

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	minPassword = 8   // characters (OWASP ASVS 6.2.1); pages suggest 15
	maxPassword = 128 // characters: enough for any sentence, too little to keep the hash busy
)

// normalPassword is the form that is hashed: a Mac types Hangul decomposed, a phone composed.
func normalPassword(raw string) string { return norm.NFC.String(raw) }

// judgePassword returns the form to hash, or an Invalid error of the field password. There are no rules of composition
// (ASVS 6.2.5): length, and not being one of the first that anybody would try.
func judgePassword(raw string, owner Address) (string, error) {
	if !utf8.ValidString(raw) {
		return "", invalid("password", "비밀번호를 읽을 수 없어요. 다시 적어 주세요.")
	}
	p := normalPassword(raw)
	switch n := utf8.RuneCountInString(p); {
	case n < minPassword:
		return "", invalid("password", "비밀번호는 8자 이상이어야 해요. 15자 이상이면 더 좋아요.")
	case n > maxPassword:
		return "", invalid("password", "비밀번호는 128자까지 쓸 수 있어요.")
	case common(p, owner):
		return "", invalid("password", "너무 흔한 비밀번호예요. 남이 짐작하기 어려운 것으로 정해 주세요.")
	}
	return p, nil
}

// common tells passwords that guessing begins with: those of the list, also with a few digits or marks behind them, the
// person's own address, and one short piece over and over.
func common(password string, owner Address) bool {
	p := strings.ToLower(password)
	if repeats(p) || runs(p) {
		return true
	}
	if owner.Local() != "" && (p == owner.String() || p == owner.Local()) {
		return true
	}
	if commonPasswords[p] {
		return true
	}
	stem := strings.TrimRight(p, "0123456789!@#$%^&*.~?-_")
	rest := utf8.RuneCountInString(p) - utf8.RuneCountInString(stem)
	return stem != "" && rest <= 4 && (commonPasswords[stem] || stem == owner.Local())
}

// repeats tells that p is one piece of at most four bytes written again and again: 12121212, ㅋㅋㅋㅋㅋㅋㅋㅋ.
func repeats(p string) bool {
	for n := 1; n <= 4 && 2*n <= len(p); n++ {
		if strings.Repeat(p[:n], len(p)/n+1)[:len(p)] == p {
			return true
		}
	}
	return false
}

// runs tells that p is one stretch of the alphabet, the digits or a row of the keyboard, either way.
func runs(p string) bool {
	for _, row := range []string{
		"01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "!@#$%^&*()_+",
		"ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "가나다라마바사아자차카타파하", "가갸거겨고교구규그기",
	} {
		if strings.Contains(row, p) || strings.Contains(backwards(row), p) {
			return true
		}
	}
	return false
}

func backwards(s string) string {
	runes := []rune(s)
	for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
		runes[i], runes[j] = runes[j], runes[i]
	}
	return string(runes)
}

// commonPasswords are the words that lists of guesses begin with, in lower case: English ones, walks over the
// keyboard, and Korean words as a keyboard in Latin mode types them (dkssudgktpdy is 안녕하세요).
var commonPasswords = func() map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(`
		password passwd passw0rd p@ssword p@ssw0rd pa55word pa55w0rd passpass password1 password12 password123 passphrase
		changeme changeit change-me default secret secret123 topsecret letmein letmein1 welcome welcome1 welcome123 login
		logmein signin access access14 master mastermind administrator admin adminadmin admin123 admin1234 root rootroot toor
		superuser superman batman spiderman ironman starwars pokemon minecraft fortnite football baseball basketball soccer
		hockey tennis dragon monkey tigger tiger shadow sunshine princess iloveyou iloveyou1 loveyou lovelove sweetheart
		whatever trustno1 freedom hello hellohello hello123 helloworld goodbye computer internet samsung samsung1 galaxy
		iphone apple google naver naver123 kakao kakao123 kakaotalk daum hanmail nate cyworld facebook instagram twitter
		youtube linkedin github gmail hotmail outlook yahoo microsoft windows linux ubuntu debian centos oracle mysql
		postgres postgresql mongodb redis server test tester testing testtest test123 test1234 guest guest123 demo demodemo
		user username user1234 qwer qwer1234 qwer12345 qwe123 qwe123!@# qwerty qwerty1 qwerty12 qwerty123 qwertyui
		qwertyuiop qwertz azerty 1q2w3e 1q2w3e4r 1q2w3e4r5t 1q2w3e4r! q1w2e3 q1w2e3r4 q1w2e3r4t5 1qaz2wsx 1qazxsw2 qazwsx
		qazwsxedc zaq12wsx zaq1zaq1 !qaz2wsx 1qaz@wsx asdf asdfasdf asdf1234 asdfg asdfgh asdfghjk asdfghjkl asdfjkl;
		zxcv zxcvbn zxcvbnm zxcv1234 zxcvasdf qweasd qweasdzxc asdqwe123 asd123 asdzxc abc123 abcd1234 abc12345 abcd123!
		abcdef abcdefg abcdefgh abc123456 a1b2c3d4 a1234567 a12345678 a123456789 aa123456 aa12345678 aaa111 as123456 p0o9i8u7
		123456 1234567 12345678 123456789 1234567890 0987654321 987654321 87654321 123123123 12341234 123412345 12344321
		11223344 1122334455 112233445566 111222333 11112222 123321123 147258369 159357 159753 741852963 789456123 14789632
		147896325 963852741 0123456789 13579 1357924680 2468 24681357 31415926 3.141592 19191919 20202020 10203040 102030405060
		00000000 11111111 88888888 99999999 1234qwer 1234asdf 1234abcd 12345qwert 123qwe 123qweasd 123qwe123 123asd 123abc
		4321rewq !@#$%^&* !@#$1234 1234!@#$ q1w2e3!@ qwer!@#$ asdf!@#$ zxcv!@#$ qwe!@#123
		michael jennifer jordan jordan23 charlie daniel thomas robert andrew joshua matthew ashley jessica michelle nicole
		amanda anthony george william hunter buster killer ginger pepper cookie banana orange cheese chocolate butterfly
		flower summer winter spring autumn summer2024 summer2025 summer2026 winter2025 winter2026 spring2026 january february
		september october november december monday tuesday wednesday thursday friday saturday sunday mustang ferrari porsche
		corvette mercedes yamaha harley diamond silver golden purple yellow maverick phoenix thunder lightning falcon eagles
		yankees lakers chelsea arsenal liverpool barcelona manchester realmadrid chicago dallas london newyork america
		australia england germany france canada brazil russia china japan korea korea123 southkorea seoul seoul123 seoul1988
		busan daegu incheon gwangju daejeon ulsan jeju gangnam hongdae pyeongchang republic corea daehanminguk
		dkssud dkssudgktpdy dkssudgk tkfkdgo tkfkdgody tkfkdgo1 tkfkdgkqslek tkfkd tkfkdsla qlalfqjsgh qlqjs qlqjs1234
		qlalf qlalfdldi dkagh dkagh123 rkskek rkskekfk rkskekfkak alsrnr eogksalsrnr eogksalsrnrakstp eoqkr eoqkrsk
		gkrry gkrtod tjstod tjstodsla ghltk ghltk123 rhksflwk rhksflwk1 rhksfl duddj gksrnr gksrmf gksrnrdj qnwk qnwkehlwk
		gnlakd godqhr godqhrgkwk ghkdlxld ghkdlxld1 vkdlxld akstp akstptp dhkdwk rhddb rhdwn rhdiddl rhdiddldi
		rkddkwl rkdwl ajdajddl ajdcjddl qkqh qkqh123 qkqhdi whgdk whgdkgo aldks alksgo rhakdnj rhakdnjdy tkdlxm
		rlackl rlacl tlrsk rlatjsgh rlaalstn dlatldms qkrwldms chlwlgns dldndjs wjdtndus rkawk gnskd dhkdtn ekdrms
		zhzhdk zhflk zkzkdh sptdlqj tkatjd tkatjd123 dpfwl guseo guseock tptkd altlsruf
		nulltong techissue techissue1 techissue123 newsletter newsletter1 subscribe publisher editor editor123 owner owner123
		테크잇슈 비밀번호 비밀번호1 패스워드 암호암호 안녕하세요 사랑해 사랑해요 사랑합니다 대한민국 관리자 관리자1 홍길동
		우리나라 가나다라마바사아 아자차카타파하 한국어 서울특별시 뉴스레터 뉴스레터1 행복하세요 감사합니다 열려라참깨
	`) {
		set[strings.ToLower(w)] = true
	}
	return set
}()

// harmless makes a stranger's text fit for one line of a log or a list: no controls, at most max characters.
func harmless(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		if hidden(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > max {
		return string(runes[:max-1]) + "…"
	}
	return s
}

package main_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// fetch reads a page beside the browser.
func fetch(t *testing.T, address string) string {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// signUp fills in the form of the first page. A browser is faster than a person: the form may ask to press once more.
func (b *tab) signUp(email, name string) {
	b.t.Helper()
	b.open("/")
	b.must("메일로 받아 보세요")
	b.fill("#subscribe input[name=email]", email)
	b.fill("#subscribe input[name=name]", name)
	b.press("#subscribe button[type=submit]") // without the ticks
	if b.status == 422 {
		b.forget("422")
	}
	b.must("동의")
	for eval[string](b, "location.pathname") != "/subscribe/sent" {
		for _, tick := range []string{"consent", "age14"} {
			if !eval[bool](b, `document.querySelector("input[name=`+tick+`]").checked`) {
				b.click("input[name=" + tick + "]")
			}
		}
		if got := eval[string](b, `document.querySelector("input[name=email]").value`); got != email {
			b.t.Fatalf("the form forgot the address: %q", got)
		}
		b.press("form.signup button[type=submit]")
		b.forget("422")
	}
	b.must("받은편지함을 확인해 주세요", email)
}

// newest opens the newest letter to an address in the mailbox by pressing on it, and gives its address there.
func (b *tab) newest(email, subject string) string {
	b.t.Helper()
	b.open("/mailbox?q=" + url.QueryEscape(email))
	row := `[...document.querySelectorAll("table.mails a")].find(a => a.textContent.includes(` + quote(subject) + `))`
	b.comes("the letter "+subject+" to "+email, "!!"+row)
	path := eval[string](b, row+`.getAttribute("href")`)
	b.press(`table.mails a[href="` + path + `"]`)
	b.must(subject, email)
	return path
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

var hrefs = regexp.MustCompile(`href="([^"]+)"`)

// linkIn finds a link of a letter by what its path begins with.
func (b *tab) linkIn(letter, begin string) string {
	b.t.Helper()
	for _, m := range hrefs.FindAllStringSubmatch(fetch(b.t, b.base+letter+"/html"), -1) {
		if strings.HasPrefix(m[1], b.base+begin) {
			return strings.TrimPrefix(m[1], b.base)
		}
	}
	b.t.Fatalf("the letter %s has no link to %s", letter, begin)
	return ""
}

// write makes an issue at the desk and leads to its page.
func (b *tab) write(subject string) {
	b.t.Helper()
	b.open("/admin/issues/new")
	b.fill("[name=subject]", subject)
	b.fill("[name=intro]", "{이름|독자}님, 안녕하세요. 오늘도 **쉽고 친근한** 이야기예요.")
	b.fill("#links-0-url", "https://news.example.com/1")
	b.fill("#links-0-title", "새 소식")
	b.fill("#links-0-source", "예시일보")
	b.fill("#links-0-summary", "한 줄로 풀었어요.")
	eval[bool](b, `(document.querySelector("#article_pick").value = `+quote(b.slug())+`) !== ""`)
	b.press("button[value=article-add]")
	b.must("아직 저장하지 않았어요")
	b.press("button[data-save]")
	b.must("저장했어요.")
	if got := eval[string](b, `document.querySelector("[name=subject]").value`); got != subject {
		b.t.Fatalf("the subject became %q", got)
	}
}

// send sends the issue at once: accepts it, and ends the time in which it could be taken back.
func (b *tab) send(number string) {
	b.t.Helper()
	b.open("/admin/issues/" + number + "/send")
	b.press("form[action$='/send'] button")
	b.must("예약중", "되돌리고 고치기")
	b.press("#do-send")
	b.comes("the send is done", `document.body.innerText.includes("발송완료")`)
}

// slug is an article of the samples.
func (b *tab) slug() string {
	b.t.Helper()
	m := regexp.MustCompile(`href="/articles/([^"/?#]+)"`).FindStringSubmatch(fetch(b.t, b.base+"/articles"))
	if m == nil {
		b.t.Fatal("no article")
	}
	slug, err := url.PathUnescape(m[1])
	if err != nil {
		b.t.Fatal(err)
	}
	return slug
}

// The main job in a real browser, with its scripts and without: sign up, confirm from the caught letter, write, check, test, send, watch,
// open the letter, one click, and the next issue leaves that reader out. The browser has nothing to complain about and talks to nobody else.
func TestBrowserMainJob(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		script bool
	}{{"with JavaScript", true}, {"without JavaScript", false}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			const email = "browser@example.com"
			d := startDemo(t, "--no-send", "--subscribers", "10", "--rate", "8")
			b := openTab(t, d.base, row.script)
			b.signUp(email, "브라우저")
			letter := b.newest(email, "구독")
			b.open(b.linkIn(letter, "/confirm/"))
			b.press("main form button")
			b.must("구독이 시작됐어요", "브라우저")

			b.open(d.enter)
			b.press("main form button")
			b.must("구독 중", "12명")
			b.write("브라우저에서 쓴 호")
			b.must("이메일 검사하기")
			number := regexp.MustCompile(`/admin/issues/(\d+)`).FindStringSubmatch(eval[string](b, "location.pathname"))[1]
			b.fill("[name=to]", "editor@example.com")
			b.press("button[value=test]")
			b.must("테스트 메일을 보냈어요")
			b.newest("editor@example.com", "[테스트] 브라우저에서 쓴 호")
			b.send(number)
			b.must("12")

			letter = b.newest(email, "브라우저에서 쓴 호")
			b.open(letter + "/html") // as the frame shows it: its own policy must not stop its own style
			b.must("브라우저님, 안녕하세요", "새 소식")
			b.open(letter)
			b.press("form[action$='/one-click'] button")
			b.must("200")
			b.open(b.linkIn(letter, "/u/"))
			b.must("수신거부")

			b.write("그 다음 호")
			number = regexp.MustCompile(`/admin/issues/(\d+)`).FindStringSubmatch(eval[string](b, "location.pathname"))[1]
			b.must("11명")
			b.send(number)
			b.open("/mailbox?q=" + url.QueryEscape(email))
			if strings.Contains(b.text(), "그 다음 호") {
				t.Error("the next issue went to the reader who left")
			}
			b.open("/admin/issues/" + number + "/send")
			b.must("11")
			b.clean()
		})
	}
}

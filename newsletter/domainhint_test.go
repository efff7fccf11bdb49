package newsletter_test

import (
	"testing"

	"techissue/newsletter"
)

func TestSuggestDomain(t *testing.T) {
	t.Parallel()
	for want, typed := range map[string][]string{
		"naver.com": {"naver.con", "naver.co", "nver.com", "navar.com", "never.com", "naver.net", "naver.co.kr", "nvaer.com", "maver.com",
			"naverr.com", "nver.con", "naver.cmo"},
		"gmail.com":   {"gmial.com", "gamil.com", "gmai.com", "gmal.com", "gmail.con", "gmail.co", "gmail.co.kr", "gnail.com"},
		"hanmail.net": {"hanmial.net", "hanmail.com", "hanmail.con", "hamnail.net", "hanmial.com"},
		"daum.net":    {"daun.net", "daum.com", "daum.nte", "duam.net", "daum.co.kr"},
		"nate.com":    {"nate.con", "nate.co", "nete.com", "nate.net", "natte.com"},
		"kakao.com":   {"kakao.con", "kaka.com", "kakap.com"},
		"hotmail.com": {"hotmial.com", "hotmal.com", "hotmaill.con"},
		"outlook.com": {"outlok.com", "outlook.con", "outllok.com"},
		"icloud.com":  {"icould.com", "iclud.com"},
		"yahoo.com":   {"yaho.com", "yahoo.con", "yahooo.com"},
		"yahoo.co.kr": {"yahoo.co.rk"},
		"":            {"naver.com", "gmail.com", "hanmail.net", "daum.net", "nate.com", "kakao.com", "outlook.kr", "yahoo.co.kr", "mail.com", "ymail.com", "naver.me", "live.com", "yahoo.co.jp", "example.com", "techissue.kr", "date.com", "gate.com", "snu.ac.kr", "samsung.com", "kakaobank.com", "korea.kr", "naver.example.com", "never.org", "tv.net", "han.com", "xn--bj0bj06e.kr"},
	} {
		for _, domain := range typed {
			got, ok := newsletter.SuggestDomain(address(t, "reader@"+domain))
			if got != want || ok != (want != "") {
				t.Errorf("%s: suggested %q, %v, want %q", domain, got, ok, want)
			}
		}
	}
	if got, ok := newsletter.SuggestDomain(newsletter.Address{}); ok || got != "" {
		t.Errorf("no address: suggested %q", got)
	}
}

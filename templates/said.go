package templates

import (
	"html"
	"html/template"
	"regexp"
	"strings"
)

// saidAddress ends where the editor's addresses do.
var saidAddress = regexp.MustCompile(`https?://` + hostName + addressEnd)

// said shows what a stranger wrote: plain text, its paragraphs and lines, and http(s) addresses as links that vouch for
// nothing (S19, S20). Everything is escaped before anything is added.
func said(text string) template.HTML {
	var b strings.Builder
	for para := range strings.SplitSeq(text, "\n\n") {
		if para = strings.TrimSpace(para); para == "" {
			continue
		}
		b.WriteString("<p>")
		for n, line := range strings.Split(para, "\n") {
			if n > 0 {
				b.WriteString("<br>")
			}
			done := 0
			for _, at := range saidAddress.FindAllStringIndex(line, -1) {
				end := at[0] + len(withoutParticle(strings.TrimRight(line[at[0]:at[1]], `.,!?;:)]}"'>`+"`")))
				address := html.EscapeString(line[at[0]:end])
				b.WriteString(html.EscapeString(line[done:at[0]]) + `<a href="` + address + `" rel="ugc nofollow noopener">` + address + `</a>`)
				done = end
			}
			b.WriteString(html.EscapeString(line[done:]))
		}
		b.WriteString("</p>")
	}
	return template.HTML(b.String())
}

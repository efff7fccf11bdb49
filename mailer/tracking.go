package mailer

import (
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"techissue/newsletter"
)

var hrefs = regexp.MustCompile(`href="([^"]*)"`)

// countLinks makes the links of an HTML part lead through /l/ where the snapshot names them, and puts the counting picture at
// the end. The text part keeps plain addresses: people read those.
func countLinks(k *marker, htmlPart string, s newsletter.Snapshot) string {
	ids := make(map[string]int64, len(s.TrackedLinks))
	for _, l := range s.TrackedLinks {
		ids[l.URL] = l.ID
	}
	base := html.EscapeString(s.House.BaseURL)
	out := hrefs.ReplaceAllStringFunc(htmlPart, func(attr string) string {
		id, ok := ids[html.UnescapeString(hrefs.FindStringSubmatch(attr)[1])]
		if !ok {
			return attr
		}
		return `href="` + base + "/l/" + k.put(mark{kind: markClick}) + "." + strconv.FormatInt(id, 36) + `"`
	})
	picture := `<img src="` + base + "/o/" + k.put(mark{kind: markOpen}) + `.gif" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">`
	if at := strings.LastIndex(out, "</body>"); at >= 0 {
		return out[:at] + picture + out[at:]
	}
	return out + picture
}

// Links lists the addresses in an issue's letter that are worth counting, each once and in order: what the editor wrote, not the
// letter's own ways to its web page, to opting out, to the reader's settings and to the privacy policy.
func (l *Letters) Links(s newsletter.Snapshot) ([]string, error) {
	k := newMarker()
	view := letterView(k, s, time.Time{})
	htmlPart, _, err := l.Mails.Issue(view)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{view.WebURL: true, view.ShareURL: true, view.PrivacyURL: true, view.BaseURL + "/": true}
	var out []string
	for _, m := range hrefs.FindAllStringSubmatch(htmlPart, -1) {
		address := html.UnescapeString(m[1])
		u, err := url.Parse(address)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Contains(address, "zq"+k.seed) || seen[address] {
			continue
		}
		seen[address] = true
		out = append(out, address)
	}
	return out, nil
}

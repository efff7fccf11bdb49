package mailer_test

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/vanng822/go-premailer/premailer"
	"golang.org/x/net/html"

	"techissue/newsletter"
)

// WCAG 2.2, 1.4.3: 4.5:1 for every piece of text against what lies behind it, in light and in dark.
func TestLettersHaveContrast(t *testing.T) {
	t.Parallel()
	pages := map[string]string{}
	_, pages["issue"], _ = letterOf(t, richEdition(), claimed)
	for _, kind := range []newsletter.NoticeKind{newsletter.NoticeConfirm, newsletter.NoticeRefusal} {
		_, pages[string(kind)], _ = readLetter(t, noticeOf(t, kind))
	}
	for name, page := range pages {
		checkContrast(t, name+", light", page)
		checkContrast(t, name+", dark", darkened(t, page))
	}
}

// darkened makes the dark rules the ones that count, as a mail program in dark mode does.
func darkened(t *testing.T, page string) string {
	t.Helper()
	media := regexp.MustCompile(`(?s)<style data-premailer="ignore">\s*@media \(prefers-color-scheme: dark\) \{(.*?)\}\s*</style>`)
	if !media.MatchString(page) {
		t.Fatal("no dark rules")
	}
	o := premailer.NewOptions()
	o.CssToAttributes, o.RemoveClasses = false, false
	p, err := premailer.NewPremailerFromString(media.ReplaceAllString(page, "<style>$1</style>"), o)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Transform()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func checkContrast(t *testing.T, name, page string) {
	t.Helper()
	checked := 0
	each(t, page, func(n *html.Node, path []*html.Node) {
		if n.Data == "style" || n.Data == "title" || !strings.Contains(page, "<body") || strings.Contains(attr(n, "style"), "display:none") {
			return
		}
		own := false
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			own = own || c.Type == html.TextNode && strings.TrimSpace(strings.Trim(c.Data, "\u00a0")) != ""
		}
		if !own {
			return
		}
		front, back := "", ""
		for at := len(path); at >= 0; at-- {
			node := n
			if at < len(path) {
				node = path[at]
			}
			if front == "" {
				front = property(node, "color")
			}
			if back == "" {
				back = property(node, "background-color")
			}
		}
		ratio := contrast(t, front, back)
		if ratio < 4.5 {
			t.Errorf("%s: %q is %s on %s, %.2f:1", name, clip(text(n)), front, back, ratio)
		}
		checked++
	})
	if checked < 4 {
		t.Errorf("%s: %d pieces of text", name, checked)
	}
}

func property(n *html.Node, name string) string {
	value := ""
	for decl := range strings.SplitSeq(attr(n, "style"), ";") {
		k, v, _ := strings.Cut(decl, ":")
		if strings.TrimSpace(k) == name {
			value = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "!important"))
		}
	}
	return value
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	var rgb [3]uint8
	if _, err := fmt.Sscanf(colour, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); err != nil {
		t.Fatalf("colour %q: %v", colour, err)
	}
	var sum float64
	for n, weight := range []float64{0.2126, 0.7152, 0.0722} {
		c := float64(rgb[n]) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

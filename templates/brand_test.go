package templates_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"techissue/templates"
)

// sampleBrands are three houses: a sign in the colour of taxis, one of pines, one of plums. The first is far too light for text.
var sampleBrands = map[string]string{"개나리": "#fee500", "솔숲": "#1f7a4d", "자두": "#a3195b"}

func TestBrandsCanBeRead(t *testing.T) {
	t.Parallel()
	accents := []string{"", "#000000", "#ffffff", "#808080", "#ff0000", "#00ff00", "#0000ff", "#00ffff", "#ff00ff", "#ffff00"}
	for _, a := range sampleBrands {
		accents = append(accents, a)
	}
	for hue := range 36 { // a wheel of full colours
		r, g, b := (hue*71)%256, (hue*151+90)%256, (hue*203+30)%256
		accents = append(accents, fmt.Sprintf("#%02x%02x%02x", r, g, b))
	}
	for _, a := range accents {
		b, err := templates.NewBrand(a)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []struct{ what, ink, ground string }{
			{"link on paper", b.Accent, "#fffdf9"}, {"link on a panel", b.Accent, "#ffffff"}, {"link on a sunken box", b.Accent, "#f4f2ee"},
			{"hover on paper", b.Strong, "#f4f2ee"}, {"words on a tint", b.Strong, b.Tint}, {"link on a tint", b.Accent, b.Tint}, {"words of a button", b.On, b.Accent}, {"of a button under the mouse", b.On, b.Strong},
			{"link in the dark", b.DarkAccent, "#171614"}, {"on a dark panel", b.DarkAccent, "#1f1e1b"}, {"in a dark letter", b.DarkAccent, "#1f1d1a"},
			{"hover in the dark", b.DarkStrong, "#1f1e1b"}, {"words on a dark tint", b.DarkStrong, b.DarkTint}, {"link on a dark tint", b.DarkAccent, b.DarkTint},
			{"words of a light button", b.DarkOn, b.DarkAccent}, {"of a light button under the mouse", b.DarkOn, b.DarkStrong},
		} {
			if c := templates.Contrast(p.ink, p.ground); c < 4.5 {
				t.Errorf("brand %q: %s is %.2f:1 (%s on %s)", a, p.what, c, p.ink, p.ground)
			}
		}
	}
}

func TestBrandKeepsAColourThatCanBeRead(t *testing.T) {
	t.Parallel()
	for _, a := range []string{"#1f7a4d", "#a3195b", "#0b5c9e"} {
		if b, err := templates.NewBrand(a); err != nil || b.Accent != a {
			t.Errorf("%s became %s, %v", a, b.Accent, err)
		}
	}
	if b, _ := templates.NewBrand("#fee500"); b.Accent == "#fee500" || b.DarkAccent == b.Accent {
		t.Errorf("a yellow stays for text on paper: %+v", b)
	}
	for _, bad := range []string{"red", "#fff", "#ffffff;}", "#GGGGGG", "0b5c9e"} {
		if _, err := templates.NewBrand(bad); err == nil {
			t.Errorf("%q is taken for a colour", bad)
		}
	}
}

// The house's own colours stand in site.css and in Go: they are the same.
func TestHouseBrandIsTheStylesheets(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("static/site.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range strings.Split(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(templates.HouseBrand.CSS()), ":root{"), ";}"), ";") {
		name, value, _ := strings.Cut(token, ":")
		if want := name + ": " + strings.ReplaceAll(value, ",", ", ") + ";"; !strings.Contains(string(css), want) {
			t.Errorf("site.css lacks %s", want)
		}
	}
}

package templates

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Brand is one accent in each form that pages and letters need, light and dark. The editor chooses one colour; everything else is
// computed, so that no choice can make a page hard to read.
type Brand struct {
	Accent, Strong, On, Tint                 string // on paper
	DarkAccent, DarkStrong, DarkOn, DarkTint string // in the dark
}

// The grounds of docs/design.md that an accent stands on, and the letter's sheet.
var (
	lightGrounds = []string{"#fffdf9", "#ffffff", "#f4f2ee"}
	darkGrounds  = []string{"#171614", "#1f1e1b", "#12110f", "#1f1d1a"}
)

// readable is what WCAG 2.2 AA asks of text, and a little more for the rounding to whole colours.
const readable = 4.55

var sixDigits = regexp.MustCompile(`^#[0-9a-f]{6}$`)

// HouseBrand is the colour of docs/design.md, for a house that has chosen none. site.css has the same values.
var HouseBrand = Brand{
	"#0b5c9e", "#084678", "#ffffff", "#eaf2f9",
	"#8cc2f5", "#b3d8fa", "#0a1c2c", "#18242f",
}

// NewBrand computes a brand from a colour of six hexadecimal digits behind a #. A colour too light for text on paper is darkened until it
// can be read; its twin is as light as the dark ground wants it. "" is the house's own.
func NewBrand(accent string) (Brand, error) {
	if accent == "" {
		return HouseBrand, nil
	}
	if !sixDigits.MatchString(accent) {
		return Brand{}, fmt.Errorf("brand: %q is no colour of six digits", accent)
	}
	var b Brand
	c := oklchOf(accent)
	b.Tint = oklch{.963, min(c.c, .02), c.h}.hex()
	b.Accent = accent
	for l := c.l; worst(b.Accent, append(lightGrounds, b.Tint)) < readable; l -= .01 {
		b.Accent = oklch{l, c.c, c.h}.hex()
	}
	strong := oklchOf(b.Accent)
	b.Strong = oklch{max(strong.l-.09, 0), strong.c, strong.h}.hex()
	b.On = "#ffffff" // at least as far from the accent as the grounds are

	b.DarkTint = oklch{.25, min(c.c, .03), c.h}.hex()
	twin := oklch{max(c.l, .78), min(c.c, .13), c.h}
	for b.DarkAccent = twin.hex(); worst(b.DarkAccent, append(darkGrounds, b.DarkTint)) < 7; twin.l += .01 {
		b.DarkAccent = twin.hex()
	}
	b.DarkStrong = oklch{min(twin.l+.07, .97), twin.c * .7, c.h}.hex()
	b.DarkOn = oklch{.21, min(c.c, .04), c.h}.hex()
	return b, nil
}

// worst is the lowest contrast of a colour with any of the grounds.
func worst(colour string, grounds []string) float64 {
	low := 21.0
	for _, g := range grounds {
		low = min(low, Contrast(colour, g))
	}
	return low
}

// Contrast is the ratio of WCAG 2.2 between two colours: 1 to 21.
func Contrast(a, b string) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + .05) / (min(la, lb) + .05)
}

func luminance(hex string) float64 {
	r, g, b := linear(hex)
	return .2126*r + .7152*g + .0722*b
}

// linear is a colour without the curve of sRGB.
func linear(hex string) (r, g, b float64) {
	n, _ := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	part := func(shift uint) float64 {
		v := float64(n>>shift&255) / 255
		if v <= .04045 {
			return v / 12.92
		}
		return math.Pow((v+.055)/1.055, 2.4)
	}
	return part(16), part(8), part(0)
}

// oklch is a colour by what an eye tells apart: lightness, how colourful, which hue (Björn Ottosson's OKLab in polar form, as in CSS Color 4).
// Lightness can be changed in it without the hue turning.
type oklch struct{ l, c, h float64 }

func oklchOf(hex string) oklch {
	r, g, b := linear(hex)
	l := math.Cbrt(.4122214708*r + .5363325363*g + .0514459929*b)
	m := math.Cbrt(.2119034982*r + .6806995451*g + .1073969566*b)
	s := math.Cbrt(.0883024619*r + .2817188376*g + .6299787005*b)
	a := 1.9779984951*l - 2.4285922050*m + .4505937099*s
	bb := .0259040371*l + .7827717662*m - .8086757660*s
	return oklch{.2104542553*l + .7936177850*m - .0040720468*s, math.Hypot(a, bb), math.Atan2(bb, a)}
}

// hex is the nearest colour that a screen has: what is too colourful is made less so, with the same lightness and hue.
func (o oklch) hex() string {
	for ; ; o.c -= .004 {
		r, g, b := o.linear()
		if o.c <= .004 || inside(r) && inside(g) && inside(b) {
			return fmt.Sprintf("#%02x%02x%02x", curved(r), curved(g), curved(b))
		}
	}
}

func (o oklch) linear() (r, g, b float64) {
	a, bb := o.c*math.Cos(o.h), o.c*math.Sin(o.h)
	cube := func(v float64) float64 { return v * v * v }
	l := cube(o.l + .3963377774*a + .2158037573*bb)
	m := cube(o.l - .1055613458*a - .0638541728*bb)
	s := cube(o.l - .0894841775*a - 1.2914855480*bb)
	return 4.0767416621*l - 3.3077115913*m + .2309699292*s,
		-1.2684380046*l + 2.6097574011*m - .3413193965*s,
		-.0041960863*l - .7034186147*m + 1.7076147010*s
}

func inside(v float64) bool { return v >= -.0005 && v <= 1.0005 }

func curved(v float64) int {
	v = min(max(v, 0), 1)
	if v <= .0031308 {
		v *= 12.92
	} else {
		v = 1.055*math.Pow(v, 1/2.4) - .055
	}
	return int(v*255 + .5)
}

// CSS sets the tokens of site.css that a brand changes.
func (b Brand) CSS() string {
	pair := func(name, light, dark string) string { return name + ":light-dark(" + light + "," + dark + ");" }
	return ":root{" + pair("--accent", b.Accent, b.DarkAccent) + pair("--accent-strong", b.Strong, b.DarkStrong) +
		pair("--on-accent", b.On, b.DarkOn) + pair("--tint", b.Tint, b.DarkTint) + "}\n"
}

// LogoRoom is the room of a logo on pages and in letters: 36 high, at most 220 wide.
func LogoRoom(url string, width, height int) Logo {
	if width <= 0 || height <= 0 {
		return Logo{}
	}
	scale := min(36/float64(height), 220/float64(width))
	return Logo{URL: url, Width: int(float64(width)*scale + .5), Height: int(float64(height)*scale + .5), Wide: width*2 > height*3}
}

// Icon is the mark in the brand's colour, for the browser's tab.
func (b Brand) Icon() string {
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="6" fill="` + b.Accent +
		`"/><path d="M6 8h12M12 8v9" stroke="` + b.On + `" stroke-width="3" stroke-linecap="round" fill="none"/></svg>` + "\n"
}

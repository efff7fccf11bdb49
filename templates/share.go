package templates

import (
	_ "embed"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Pretendard 1.3.9 (SIL OFL 1.1, npm pretendard: dist/public/static). Pages load its subsets; this whole face only draws pictures.
//
//go:embed font/Pretendard-Bold.otf
var boldFont []byte

// ShareCard is what a page looks like where its link is passed on: 1200 by 630, the words within the middle 2:1 that
// messengers show. It is the front page once more: a heavy rule, the number as hero, a title.
type ShareCard struct {
	Site  string // the house's name
	Title string
	Foot  string // a line at the bottom: author and date
	Issue int    // the hero; 0 for none
	// Accent is the brand's colour, "" for the house's own.
	Accent string
}

const (
	shareWidth, shareHeight = 1200, 630
	shareMargin             = 84
)

// The tokens of docs/design.md, in their light form: pictures have no theme.
var (
	shareGround = color.RGBA{0xff, 0xfd, 0xf9, 0xff}
	shareInk    = color.RGBA{0x24, 0x21, 0x1d, 0xff}
	shareSoft   = color.RGBA{0x63, 0x5d, 0x54, 0xff}
)

// accent is the brand's colour as a picture takes it.
func (s ShareCard) accent() color.Color {
	b, err := NewBrand(s.Accent)
	if err != nil {
		b = HouseBrand
	}
	n, _ := strconv.ParseUint(b.Accent[1:], 16, 32)
	return color.RGBA{uint8(n >> 16), uint8(n >> 8), uint8(n), 0xff}
}

// shareFont is parsed with the first picture.
var shareFont = sync.OnceValues(func() (*opentype.Font, error) { return opentype.Parse(boldFont) })

// canvas draws text. Faces are not safe for several goroutines, so each picture has its own.
type canvas struct {
	*image.RGBA
	font  *opentype.Font
	faces map[float64]font.Face
}

func (c *canvas) face(size float64) (font.Face, error) {
	if f, ok := c.faces[size]; ok {
		return f, nil
	}
	f, err := opentype.NewFace(c.font, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err == nil {
		c.faces[size] = f
	}
	return f, err
}

func (c *canvas) bar(x, y, w, h int, ink color.Color) {
	draw.Draw(c, image.Rect(x, y, x+w, y+h), image.NewUniform(ink), image.Point{}, draw.Src)
}

func (c *canvas) write(text string, size float64, x, y int, ink color.Color) error {
	f, err := c.face(size)
	if err != nil {
		return err
	}
	d := font.Drawer{Dst: c, Src: image.NewUniform(ink), Face: f, Dot: fixed.P(x, y)}
	d.DrawString(text)
	return nil
}

func (c *canvas) width(text string, size float64) (int, error) {
	f, err := c.face(size)
	if err != nil {
		return 0, err
	}
	return font.MeasureString(f, text).Ceil(), nil
}

// Draw writes the picture as PNG.
func (s ShareCard) Draw(w io.Writer) error {
	f, err := shareFont()
	if err != nil {
		return fmt.Errorf("read the font of share pictures: %w", err)
	}
	c := &canvas{image.NewRGBA(image.Rect(0, 0, shareWidth, shareHeight)), f, map[float64]font.Face{}}
	draw.Draw(c, c.Bounds(), image.NewUniform(shareGround), image.Point{}, draw.Src)
	if err := s.draw(c); err != nil {
		return fmt.Errorf("draw a share picture: %w", err)
	}
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	return enc.Encode(w, c)
}

func (s ShareCard) draw(c *canvas) error {
	c.bar(shareMargin, 92, shareWidth-2*shareMargin, 5, shareInk)
	c.bar(shareMargin, 127, 36, 36, s.accent())
	c.bar(shareMargin+9, 137, 18, 4, shareGround) // the T of the mark
	c.bar(shareMargin+16, 137, 4, 17, shareGround)
	if err := c.write(shareable(s.Site), 32, shareMargin+52, 156, shareInk); err != nil {
		return err
	}
	right := shareWidth - shareMargin
	if s.Issue > 0 {
		number := fmt.Sprint(s.Issue)
		size := 250.0
		if len(number) > 3 {
			size = 180
		}
		n, err := c.width(number, size)
		if err != nil {
			return err
		}
		right -= n + 86
		if err := c.write(number, size, right, 470, shareInk); err != nil {
			return err
		}
		if err := c.write("호", 56, right+n+18, 470, s.accent()); err != nil {
			return err
		}
		right -= 48
	}
	if err := s.title(c, right-shareMargin); err != nil {
		return err
	}
	return c.write(shareable(s.Foot), 28, shareMargin, 548, shareSoft)
}

// title is as large as its lines allow: at most four, the last cut short.
func (s ShareCard) title(c *canvas, width int) error {
	text := shareable(s.Title)
	var lines []string
	size := 76.0
	for ; ; size -= 8 {
		f, err := c.face(size)
		if err != nil {
			return err
		}
		lines = wrap(f, text, width)
		if len(lines) <= 3 || size <= 52 && len(lines) <= 4 || size <= 44 {
			break
		}
	}
	if len(lines) > 4 {
		lines = append(lines[:3], strings.TrimRight(lines[3], " ")+"…")
	}
	step := int(size * 1.3)
	y := 345 - (len(lines)-1)*step/2 + int(size*0.35)
	for _, l := range lines {
		if err := c.write(l, size, shareMargin, y, shareInk); err != nil {
			return err
		}
		y += step
	}
	return nil
}

// wrap breaks between words, and within one that is wider than the line.
func wrap(f font.Face, text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		for {
			tried := strings.TrimLeft(line+" "+word, " ")
			if font.MeasureString(f, tried).Ceil() <= width {
				line = tried
				break
			}
			if line != "" {
				lines, line = append(lines, line), ""
				continue
			}
			cut := len(word)
			runes := []rune(word)
			for n := len(runes) - 1; n > 0; n-- {
				if part := string(runes[:n]); font.MeasureString(f, part).Ceil() <= width {
					cut = len(part)
					break
				}
			}
			if cut == len(word) { // not even one letter: the line is as wide as it is
				line = word
				break
			}
			lines, word = append(lines, word[:cut]), word[cut:]
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// shareable leaves out what the font has no picture of: emoji, mostly.
func shareable(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.So, r) || unicode.Is(unicode.Sk, r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, text)), " ")
}

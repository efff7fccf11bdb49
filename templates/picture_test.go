package templates_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	"techissue/templates"
)

func pngOf(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// photo is a JPEG 40 by 20, red on the left, with an EXIF segment that says how the camera was held and where.
func photo(t *testing.T, turn uint16) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 40, 20))
	for y := range 20 {
		for x := range 40 {
			c := color.RGBA{0, 0, 255, 255}
			if x < 20 {
				c = color.RGBA{255, 0, 0, 255}
			}
			img.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	tiff := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00서울시 보기구")
	binary.LittleEndian.PutUint16(tiff[18:], turn)
	exif := append([]byte("Exif\x00\x00"), tiff...)
	head := []byte{0xFF, 0xD8, 0xFF, 0xE1, 0, byte(len(exif) + 2)}
	return append(append(head, exif...), b.Bytes()[2:]...)
}

// S34: an upload is judged by its bytes, bounded before a pixel is read, and drawn anew without what came along in it.
func TestReadPicture(t *testing.T) {
	t.Parallel()
	huge := pngOf(t, 4, 4)
	binary.BigEndian.PutUint32(huge[16:], 30_000)
	binary.BigEndian.PutUint32(huge[20:], 30_000)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"a page", []byte("<!doctype html><script>alert(1)</script>"), templates.ErrNoPicture},
		{"a drawing with scripts", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), templates.ErrNoPicture},
		{"nothing", nil, templates.ErrNoPicture},
		{"the head of a picture alone", pngOf(t, 4, 4)[:20], templates.ErrNoPicture},
		{"30,000 by 30,000 pixels that were never sent", huge, templates.ErrPictureTooLarge},
		{"a page that begins like a GIF", []byte("GIF89a<script>alert(1)</script>"), templates.ErrNoPicture},
	} {
		if p, err := templates.ReadPicture(c.data); c.want == nil || !errors.Is(err, c.want) && !(c.want == templates.ErrNoPicture && errors.Is(err, templates.ErrPictureTooLarge)) {
			t.Errorf("%s: %d bytes, %v", c.name, len(p.Data), err)
		}
	}
	behind := append(pngOf(t, 3000, 30), []byte("<script>alert(1)</script>")...)
	p, err := templates.ReadPicture(behind)
	if err != nil || p.Width != 1600 || p.Height != 16 || p.Ending != "png" || bytes.Contains(p.Data, []byte("script")) {
		t.Errorf("a wide picture became %d by %d %s, %v", p.Width, p.Height, p.Ending, err)
	}
	for turn, redAt := range map[uint16]image.Point{1: {5, 10}, 3: {35, 10}, 6: {10, 5}, 8: {10, 35}} {
		p, err := templates.ReadPicture(photo(t, turn))
		if err != nil || p.Ending != "jpg" || bytes.Contains(p.Data, []byte("서울시")) || bytes.Contains(p.Data, []byte("Exif")) {
			t.Fatalf("a photograph held %d: %s, %v", turn, p.Ending, err)
		}
		img, err := jpeg.Decode(bytes.NewReader(p.Data))
		if err != nil {
			t.Fatal(err)
		}
		if r, _, b, _ := img.At(redAt.X, redAt.Y).RGBA(); r < b || img.Bounds().Dx() != p.Width {
			t.Errorf("held %d, red is not at %v of %v", turn, redAt, img.Bounds())
		}
	}
}

// A GIF that moves goes on moving; one of a thousand frames is refused.
func TestMovingPicture(t *testing.T) {
	t.Parallel()
	frames := func(n int) []byte {
		g := &gif.GIF{}
		for range n {
			g.Image = append(g.Image, image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{color.Black, color.White}))
			g.Delay = append(g.Delay, 10)
			g.Disposal = append(g.Disposal, gif.DisposalBackground)
		}
		var b bytes.Buffer
		if err := gif.EncodeAll(&b, g); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	p, err := templates.ReadPicture(frames(3))
	if err != nil || p.Ending != "gif" {
		t.Fatalf("%s, %v", p.Ending, err)
	}
	if g, err := gif.DecodeAll(bytes.NewReader(p.Data)); err != nil || len(g.Image) != 3 {
		t.Errorf("%d frames, %v", len(g.Image), err)
	}
	if p, err := templates.ReadPicture(frames(1)); err != nil || p.Ending != "png" {
		t.Errorf("a still one became %s, %v", p.Ending, err)
	}
	if _, err := templates.ReadPicture(frames(1000)); !errors.Is(err, templates.ErrPictureTooLarge) {
		t.Errorf("a thousand frames: %v", err)
	}
}

package templates_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"testing"

	"techissue/templates"
)

func drawnPNG(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCropHasTheShapeOfACover(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ w, h, width, wantW, wantH int }{{1600, 1600, 1200, 1200, 630}, {1600, 400, 600, 600, 315}, {800, 600, 1200, 800, 420}, {3, 900, 600, 3, 2}, {900, 1, 600, 1, 1}} {
		data, err := templates.Crop(drawnPNG(t, c.w, c.h), c.width)
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil || img.Bounds().Dx() != c.wantW || img.Bounds().Dy() != c.wantH {
			t.Errorf("%dx%d at %d became %v, %v", c.w, c.h, c.width, img.Bounds(), err)
		}
	}
	if _, err := templates.Crop([]byte("<svg onload=alert(1)>"), 600); err == nil {
		t.Error("a page was cropped")
	}
}

func TestLogoIsOpaqueAndSmall(t *testing.T) {
	t.Parallel()
	p, err := templates.ReadLogo(drawnPNG(t, 900, 300)) // wholly transparent
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(p.Data))
	if err != nil || p.Width != 360 || p.Height != 120 {
		t.Fatalf("%dx%d, %v", p.Width, p.Height, err)
	}
	if r, g, b, a := img.At(5, 5).RGBA(); a != 0xffff || r>>8 != 0xff || g>>8 != 0xfd || b>>8 != 0xf9 {
		t.Errorf("the ground is %x %x %x %x", r>>8, g>>8, b>>8, a>>8)
	}
	for _, shape := range [][2]int{{8, 8}, {2000, 20}, {20, 200}} {
		if _, err := templates.ReadLogo(drawnPNG(t, shape[0], shape[1])); !errors.Is(err, templates.ErrLogoShape) {
			t.Errorf("%v: %v", shape, err)
		}
	}
}

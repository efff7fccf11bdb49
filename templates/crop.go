package templates

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"
)

// Sizes of what pages make of the library's pictures: a cover above an article, half of it in lists, a logo at three times its height on a page.
const (
	CoverWidth, CoverHeight = 1200, 630
	logoWidth, logoHeight   = 600, 120
)

// paper lies under what is not opaque: mail programs in the dark would show it on black.
var paper = color.RGBA{0xff, 0xfd, 0xf9, 0xff}

// Crop cuts a picture of the library to 1.91:1 around its middle and draws it at most width pixels wide, as JPEG. A small one stays as it is.
func Crop(data []byte, width int) ([]byte, error) {
	src, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("crop a picture: %w", err)
	}
	b := src.Bounds()
	w, h := b.Dx(), b.Dy()
	if w*CoverHeight > h*CoverWidth {
		w = max(1, h*CoverWidth/CoverHeight)
	} else {
		h = max(1, w*CoverHeight/CoverWidth)
	}
	cut := image.Rect(0, 0, w, h).Add(b.Min).Add(image.Pt((b.Dx()-w)/2, (b.Dy()-h)/2))
	w = min(w, width)
	var out bytes.Buffer
	err = jpeg.Encode(&out, onPaper(src, cut, w, max(1, (w*CoverHeight+CoverWidth/2)/CoverWidth)), &jpeg.Options{Quality: jpegQuality})
	return out.Bytes(), err
}

// ErrLogoShape tells that a picture is too small or too long to be a logo.
var ErrLogoShape = errors.New("a logo is at least 16 pixels high and wide, at most 12 times as wide as high and 3 times as high as wide")

// ReadLogo judges an upload like ReadPicture and makes a logo of it: at most 600 by 120, opaque.
func ReadLogo(data []byte) (Picture, error) {
	p, err := ReadPicture(data)
	if err != nil {
		return Picture{}, err
	}
	src, _, err := image.Decode(bytes.NewReader(p.Data))
	if err != nil {
		return Picture{}, fmt.Errorf("read a logo: %w", err)
	}
	w, h := src.Bounds().Dx(), src.Bounds().Dy()
	if w < 16 || h < 16 || w > 12*h || h > 3*w {
		return Picture{}, ErrLogoShape
	}
	scale := min(1, float64(logoHeight)/float64(h), float64(logoWidth)/float64(w))
	img := onPaper(src, src.Bounds(), max(1, int(float64(w)*scale+.5)), max(1, int(float64(h)*scale+.5)))
	var out bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if err := enc.Encode(&out, img); err != nil {
		return Picture{}, fmt.Errorf("draw a logo: %w", err)
	}
	return Picture{out.Bytes(), "png", img.Bounds().Dx(), img.Bounds().Dy()}, nil
}

func onPaper(src image.Image, part image.Rectangle, w, h int) *image.RGBA {
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(dst, dst.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	draw.CatmullRom.Scale(dst, dst.Bounds(), src, part, draw.Over, nil)
	return dst
}

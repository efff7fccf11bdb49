package templates

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"net/http"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // image.Decode knows it then
)

// Picture is an upload drawn anew (S34): what came along in the file — places, names, scripts behind the picture — is gone.
type Picture struct {
	Data          []byte
	Ending        string // jpg, png, gif
	Width, Height int
}

const (
	maxPixels    = 40_000_000 // of an upload; more is refused before a pixel is read
	maxFrames    = 300
	pictureWidth = 1600 // twice the widest place that shows one
	jpegQuality  = 82
)

// Faults of an upload.
var (
	ErrNoPicture       = errors.New("not a JPEG, PNG, GIF or WebP picture")
	ErrPictureTooLarge = errors.New("the picture has too many pixels")
)

// ReadPicture judges an upload by its bytes and draws it anew, at most 1600 pixels wide. A moving GIF goes on moving.
func ReadPicture(data []byte) (Picture, error) {
	switch http.DetectContentType(data) {
	case "image/jpeg", "image/png", "image/gif", "image/webp":
	default:
		return Picture{}, ErrNoPicture
	}
	c, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || c.Width <= 0 || c.Height <= 0 {
		return Picture{}, ErrNoPicture
	}
	if c.Width > maxPixels/c.Height {
		return Picture{}, ErrPictureTooLarge
	}
	if format == "gif" {
		if p, err := moving(data, c); err != nil || p.Data != nil {
			return p, err
		}
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return Picture{}, ErrNoPicture
	}
	img = fit(img)
	if format == "jpeg" {
		img = upright(img, orientation(data))
	}
	return encodePicture(img, format)
}

// moving keeps a GIF with several frames as one; its size is what it was, since frames lie over each other. Data is nil for a still one.
func moving(data []byte, c image.Config) (Picture, error) {
	frames := bytes.Count(data, []byte{0x21, 0xF9, 0x04}) // graphic control extensions, one before each frame
	if frames > maxFrames || frames*c.Width > 4*maxPixels/c.Height {
		return Picture{}, ErrPictureTooLarge
	}
	g, err := gif.DecodeAll(bytes.NewReader(data))
	if err != nil {
		return Picture{}, ErrNoPicture
	}
	if len(g.Image) < 2 {
		return Picture{}, nil
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		return Picture{}, fmt.Errorf("draw a GIF anew: %w", err)
	}
	return Picture{b.Bytes(), "gif", c.Width, c.Height}, nil
}

func encodePicture(img image.Image, format string) (Picture, error) {
	p := Picture{Width: img.Bounds().Dx(), Height: img.Bounds().Dy()}
	var b bytes.Buffer
	var err error
	if opaque(img) && format != "png" && format != "gif" {
		p.Ending, err = "jpg", jpeg.Encode(&b, img, &jpeg.Options{Quality: jpegQuality})
	} else {
		p.Ending, err = "png", png.Encode(&b, img)
	}
	if err != nil {
		return Picture{}, fmt.Errorf("draw a picture anew: %w", err)
	}
	p.Data = b.Bytes()
	return p, nil
}

func opaque(img image.Image) bool {
	o, ok := img.(interface{ Opaque() bool })
	return ok && o.Opaque()
}

// fit makes a picture no wider than it can be shown. Every picture is copied, so that nothing of an odd model of colours is left.
func fit(img image.Image) image.Image {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if w > pictureWidth {
		w, h = pictureWidth, max(1, h*pictureWidth/w)
	}
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	if w == b.Dx() {
		draw.Draw(out, out.Bounds(), img, b.Min, draw.Src)
	} else {
		draw.CatmullRom.Scale(out, out.Bounds(), img, b, draw.Src, nil)
	}
	return out
}

// upright turns a photograph as its camera says (EXIF 2.3, 4.6.4 A, Orientation).
func upright(img image.Image, turn int) image.Image {
	if turn < 2 || turn > 8 {
		return img
	}
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	if turn >= 5 {
		out = image.NewNRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			tx, ty := x, y
			switch turn {
			case 2:
				tx = w - 1 - x
			case 3:
				tx, ty = w-1-x, h-1-y
			case 4:
				ty = h - 1 - y
			case 5:
				tx, ty = y, x
			case 6:
				tx, ty = h-1-y, x
			case 7:
				tx, ty = h-1-y, w-1-x
			case 8:
				tx, ty = y, w-1-x
			}
			out.SetNRGBA(tx, ty, color.NRGBAModel.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA))
		}
	}
	return out
}

// orientation finds the tag 0x0112 in a JPEG's EXIF segment; 1 where there is none.
func orientation(data []byte) int {
	for at := 2; at+4 <= len(data) && data[at] == 0xFF; {
		kind, size := data[at+1], int(binary.BigEndian.Uint16(data[at+2:]))
		if kind == 0xDA || size < 2 || at+2+size > len(data) {
			break
		}
		if segment := data[at+4 : at+2+size]; kind == 0xE1 && bytes.HasPrefix(segment, []byte("Exif\x00\x00")) {
			return orientationOf(segment[6:])
		}
		at += 2 + size
	}
	return 1
}

func orientationOf(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if tiff[0] == 'M' {
		order = binary.BigEndian
	}
	begin := int(order.Uint32(tiff[4:]))
	if begin < 8 || begin+2 > len(tiff) {
		return 1
	}
	for n := range int(order.Uint16(tiff[begin:])) {
		at := begin + 2 + 12*n
		if at+12 > len(tiff) {
			break
		}
		if order.Uint16(tiff[at:]) == 0x0112 {
			return int(order.Uint16(tiff[at+8:]))
		}
	}
	return 1
}

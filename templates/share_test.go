package templates_test

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"techissue/templates"
)

// Share pictures are 1200 by 630, keep within messengers' size, and their words stay between the margins.
func TestSharePictures(t *testing.T) {
	t.Parallel()
	for name, card := range map[string]templates.ShareCard{
		"issue":   {Site: "테크잇슈", Title: "작은 칩이 바꾸는 집, 그리고 이번 주 소식", Foot: "이재훈 · 2026년 11월 23일", Issue: 12},
		"article": {Site: "테크잇슈", Title: "작은 칩이 바꾸는 집, 어디까지 왔을까?", Foot: "이재훈 · 2026년 11월 23일"},
		"long":    {Site: "테크잇슈", Title: strings.Repeat("아주 긴 제목이 이어지고 또 이어져서 ", 12), Foot: "이재훈", Issue: 12345},
		"word":    {Site: "테크잇슈", Title: strings.Repeat("띄어쓰기없는낱말", 20), Issue: 7},
		"emoji":   {Site: "테크잇슈 🚀", Title: "AI 👩‍💻 이야기 ✨"},
		"empty":   {},
	} {
		var buf bytes.Buffer
		if err := card.Draw(&buf); err != nil {
			t.Fatal(name, err)
		}
		if dir := os.Getenv("SHOTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, "share-"+name+".png"), buf.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if buf.Len() > 200<<10 {
			t.Errorf("%s: %d bytes", name, buf.Len())
		}
		picture, err := png.Decode(&buf)
		if err != nil {
			t.Fatal(name, err)
		}
		if b := picture.Bounds(); b.Dx() != 1200 || b.Dy() != 630 {
			t.Errorf("%s: %v", name, b)
		}
		ground := picture.At(0, 0)
		ink := 0
		for y := range 630 {
			for x := range 1200 {
				if picture.At(x, y) == ground {
					continue
				}
				ink++
				if x < 60 || x >= 1140 || y < 15 || y >= 615 {
					t.Fatalf("%s: ink at %d, %d is cut off by some messenger", name, x, y)
				}
			}
		}
		if ink < 5000 {
			t.Errorf("%s: only %d points of ink", name, ink)
		}
	}
}

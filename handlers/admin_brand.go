package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"techissue/newsletter"
	"techissue/templates"
)

// brandView is the brand as it stands in the form, with what the colour becomes.
type brandView struct {
	Accent, Tagline string
	Logo            templates.Logo
	Colours         templates.Brand
	Darkened        bool // the colour was too light for text on paper
	Faults          faults
}

func (s *server) brand(c echo.Context) error {
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	return s.showBrand(c, http.StatusOK, house, brandView{Accent: house.Accent, Tagline: house.Tagline})
}

func (s *server) showBrand(c echo.Context, status int, h newsletter.House, v brandView) error {
	logo := h.Sign()
	v.Logo = templates.LogoRoom(logo.Path, logo.Width, logo.Height)
	var err error
	if v.Colours, err = templates.NewBrand(h.Accent); err != nil {
		return err
	}
	v.Darkened = h.Accent != "" && v.Colours.Accent != h.Accent
	return s.deskPage(c, status, "admin/brand", "settings", "브랜드", v)
}

// saveBrand keeps logo, colour and sentence, all or none.
func (s *server) saveBrand(c echo.Context) error {
	ctx := c.Request().Context()
	house, err := s.readHouse(c)
	if err != nil {
		return err
	}
	v := brandView{Accent: strings.TrimSpace(c.FormValue("accent")), Tagline: strings.TrimSpace(c.FormValue("tagline"))}
	if v.Accent != "" && !strings.HasPrefix(v.Accent, "#") {
		v.Accent = "#" + v.Accent
	}
	values := map[string]string{"accent": v.Accent, "tagline": v.Tagline}
	if ticked(c, "no_logo") {
		values["logo"] = ""
	}
	if f, missing := c.FormFile("logo"); missing == nil && f.Size > 0 {
		values["logo"], err = s.keepLogo(ctx, actorOf(c), f)
	}
	if err == nil {
		err = s.svc.PutSettings(ctx, actorOf(c), values)
	}
	if wrong, status, ok := faultsFrom(err); ok {
		v.Faults = wrong
		return s.showBrand(c, status, house, v)
	}
	if err != nil {
		return err
	}
	return doneAt(c, "/admin/settings/brand", "saved")
}

// keepLogo puts an uploaded logo into the library and tells what the setting says of it.
func (s *server) keepLogo(ctx context.Context, actor string, f *multipart.FileHeader) (string, error) {
	bad := func(msg string) error { return &newsletter.Error{Kind: newsletter.Invalid, Field: "logo", Msg: msg} }
	if f.Size > pictureBytes {
		return "", bad("그림 하나는 10MB까지 올릴 수 있어요.")
	}
	file, err := f.Open()
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	s.drawing.Lock()
	p, err := templates.ReadLogo(data)
	s.drawing.Unlock()
	switch {
	case errors.Is(err, templates.ErrNoPicture):
		return "", bad("JPEG, PNG, GIF, WebP 그림만 올릴 수 있어요.")
	case errors.Is(err, templates.ErrPictureTooLarge):
		return "", bad("그림이 너무 커요. 4천만 화소까지 올릴 수 있어요.")
	case errors.Is(err, templates.ErrLogoShape):
		return "", bad("로고는 가로세로 16픽셀 이상이고, 가로가 세로의 12배를 넘지 않는 그림이어야 해요.")
	case err != nil:
		return "", err
	}
	m, err := s.svc.AddMedia(ctx, actor, f.Filename, "로고", newsletter.Picture(p))
	return fmt.Sprintf("%s %dx%d", m.Name, m.Width, m.Height), err
}

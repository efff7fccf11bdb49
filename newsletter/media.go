package newsletter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// Media is a picture of the house's own: what an upload became after it was drawn anew.
type Media struct {
	ID            int64
	Name          string // random, with the ending of its kind; its address is /media/NAME
	File          string // what it was called where it came from, for the editor's eye only
	Alt           string
	Width, Height int
	Bytes         int64
	Sum           string // of the bytes: the same picture twice is one
	CreatedAt     time.Time
}

// Path is where the picture is on the site.
func (m Media) Path() string { return "/media/" + m.Name }

// MediaTx keeps what is known of pictures.
type MediaTx interface {
	// PutMedia inserts (ID 0, which it sets) or changes the alt text.
	PutMedia(ctx context.Context, m *Media) error
	Media(ctx context.Context, id int64) (Media, error)
	MediaByName(ctx context.Context, name string) (Media, error)
	MediaBySum(ctx context.Context, sum string) (Media, error)
	// MediaList lists the newest first.
	MediaList(ctx context.Context, query string, cursor int64, limit int) ([]Media, error)
	DeleteMedia(ctx context.Context, id int64) error
	// MediaUsed counts the articles and issues, frozen ones too, in which a picture's address stands.
	MediaUsed(ctx context.Context, name string) (int64, error)
}

// Files keeps the bytes of pictures under plain names without folders. Put returns when they are on disk.
type Files interface {
	Put(name string, data []byte) error
	// Get answers NotFound for a name that is not there.
	Get(name string) ([]byte, error)
	Delete(name string) error
}

// Picture is an upload that was read and drawn anew: nothing of the file that came is in it.
type Picture struct {
	Data          []byte
	Ending        string // jpg, png, gif
	Width, Height int
}

const maxAlt = 300 // characters

func (s *Service) files() (Files, error) {
	if s.opt.Files == nil {
		return nil, &Error{Kind: Unavailable, Msg: "지금은 그림을 둘 곳이 없어요."}
	}
	return s.opt.Files, nil
}

// AddMedia keeps a picture. One with the same bytes is kept once, under the name that it has already.
func (s *Service) AddMedia(ctx context.Context, actor, file, alt string, p Picture) (Media, error) {
	files, err := s.files()
	if err != nil {
		return Media{}, err
	}
	if alt, err = CleanLine(alt, maxAlt); err != nil {
		return Media{}, at("alt", err)
	}
	sum := sha256.Sum256(p.Data)
	m := Media{
		Name: Random(12) + "." + p.Ending, File: cardText(file, 100), Alt: alt, Width: p.Width, Height: p.Height, Bytes: int64(len(p.Data)),
		Sum: hex.EncodeToString(sum[:]), CreatedAt: s.opt.Now(),
	}
	known, err := get(ctx, s, func(tx Tx) (Media, error) { return tx.MediaBySum(ctx, m.Sum) })
	if there, err := found(err); err != nil || there {
		return known, err
	}
	// The file is on disk before a row names it: a crash between leaves a file that nobody knows, never a hole in a page.
	if err := files.Put(m.Name, p.Data); err != nil {
		return Media{}, fmt.Errorf("keep a picture: %w", err)
	}
	err = s.update(ctx, func(tx Tx) error {
		m.ID = 0
		if err := tx.PutMedia(ctx, &m); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "media_add", mediaName(m.ID), m.Name)
	})
	if err != nil {
		return Media{}, fmt.Errorf("keep a picture: %w", err)
	}
	return m, nil
}

func mediaName(id int64) string { return fmt.Sprintf("media:%d", id) }

// MediaFile returns a picture's bytes. NotFound for a name that no row has, whatever lies in the folder.
func (s *Service) MediaFile(ctx context.Context, name string) (Media, []byte, error) {
	files, err := s.files()
	if err != nil {
		return Media{}, nil, err
	}
	m, err := get(ctx, s, func(tx Tx) (Media, error) { return tx.MediaByName(ctx, name) })
	if err != nil {
		return Media{}, nil, err
	}
	data, err := files.Get(m.Name)
	return m, data, err
}

// MediaList lists the newest pictures first and tells whether there are more.
func (s *Service) MediaList(ctx context.Context, query string, cursor int64, limit int) ([]Media, bool, error) {
	limit = pageLimit(limit)
	query = norm.NFC.String(strings.TrimSpace(query))
	rows, err := get(ctx, s, func(tx Tx) ([]Media, error) { return tx.MediaList(ctx, query, cursor, limit) })
	rows, more := page(rows, limit)
	return rows, more, err
}

// DescribeMedia changes the text that stands for a picture. Texts that show the picture keep theirs.
func (s *Service) DescribeMedia(ctx context.Context, actor string, id int64, alt string) (Media, error) {
	alt, err := CleanLine(alt, maxAlt)
	if err != nil {
		return Media{}, at("alt", err)
	}
	var m Media
	err = s.update(ctx, func(tx Tx) (err error) {
		if m, err = tx.Media(ctx, id); err != nil {
			return err
		}
		m.Alt = alt
		if err := tx.PutMedia(ctx, &m); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "media_describe", mediaName(id), "")
	})
	return m, err
}

// DeleteMedia removes a picture. Conflict (code used) while an article or an issue shows it: letters in somebody's inbox would have a hole.
func (s *Service) DeleteMedia(ctx context.Context, actor string, id int64) error {
	files, err := s.files()
	if err != nil {
		return err
	}
	var m Media
	err = s.update(ctx, func(tx Tx) (err error) {
		if m, err = tx.Media(ctx, id); err != nil {
			return err
		}
		n, err := tx.MediaUsed(ctx, m.Name)
		if err != nil {
			return err
		}
		if n > 0 {
			return &Error{Kind: Conflict, Code: "used", Msg: fmt.Sprintf("이 그림을 쓰는 글이 %d개 있어서 지울 수 없어요.", n)}
		}
		if err := tx.DeleteMedia(ctx, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "media_delete", mediaName(id), m.Name)
	})
	if err != nil {
		return err
	}
	return files.Delete(m.Name)
}

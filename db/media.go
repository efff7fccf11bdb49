package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"techissue/newsletter"
)

const mediaColumns = `SELECT id, name, file, alt, width, height, bytes, sum, created_at FROM media WHERE TRUE`

func scanMedia(r scanner) (m newsletter.Media, err error) {
	return m, r.Scan(&m.ID, &m.Name, &m.File, &m.Alt, &m.Width, &m.Height, &m.Bytes, &m.Sum, asTime(&m.CreatedAt))
}

// PutMedia inserts, or changes the alt text.
func (t *Tx) PutMedia(ctx context.Context, m *newsletter.Media) (err error) {
	if m.ID != 0 {
		return t.swap(ctx, errNoMedia(), `UPDATE media SET alt = ? WHERE id = ?`, m.Alt, m.ID)
	}
	m.ID, err = t.insert(ctx, `INSERT INTO media (name, file, alt, width, height, bytes, sum, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		m.Name, m.File, m.Alt, m.Width, m.Height, m.Bytes, m.Sum, ms(m.CreatedAt))
	return err
}

func errNoMedia() error {
	return &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 그림이에요."}
}

// Media returns one by id.
func (t *Tx) Media(ctx context.Context, id int64) (newsletter.Media, error) {
	m, err := scanMedia(t.queryRow(ctx, mediaColumns+` AND id = ?`, id))
	return m, missing(err, "없는 그림이에요.")
}

// MediaByName returns one by its name.
func (t *Tx) MediaByName(ctx context.Context, name string) (newsletter.Media, error) {
	m, err := scanMedia(t.queryRow(ctx, mediaColumns+` AND name = ?`, name))
	return m, missing(err, "없는 그림이에요.")
}

// MediaBySum finds the oldest with these bytes.
func (t *Tx) MediaBySum(ctx context.Context, sum string) (newsletter.Media, error) {
	m, err := scanMedia(t.queryRow(ctx, mediaColumns+` AND sum = ? ORDER BY id LIMIT 1`, sum))
	return m, missing(err, "없는 그림이에요.")
}

// MediaList lists the newest first.
func (t *Tx) MediaList(ctx context.Context, query string, cursor int64, limit int) ([]newsletter.Media, error) {
	var w where
	if query != "" {
		w.and(`(alt {{like}} ? ESCAPE '\' OR file {{like}} ? ESCAPE '\')`, contains(query), contains(query))
	}
	if cursor > 0 {
		w.and(`id < ?`, cursor)
	}
	return list(ctx, t, scanMedia, mediaColumns+w.text+` ORDER BY id DESC LIMIT ?`, append(w.args, limit+1)...)
}

// DeleteMedia removes one.
func (t *Tx) DeleteMedia(ctx context.Context, id int64) error {
	return t.swap(ctx, errNoMedia(), `DELETE FROM media WHERE id = ?`, id)
}

const mediaUsed = `
SELECT (SELECT COUNT(*) FROM articles WHERE cover = ? OR body {{like}} ? ESCAPE '\')
	+ (SELECT COUNT(*) FROM issues WHERE intro {{like}} ? ESCAPE '\' OR outro {{like}} ? ESCAPE '\' OR sponsor {{like}} ? ESCAPE '\')
	+ (SELECT COUNT(*) FROM editions WHERE snapshot {{like}} ? ESCAPE '\')
	+ (SELECT COUNT(*) FROM settings WHERE name = 'logo' AND value LIKE ?)`

// MediaUsed counts where a picture's address stands. The desk asks it before one is deleted, nobody else.
func (t *Tx) MediaUsed(ctx context.Context, name string) (n int64, err error) {
	at := contains("/media/" + name)
	return n, t.queryRow(ctx, mediaUsed, "/media/"+name, at, at, at, at, at, name+" %").Scan(&n)
}

// Files keeps pictures in one folder. Names never lead out of it (S35). It may be used from several goroutines.
type Files struct{ root *os.Root }

// OpenFiles opens the folder, and makes it where there is none.
func OpenFiles(dir string) (*Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("uploads folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("uploads folder: %w", err)
	}
	return &Files{root}, nil
}

// Close lets the folder go.
func (f *Files) Close() error { return f.root.Close() }

// Put writes a file that nobody has yet and returns when it is on disk.
func (f *Files) Put(name string, data []byte) error {
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return errors.Join(err, f.root.Remove(name))
	}
	return nil
}

// Get reads a file.
func (f *Files) Get(name string) ([]byte, error) {
	data, err := f.root.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoMedia()
	}
	return data, err
}

// Delete removes a file; one that is gone already is no fault.
func (f *Files) Delete(name string) error {
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

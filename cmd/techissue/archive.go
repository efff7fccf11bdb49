package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// A backup is one tar file, compressed when its name ends in .gz or .tgz: the manifest, the database, what lies beside it, and last the
// checksums, by which a file that was cut off is known.
const (
	archiveFormat   = 1
	archiveManifest = "manifest.json"
	archiveDatabase = "techissue.db"
	archiveSecret   = "secret"
	archiveDKIM     = "dkim.pem"
	archiveLeavers  = "leavers.log"
	archiveUploads  = "uploads/"
	archiveSums     = "SHA256SUMS"
)

// manifest says what a backup holds.
type manifest struct {
	Format  int       `json:"format"`
	Program string    `json:"program"`
	At      time.Time `json:"at"`
	// LeaversUntil is the moment up to which the log inside knows who left.
	LeaversUntil time.Time `json:"leavers_until"`
	Keys         bool      `json:"keys"`
	Final        bool      `json:"final"`
	DKIMDomain   string    `json:"dkim_domain,omitempty"`
	DKIMSelector string    `json:"dkim_selector,omitempty"`
}

// archiveWriter writes one.
type archiveWriter struct {
	out  *bufio.Writer
	zip  *gzip.Writer // nil: not compressed
	tar  *tar.Writer
	sums strings.Builder
	now  time.Time
}

func newArchive(to io.Writer, name string, now time.Time) (*archiveWriter, error) {
	w := &archiveWriter{out: bufio.NewWriterSize(to, 1<<20), now: now}
	var inner io.Writer = w.out
	if strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".tgz") {
		zip, err := gzip.NewWriterLevel(w.out, gzip.BestSpeed)
		if err != nil {
			return nil, err
		}
		w.zip, inner = zip, zip
	}
	w.tar = tar.NewWriter(inner)
	return w, nil
}

// add writes size bytes of r.
func (w *archiveWriter) add(ctx context.Context, name string, r io.Reader, size int64) error {
	head := &tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: w.now, Format: tar.FormatPAX}
	if err := w.tar.WriteHeader(head); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w.tar, sum), &ctxReader{ctx, io.LimitReader(r, size)}); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if name != archiveSums {
		fmt.Fprintf(&w.sums, "%x  %s\n", sum.Sum(nil), name)
	}
	return nil
}

// addFile adds a file, as long as it is now; one that is not there is left out.
func (w *archiveWriter) addFile(ctx context.Context, name, path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return w.add(ctx, name, f, info.Size())
}

// addFolder adds the plain files of a folder and of those in it.
func (w *archiveWriter) addFolder(ctx context.Context, name, folder string) error {
	err := filepath.WalkDir(folder, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(folder, p)
		if err != nil {
			return err
		}
		return w.addFile(ctx, name+filepath.ToSlash(rel), p)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (w *archiveWriter) addJSON(ctx context.Context, name string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return w.add(ctx, name, strings.NewReader(string(raw)), int64(len(raw)))
}

// close writes the checksums and the end.
func (w *archiveWriter) close(ctx context.Context) error {
	sums := w.sums.String()
	err := w.add(ctx, archiveSums, strings.NewReader(sums), int64(len(sums)))
	err = errors.Join(err, w.tar.Close())
	if w.zip != nil {
		err = errors.Join(err, w.zip.Close())
	}
	return errors.Join(err, w.out.Flush())
}

// ctxReader ends a long copy when ctx does.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// errArchive says that a file is no backup of ours, or no whole one.
type errArchive struct{ path, why string }

func (e *errArchive) Error() string { return fmt.Sprintf("%s is no whole backup: %s", e.path, e.why) }

// unpack writes a backup into an empty folder and compares every checksum. It writes only names that a backup has.
func unpack(ctx context.Context, file, folder string) (m manifest, err error) {
	f, err := os.Open(file)
	if err != nil {
		return m, err
	}
	defer f.Close()
	r, err := archiveReader(f)
	if err != nil {
		return m, &errArchive{file, err.Error()}
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return m, err
	}
	defer root.Close()
	have, want := map[string]string{}, ""
	for tr := tar.NewReader(&ctxReader{ctx, r}); ; {
		head, err := tr.Next()
		if err == io.EOF {
			break
		}
		if ctx.Err() != nil {
			return m, ctx.Err()
		}
		if err != nil {
			return m, &errArchive{file, err.Error()}
		}
		if !archiveName(head) {
			return m, &errArchive{file, fmt.Sprintf("it holds %q", head.Name)}
		}
		sum := sha256.New()
		if err := unpackOne(root, head, io.TeeReader(tr, sum), &m, &want); err != nil {
			if ctx.Err() != nil {
				return m, ctx.Err()
			}
			return m, &errArchive{file, err.Error()}
		}
		have[head.Name] = hex.EncodeToString(sum.Sum(nil))
	}
	return m, compareSums(file, m, have, want)
}

func archiveReader(f io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(f, 1<<20)
	magic, err := in.Peek(2)
	if err != nil {
		return nil, errors.New("it is empty")
	}
	if magic[0] == 0x1f && magic[1] == 0x8b {
		return gzip.NewReader(in)
	}
	return in, nil
}

// archiveName tells whether an entry belongs into a backup: nothing of it is ever written outside of the folder.
func archiveName(head *tar.Header) bool {
	if head.Typeflag != tar.TypeReg {
		return false
	}
	switch head.Name {
	case archiveManifest, archiveDatabase, archiveSecret, archiveDKIM, archiveLeavers, archiveSums:
		return true
	}
	inner, ok := strings.CutPrefix(head.Name, archiveUploads)
	return ok && inner != "" && path.Clean(inner) == inner && filepath.IsLocal(filepath.FromSlash(inner)) && !strings.ContainsAny(inner, "\\\x00")
}

func unpackOne(root *os.Root, head *tar.Header, r io.Reader, m *manifest, sums *string) error {
	switch head.Name {
	case archiveManifest:
		if err := json.NewDecoder(io.LimitReader(r, 1<<20)).Decode(m); err != nil {
			return fmt.Errorf("its manifest: %w", err)
		}
		if m.Format != archiveFormat {
			return fmt.Errorf("it has format %d, this program knows %d", m.Format, archiveFormat)
		}
		_, err := io.Copy(io.Discard, r)
		return err
	case archiveSums:
		raw, err := io.ReadAll(io.LimitReader(r, 64<<20))
		*sums = string(raw)
		return err
	}
	if dir := path.Dir(head.Name); dir != "." {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	out, err := root.OpenFile(head.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, r); err != nil {
		out.Close()
		return err
	}
	return errors.Join(out.Sync(), out.Close())
}

func compareSums(file string, m manifest, have map[string]string, want string) error {
	if m.Format == 0 || want == "" {
		return &errArchive{file, "it was cut off"}
	}
	delete(have, archiveSums)
	n := 0
	for line := range strings.Lines(want) {
		sum, name, ok := strings.Cut(strings.TrimRight(line, "\n"), "  ")
		if !ok || have[name] != sum {
			return &errArchive{file, fmt.Sprintf("the checksum of %s does not match", name)}
		}
		n++
	}
	if n != len(have) {
		return &errArchive{file, "it holds files without a checksum"}
	}
	if _, ok := have[archiveDatabase]; !ok {
		return &errArchive{file, "it holds no database"}
	}
	return nil
}

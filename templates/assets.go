package templates

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// Assets serves the static files. Files that refer to each other (a style sheet and its fonts) form a bundle and share
// one hash, so that relative addresses inside them keep working: the bundle is the vendored package, or else
// everything of our own.
type Assets struct {
	files  fs.FS
	hashes map[string]string // of each bundle
	packed map[string][]byte // what is text, compressed once
}

const vendorDir = "vendor/"

func newAssets() (*Assets, error) {
	files, err := fs.Sub(staticFiles, "static")
	if err != nil {
		return nil, err
	}
	sums := map[string][]byte{}
	a := &Assets{files: files, hashes: map[string]string{}, packed: map[string][]byte{}}
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		if a.packed[name], err = packedText(name, data); err != nil {
			return err
		}
		b := bundleOf(name)
		sums[b] = fmt.Appendf(sums[b], "%s %x\n", name, sum) // WalkDir goes in lexical order
		return nil
	})
	if err != nil {
		return nil, err
	}
	for b, list := range sums {
		sum := sha256.Sum256(list)
		a.hashes[b] = hex.EncodeToString(sum[:6])
	}
	return a, nil
}

// packedText compresses a file that is worth it, as well as can be: it is done once and served for ever.
func packedText(name string, data []byte) ([]byte, error) {
	switch path.Ext(name) {
	case ".css", ".js", ".svg":
	default:
		return nil, nil
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err = w.Write(data); err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

// Packed is a file that Open gives, compressed; nil when it is not worth it.
func (a *Assets) Packed(name string) []byte { return a.packed[name] }

func bundleOf(name string) string {
	rest, vendored := strings.CutPrefix(name, vendorDir)
	if !vendored {
		return ""
	}
	pkg, _, _ := strings.Cut(rest, "/")
	return vendorDir + pkg
}

// URL is the address of a static file, for as long as its bundle stays the same.
func (a *Assets) URL(name string) (string, error) {
	if _, err := fs.Stat(a.files, name); err != nil {
		return "", fmt.Errorf("no static file %q", name)
	}
	return "/assets/" + a.hashes[bundleOf(name)] + "/" + name, nil
}

// Open returns a static file's content. fresh tells that the hash is the present one, so that the answer may be
// cached for ever; another one comes from a page of an older or newer version on another node. Folders, names with
// dots and everything outside do not exist.
func (a *Assets) Open(hash, name string) (data []byte, fresh bool, err error) {
	if !fs.ValidPath(name) || path.Ext(name) == "" {
		return nil, false, fs.ErrNotExist
	}
	data, err = fs.ReadFile(a.files, name)
	if err != nil {
		return nil, false, fs.ErrNotExist
	}
	return data, hash == a.hashes[bundleOf(name)], nil
}

package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/entraledger/entraledger/internal/web"
)

// index is the page's own file.
const index = "index.html"

// hashed is the folder of the files whose names change with their content.
const hashed = "assets/"

// types are the content types of the page's files, by how their names end.
var types = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

// file is one file of the page, in up to three encodings.
type file struct {
	name, kind, sum string
	plain, br, gz   []byte // br and gz may be nil
}

// read reads the files of a folder that are to be served, by name. Those whose names begin with a
// dot are the build's own.
func read(from fs.FS, folder string) (map[string]*file, error) {
	out := make(map[string]*file)
	err := fs.WalkDir(from, folder, func(at string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(at, folder+"/")
		kind := types[path.Ext(name)]
		if err != nil || entry.IsDir() || strings.HasPrefix(path.Base(name), ".") || kind == "" {
			return err
		}
		body, err := fs.ReadFile(from, at)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		f := &file{name: name, kind: kind, sum: hex.EncodeToString(sum[:16]), plain: body}
		if f.br, err = beside(from, at+".br"); err == nil {
			f.gz, err = beside(from, at+".gz")
		}
		out[name] = f
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the page's files: %w", err)
	}
	return out, nil
}

// beside is the content of a file that need not be there.
func beside(from fs.FS, name string) ([]byte, error) {
	body, err := fs.ReadFile(from, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return body, err
}

// encoded is the smallest form that a request accepts, and the name of its encoding; empty: plain.
func (f *file) encoded(accept string) (body []byte, encoding string) {
	switch {
	case f.br != nil && accepts(accept, "br"):
		return f.br, "br"
	case f.gz != nil && accepts(accept, "gzip"):
		return f.gz, "gzip"
	}
	return f.plain, ""
}

// accepts reports whether Accept-Encoding takes a coding: one with a weight of 0 is refused, and * is
// any that is not named. Source: RFC 9110, section 12.5.3.
func accepts(header, coding string) bool {
	found := false
	for part := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != coding && name != "*" {
			continue
		}
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(parameters), " ", ""), "q="); ok {
			n, err := strconv.ParseFloat(q, 64)
			if err != nil {
				return false
			}
			weight = n
		}
		if name == coding {
			return weight > 0
		}
		found = weight > 0
	}
	return found
}

// answer writes the file, or 304 where the caller has it.
func (f *file) answer() web.Answer {
	return web.Stream(func(w http.ResponseWriter, r *http.Request) error {
		body, encoding := f.encoded(r.Header.Get("Accept-Encoding"))
		tag := `"` + f.sum + `"`
		if encoding != "" {
			tag = `"` + f.sum + "-" + encoding + `"`
		}
		h := w.Header()
		protect(h)
		h.Set("Vary", "Accept-Encoding")
		h.Set("ETag", tag)
		if strings.HasPrefix(f.name, hashed) {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			h.Set("Cache-Control", "no-cache")
		}
		if has(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		h.Set("Content-Type", f.kind)
		h.Set("Content-Length", strconv.Itoa(len(body)))
		if encoding != "" {
			h.Set("Content-Encoding", encoding)
		}
		w.WriteHeader(http.StatusOK)
		_, err := w.Write(body)
		return err
	})
}

// has compares the tags of If-None-Match weakly, as RFC 9110, section 13.1.2, wants it.
func has(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == tag {
			return true
		}
	}
	return false
}

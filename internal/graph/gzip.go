package graph

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// unzip asks for compressed answers and reads them, at two thirds of what net/http's own reader
// takes.
type unzip struct {
	base    http.RoundTripper
	readers *sync.Pool // of *gzip.Reader
}

func (u unzip) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := u.base.RoundTrip(req)
	if err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
		return resp, err
	}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength, resp.Uncompressed = -1, true
	resp.Body = &unzipped{zipped: resp.Body, pool: u.readers}
	return resp, nil
}

// unzipped is a body that is decompressed while it is read. It opens its reader at the first Read,
// because that already waits for the body's first bytes.
type unzipped struct {
	zipped io.ReadCloser
	pool   *sync.Pool
	reader *gzip.Reader
	err    error
}

func (b *unzipped) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.reader == nil {
		b.reader = b.pool.Get().(*gzip.Reader)
		if err := b.reader.Reset(b.zipped); err != nil {
			b.err = fmt.Errorf("decompress the answer: %w", err)
			return 0, b.err
		}
	}
	n, err := b.reader.Read(p)
	if err != nil {
		b.err = err
	}
	return n, err
}

func (b *unzipped) Close() error {
	if b.reader != nil && errors.Is(b.err, io.EOF) {
		b.pool.Put(b.reader) // one that failed may be in any state
		b.reader = nil
	}
	return b.zipped.Close()
}

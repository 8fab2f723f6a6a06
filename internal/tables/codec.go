package tables

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The values of the column Codec.
const (
	codecZstd = "zstd" // one Zstandard frame
	codecNone = "none" // the bytes themselves, where compressing would not make them smaller
)

// maxRecordBytes bounds what a row may claim to hold once decompressed.
const maxRecordBytes = 256 << 20

type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
	scratch sync.Pool // of *[]byte: compressed bytes live only until they are written into their row
}

func newCodec() (*codec, error) {
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)),
		zstd.WithWindowSize(256<<10), // records are a few KB; the default would hold 4 MB for each core
		zstd.WithEncoderCRC(false),   // the row has a SHA-256
	)
	if err != nil {
		return nil, fmt.Errorf("make the compressor: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxRecordBytes), zstd.WithDecoderConcurrency(0))
	if err != nil {
		return nil, fmt.Errorf("make the decompressor: %w", err)
	}
	c := &codec{encoder: encoder, decoder: decoder}
	c.scratch.New = func() any { return new([]byte) }
	return c, nil
}

// encode compresses a record. data is good until free is called.
func (c *codec) encode(raw []byte) (data []byte, name string, free func()) {
	buf := c.scratch.Get().(*[]byte)
	*buf = c.encoder.EncodeAll(raw, (*buf)[:0])
	free = func() { c.scratch.Put(buf) }
	if len(*buf) >= len(raw) {
		return raw, codecNone, free
	}
	return *buf, codecZstd, free
}

func (c *codec) decode(data []byte, name string) ([]byte, error) {
	switch name {
	case codecNone:
		return data, nil
	case codecZstd:
		return c.decoder.DecodeAll(data, nil)
	default:
		return nil, fmt.Errorf("decode a record: unknown codec %q; a newer version of Entra Ledger wrote it", name)
	}
}

// decodedSize is the length of the record without decompressing it.
func (c *codec) decodedSize(data []byte, name string) (int64, error) {
	if name == codecNone {
		return int64(len(data)), nil
	}
	var h zstd.Header
	if err := h.Decode(data); err != nil {
		return 0, fmt.Errorf("read the head of a compressed record: %w", err)
	}
	if !h.HasFCS {
		whole, err := c.decode(data, name)
		return int64(len(whole)), err
	}
	return int64(h.FrameContentSize), nil
}

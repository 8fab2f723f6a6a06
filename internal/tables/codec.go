package tables

import (
	"context"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/entraledger/entraledger/internal/tables/rows"
)

// The values of the column Codec.
const (
	codecZstd = "zstd" // one Zstandard frame; its head names the dictionary
	codecNone = "none" // the bytes themselves, where compressing would not make them smaller
)

// maxRecordBytes bounds what a row may claim to hold once decompressed.
const maxRecordBytes = 256 << 20

// codec compresses what rows hold, and reads it back.
type codec struct {
	client       *rows.Client  // has the dictionaries
	encoder      *zstd.Encoder // without a dictionary
	decoder      *zstd.Decoder
	dictionaries dictionaries
	scratch      sync.Pool // of *[]byte: compressed bytes live only until they are written into their row
}

func newCodec(client *rows.Client) (*codec, error) {
	c := &codec{client: client}
	var err error
	if c.encoder, err = newEncoder(); err != nil {
		return nil, err
	}
	if c.decoder, err = newDecoder(); err != nil {
		return nil, err
	}
	c.scratch.New = func() any { return new([]byte) }
	return c, nil
}

// encode compresses a record, with a dictionary's encoder or, where it is nil, without one. data is
// good until free is called.
func (c *codec) encode(with *zstd.Encoder, raw []byte) (data []byte, name string, free func()) {
	if with == nil {
		with = c.encoder
	}
	buf := c.scratch.Get().(*[]byte)
	*buf = with.EncodeAll(raw, (*buf)[:0])
	free = func() { c.scratch.Put(buf) }
	if len(*buf) >= len(raw) {
		return raw, codecNone, free
	}
	return *buf, codecZstd, free
}

// decode gives a record's bytes back.
func (c *codec) decode(ctx context.Context, table string, data []byte, name string) ([]byte, error) {
	switch name {
	case codecNone:
		return data, nil
	case codecZstd:
		var head zstd.Header
		if err := head.Decode(data); err != nil {
			return nil, fmt.Errorf("read the head of a compressed record: %w", err)
		}
		decoder, err := c.decoderFor(ctx, table, head.DictionaryID)
		if err != nil {
			return nil, err
		}
		return decoder.DecodeAll(data, nil)
	default:
		return nil, fmt.Errorf("decode a record: unknown codec %q; a newer version of Entra Ledger wrote it", name)
	}
}

// decodedSize is the length of the record without decompressing it.
func (c *codec) decodedSize(ctx context.Context, table string, data []byte, name string) (int64, error) {
	if name == codecNone {
		return int64(len(data)), nil
	}
	var h zstd.Header
	if err := h.Decode(data); err != nil {
		return 0, fmt.Errorf("read the head of a compressed record: %w", err)
	}
	if !h.HasFCS {
		whole, err := c.decode(ctx, table, data, name)
		return int64(len(whole)), err
	}
	return int64(h.FrameContentSize), nil
}

// document adds a document, compressed, to a row, and returns how many bytes of it did not fit.
func (c *codec) document(b *rows.Builder, doc []byte) int {
	data, name, free := c.encode(nil, doc)
	defer free()
	b.Text("Codec", name)
	if chunks := (len(data) + rows.MaxProperty - 1) / rows.MaxProperty; chunks > 1 {
		b.Int32("Chunks", int32(chunks))
	}
	return len(b.Chunks(data))
}

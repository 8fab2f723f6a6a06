package tables

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// A dictionary is what the records of one table have in common: the tenant's policies, applications
// and the shape of the JSON. A record compressed against it has a fifth of its size without it. It
// is made of the first records of its table and stored in the table of dictionaries, under the
// number that each frame has. Without it the frames cannot be read, so it is never changed.
type dictionary struct {
	id      uint32
	content []byte
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

const (
	// dictionaryBytes fits one property. Twice as much makes rows 3 % smaller, and compressing a
	// tenth slower: the encoder copies its dictionary for every record.
	dictionaryBytes = 32 << 10
	// sampleBytes bounds what one record gives, so that a few large ones do not make up the
	// dictionary.
	sampleBytes = 8 << 10
)

// dictionaryID is derived from the content, so that a changed dictionary shows. Numbers below
// 32,768 and from 2^31 on are reserved by the Zstandard format (RFC 8878, section 5).
func dictionaryID(content []byte) uint32 {
	sum := sha256.Sum256(content)
	return 1<<15 + binary.BigEndian.Uint32(sum[:])%(1<<31-1<<15)
}

func newDictionary(content []byte) (*dictionary, error) {
	d := &dictionary{id: dictionaryID(content), content: content}
	var err error
	if d.encoder, err = newEncoder(zstd.WithEncoderDictRaw(d.id, content)); err != nil {
		return nil, err
	}
	d.decoder, err = newDecoder(zstd.WithDecoderDictRaw(d.id, content))
	return d, err
}

func newEncoder(options ...zstd.EOption) (*zstd.Encoder, error) {
	encoder, err := zstd.NewWriter(nil, append([]zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)),
		zstd.WithWindowSize(256 << 10), // records are a few KB; the default would hold 4 MB for each core
		zstd.WithEncoderCRC(false),     // the row has a SHA-256
	}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("make the compressor: %w", err)
	}
	return encoder, nil
}

func newDecoder(options ...zstd.DOption) (*zstd.Decoder, error) {
	decoder, err := zstd.NewReader(nil,
		append([]zstd.DOption{zstd.WithDecoderMaxMemory(maxRecordBytes), zstd.WithDecoderConcurrency(0)},
			options...)...)
	if err != nil {
		return nil, fmt.Errorf("make the decompressor: %w", err)
	}
	return decoder, nil
}

// dictionaries knows the dictionaries in use. The zero value is ready.
type dictionaries struct {
	byID    sync.Map // uint32 -> *dictionary
	byTable sync.Map // table name -> *tableDictionary
}

// tableDictionary is the dictionary that a table's next records are compressed against, or what it
// will be made of.
type tableDictionary struct {
	turn    chan struct{} // locked while it is read or made, which needs requests
	asked   bool          // the table of dictionaries was looked at
	current *dictionary
	sample  []byte
}

// encoderFor is the encoder for records of a window: with the table's dictionary, or, while too
// little was seen to make one, nil for none. recs are what it may be made of.
func (c *codec) encoderFor(ctx context.Context, w entra.Window, recs ...entra.Record) (*zstd.Encoder, error) {
	table := TableName(w)
	known, _ := c.dictionaries.byTable.LoadOrStore(table, &tableDictionary{turn: make(chan struct{}, 1)})
	t := known.(*tableDictionary)
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	if !t.asked {
		d, err := c.storedDictionary(ctx, table)
		if err != nil {
			return nil, err
		}
		t.current, t.asked = d, true
	}
	for _, rec := range recs {
		if t.current != nil {
			break
		}
		t.sample = append(t.sample, rec.Raw[:min(len(rec.Raw), sampleBytes)]...)
		if len(t.sample) < dictionaryBytes {
			continue
		}
		d, err := c.keepDictionary(ctx, table, slices.Clone(t.sample[:dictionaryBytes]))
		if err != nil {
			return nil, err
		}
		t.current, t.sample = d, nil
	}
	if t.current == nil {
		return nil, nil
	}
	return t.current.encoder, nil
}

func dictionaryKey(id uint32) string { return fmt.Sprintf("%010d", id) }

// keepDictionary stores a dictionary before the first record that needs it.
func (c *codec) keepDictionary(ctx context.Context, table string, content []byte) (*dictionary, error) {
	d, err := newDictionary(content)
	if err != nil {
		return nil, err
	}
	b := rows.NewEntity(table, dictionaryKey(d.id), 2*dictionaryBytes)
	b.Binary("Dictionary", content)
	if err := c.client.Submit(ctx, dictionaryTable, rows.Action{Kind: rows.Put, Row: b.Done().Body}); err != nil {
		return nil, err
	}
	c.dictionaries.byID.Store(d.id, d)
	return d, nil
}

type dictionaryRow struct {
	RowKey     string
	Dictionary []byte
}

// dictionary checks that the row's content is what its number says.
func (c *codec) dictionary(table string, body []byte) (*dictionary, error) {
	var row dictionaryRow
	err := json.Unmarshal(body, &row)
	if err != nil || dictionaryKey(dictionaryID(row.Dictionary)) != row.RowKey {
		return nil, &entra.Error{Code: entra.CodeTampered, Doing: "read dictionary " + row.RowKey + " of table " +
			table,
			Why:    "its bytes were changed, and no record that needs it can be read",
			Remedy: "restore the row from a copy; nothing was written"}
	}
	d, err := newDictionary(row.Dictionary)
	if err == nil {
		c.dictionaries.byID.Store(d.id, d)
	}
	return d, err
}

// storedDictionary is a table's first dictionary; nil if there is none yet.
func (c *codec) storedDictionary(ctx context.Context, table string) (*dictionary, error) {
	var first *dictionary
	for body, err := range c.client.Scan(ctx, dictionaryTable, rows.Query{Filter: rows.In(table, "0", "~")}) {
		if err != nil {
			return first, err
		}
		d, err := c.dictionary(table, body)
		if err != nil {
			return cmp.Or(first, d), err
		}
		first = cmp.Or(first, d)
	}
	return first, nil
}

// decoderFor is the decoder for a frame of a table's record.
func (c *codec) decoderFor(ctx context.Context, table string, id uint32) (*zstd.Decoder, error) {
	if id == 0 {
		return c.decoder, nil
	}
	if d, ok := c.dictionaries.byID.Load(id); ok {
		return d.(*dictionary).decoder, nil
	}
	got, err := c.client.Get(ctx, dictionaryTable, table, dictionaryKey(id), "read dictionary "+dictionaryKey(id))
	if rows.IsMissing(err) {
		return nil, &entra.Error{Code: entra.CodeTampered, Doing: "read a record of table " + table,
			Why: "dictionary " + strconv.FormatUint(uint64(id), 10) + ", which it needs, is not in table " +
				dictionaryTable,
			Remedy: "restore the row from a copy"}
	}
	if err != nil {
		return nil, err
	}
	d, err := c.dictionary(table, got.Body)
	if err != nil {
		return nil, err
	}
	return d.decoder, nil
}

// dropDictionary deletes the dictionaries of a table that was dropped. A record that comes for it
// after all must not be compressed against what is gone.
func (c *codec) dropDictionary(ctx context.Context, table string) error {
	if err := c.client.DropRows(ctx, dictionaryTable, table, ""); err != nil {
		return err
	}
	c.dictionaries.byTable.Delete(table)
	return nil
}

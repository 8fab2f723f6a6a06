package tables

import (
	"context"
	"fmt"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// unpacker decompresses records. It asks once for a dictionary that can't be used, not for each
// record that needs it.
type unpacker struct {
	codec    *codec
	unusable map[string]bool // dictionaries, as needs names them
	// needs is the dictionary without which the last record could not be read, as table!number;
	// empty: none.
	needs string
}

// decoderMargin is how much larger than a record its buffer has to be, for the decompressor's fast
// path.
const decoderMargin = 32

const notAsWritten = "its bytes can't be decompressed: they are not those that were written"

// unpack decompresses what the rows of a record hold behind dst, in whose memory if there is enough
// of it. problem says in a sentence why that can't be done; an error is one of reading.
func (u *unpacker) unpack(ctx context.Context, table string, data []byte, codec string,
	dst []byte) (raw []byte, problem string, err error) {
	u.needs = ""
	switch codec {
	case codecNone:
		return append(dst, data...), "", nil
	case codecZstd:
	default:
		return dst, fmt.Sprintf("its codec is %q, which this version does not know", entra.Clip(codec, 80)), nil
	}
	var head zstd.Header
	if err := head.Decode(data); err != nil {
		return dst, notAsWritten, nil
	}
	decoder, problem, err := u.decoder(ctx, table, head.DictionaryID)
	if problem != "" || err != nil {
		return dst, problem, err
	}
	size := int64(head.FrameContentSize)
	if head.HasFCS && size < maxRecordBytes && int64(cap(dst)-len(dst)) < size+decoderMargin {
		dst = append(make([]byte, 0, int64(len(dst))+size+decoderMargin), dst...)
	}
	if raw, err = decoder.DecodeAll(data, dst); err != nil {
		return dst, notAsWritten, nil
	}
	return raw, "", nil
}

// decoder is the decoder for the frames of a dictionary; 0: for those without one.
func (u *unpacker) decoder(ctx context.Context, table string,
	id uint32) (decoder *zstd.Decoder, problem string, err error) {
	if id == 0 {
		return u.codec.decoder, "", nil
	}
	if d, ok := u.codec.dictionaries.byID.Load(id); ok {
		return d.(*dictionary).decoder, "", nil
	}
	needs := table + "!" + dictionaryKey(id)
	if !u.unusable[needs] {
		decoder, err := u.codec.decoderFor(ctx, table, id)
		if entra.CodeOf(err) != entra.CodeTampered {
			return decoder, "", err
		}
	}
	if u.unusable == nil {
		u.unusable = make(map[string]bool)
	}
	u.unusable[needs], u.needs = true, needs
	return nil, fmt.Sprintf("dictionary %s of table %s, which it needs, is missing or was altered", dictionaryKey(id),
		table), nil
}

// isPartOf reports whether a row is a further part of the record whose first row has the key.
func (row *fetchedRow) isPartOf(first *fetchedRow) bool {
	key, ok := strings.CutPrefix(row.RowKey, first.RowKey)
	return ok && strings.HasPrefix(key, partMark) && row.PartitionKey == first.PartitionKey
}

// isPart reports whether a row is not the first of a record.
func (row *fetchedRow) isPart() bool {
	return strings.Contains(row.RowKey, partMark)
}

// examine says what is wrong with a record's rows without looking at the record; empty: nothing.
func examine(of []fetchedRow) (at place, problem string) {
	first, count := &of[0], len(of)
	for i := range of {
		if bad := of[i].bad; bad != "" && problem == "" {
			problem = fmt.Sprintf("its column %s is not of the kind that Entra Ledger writes", entra.Clip(bad, 80))
		}
	}
	at, err := parseRowKey(first.RowKey)
	switch {
	case err != nil:
		return at, "its key is not one that Entra Ledger writes"
	case at.part > 0 || first.isPart():
		return at, "the first row of its record is not there"
	case problem != "":
		return at, problem
	case first.PartitionKey != first.RowKey[:len(entra.HourFormat)]:
		return at, fmt.Sprintf("it stands in partition %s, which is not its hour", entra.Clip(first.PartitionKey, 80))
	case first.hasParts && (first.Parts < 2 || first.Parts != count):
		return at, fmt.Sprintf("it has %d rows, and its column Parts says %d", count, first.Parts)
	case !first.hasParts && count > 1:
		return at, fmt.Sprintf("it has %d rows, and 1 was written", count)
	case len(first.Hash) != len(entra.Hash{}):
		return at, fmt.Sprintf("its column Hash has %d bytes", len(first.Hash))
	case first.FirstSeen.IsZero():
		return at, "it has no column FirstSeen"
	case at.isVersion && first.Superseded.IsZero():
		return at, "it stands under the key of an earlier version, and has no column Superseded"
	case !at.isVersion && !at.arrived && !first.Superseded.IsZero():
		return at, "it stands under the key of a current content, and has a column Superseded"
	}
	if why := wrongOrigin(first.Origin, at); why != "" {
		return at, why
	}
	if _, err := parseSpells(first.Spells); err != nil {
		return at, "its column Spells is not one that Entra Ledger writes"
	}
	return at, ""
}

// wrongOrigin says what is wrong between a row's column Origin and its key; empty: nothing.
func wrongOrigin(origin string, at place) string {
	_, err := entra.ParseOrigin(origin)
	switch {
	case err != nil:
		return "its column Origin is not one that Entra Ledger writes"
	case at.arrived && origin == "":
		return "it stands under the key of an arrival, and has no column Origin"
	case !at.arrived && origin != "":
		return "it stands under the key of a record that was read, and has a column Origin"
	}
	return ""
}

// versionOf reports whether a hash is that of the content that a row key names, if it names one.
func (p place) versionOf(hash entra.Hash) bool {
	return !p.isVersion || string(p.version[:ledger.VersionHashBytes]) == string(hash[:ledger.VersionHashBytes])
}

package derive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// IndexName is the name of the index among the views.
const IndexName = "index"

// Index is the view that tells in which hours of a day there is anything of a user, an application
// or an id. Its rows are <column>!<value> with the Hours in which the value is there, and
// id!<bucket> with a part of the day's ids.
func Index() View {
	return View{
		Name: IndexName, Version: 1, Unit: Day, When: Settled, Needs: Columns,
		Of: indexOf, Merge: mergeIndexed,
		Counts: func(key string) bool { return !strings.HasPrefix(key, IDMark) },
	}
}

const (
	// IDMark begins the key of a bucket of ids.
	IDMark    = "id!"
	idBuckets = 64
	// IDHashBytes are how many bytes of its SHA-256 the index has of an id, IDBytes with the hour.
	IDHashBytes = 5
	IDBytes     = IDHashBytes + 1
	// maxValue is how many bytes of a value the index tells apart.
	maxValue = 300
)

// IDHash is what the index knows of an id: its bucket, and a hash.
func IDHash(id string) (bucket string, hash []byte) {
	sum := sha256.Sum256([]byte(id))
	return fmt.Sprintf("%02d", sum[0]%idBuckets), sum[1 : 1+IDHashBytes]
}

// ClipValue is what the index tells of a value.
func ClipValue(text string) string { return entra.Clip(text, maxValue) }

func indexOf(p Period, contents iter.Seq[Content]) ([]Row, error) {
	d := NewDayIndex(p.Stream)
	for c := range contents {
		switch {
		case c.Problem == "":
			d.Add(c.Key.ID, c.Key.Time.Hour(), func(name string) string { return textOf(c.Columns, name) })
		case c.Key.ID != "":
			d.Add(c.Key.ID, c.Key.Time.Hour(), func(string) string { return "" })
		}
	}
	return d.Rows(), nil
}

// textOf is the text of a column; empty where there is none.
func textOf(columns []entra.Column, name string) string {
	for i := range columns {
		if columns[i].Name == name && !columns[i].IsInt {
			return columns[i].Text
		}
	}
	return ""
}

// DayIndex is what a day's records hold.
type DayIndex struct {
	columns []string
	values  map[string]Hours  // by <column>!<value>
	ids     map[string][]byte // by bucket
}

// NewDayIndex is the index of a day without records.
func NewDayIndex(s entra.Stream) *DayIndex {
	return &DayIndex{columns: logs.Of(s).IndexedColumns(), values: make(map[string]Hours), ids: make(map[string][]byte)}
}

// Columns are the columns that are indexed.
func (d *DayIndex) Columns() []string { return d.columns }

// Add adds a content of a record. column gives the text of a column; empty: there is none.
func (d *DayIndex) Add(id string, hour int, column func(name string) string) {
	bucket, hash := IDHash(id)
	d.ids[bucket] = append(append(d.ids[bucket], hash...), byte(hour))
	for _, name := range d.columns {
		if text := column(name); text != "" {
			d.values[name+"!"+ClipValue(text)] |= 1 << hour
		}
	}
}

// Rows are the day's rows of the index.
func (d *DayIndex) Rows() []Row {
	out := make([]Row, 0, len(d.values)+len(d.ids))
	for key, hours := range d.values {
		out = append(out, Row{Key: key, Content: Indexed{Hours: hours}.Content()})
	}
	for bucket, ids := range d.ids {
		out = append(out, Row{Key: IDMark + bucket, Content: Indexed{IDs: inOrder(ids)}.Content()})
	}
	slices.SortFunc(out, func(a, b Row) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// inOrder sorts the ids of a bucket, so that the row is the same in whatever order the records
// came.
func inOrder(ids []byte) []byte {
	all := slices.Collect(slices.Chunk(ids, IDBytes))
	slices.SortFunc(all, bytes.Compare)
	return bytes.Join(all, nil)
}

// Indexed is what one row of the index says.
type Indexed struct {
	Hours Hours  // of a value
	IDs   []byte // of a bucket: for each id its hash, and its hour; nil: the row is a value's
}

// The words that begin the content of a row.
var (
	hoursWord = []byte("hours")
	idsWord   = []byte("ids")
)

// Content is the row's content.
func (i Indexed) Content() []byte {
	if i.IDs == nil {
		return binary.BigEndian.AppendUint32(slices.Clone(hoursWord), uint32(i.Hours))
	}
	return append(slices.Clone(idsWord), i.IDs...)
}

// ParseIndexed reads a content.
func ParseIndexed(content []byte) Indexed {
	if ids, ok := bytes.CutPrefix(content, idsWord); ok {
		return Indexed{IDs: append([]byte{}, ids...)}
	}
	hours, _ := bytes.CutPrefix(content, hoursWord)
	if len(hours) != 4 {
		return Indexed{}
	}
	return Indexed{Hours: Hours(binary.BigEndian.Uint32(hours))}
}

// With adds what another row of the same key holds: what the index knows only grows, so an older
// state of a day that is written late hides nothing.
func (i Indexed) With(other Indexed) (sum Indexed, grown bool) {
	sum = Indexed{Hours: i.Hours | other.Hours, IDs: other.IDs}
	grown = sum.Hours != other.Hours
	known := make(map[[IDBytes]byte]bool)
	for one := range slices.Chunk(other.IDs, IDBytes) {
		if len(one) == IDBytes {
			known[[IDBytes]byte(one)] = true
		}
	}
	for one := range slices.Chunk(i.IDs, IDBytes) {
		if !known[[IDBytes]byte(one)] {
			sum.IDs, grown = append(slices.Clip(sum.IDs), one...), true
		}
	}
	if i.IDs != nil && sum.IDs == nil {
		sum.IDs = []byte{}
	}
	return sum, grown
}

// mergeIndexed is the index's View.Merge.
func mergeIndexed(stored, made []byte) (sum []byte, grown bool) {
	all, grown := ParseIndexed(made).With(ParseIndexed(stored))
	return all.Content(), grown
}

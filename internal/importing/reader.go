package importing

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// elements is a file's entries as they are in it.
type elements interface {
	// next is the next one; its bytes are valid until the one after it. io.EOF at the end, a *Cut
	// where the file can't be read on.
	next() (element, error)
	// at is where another run can go on.
	at() Place
}

// Reader reads the entries of one file.
type Reader struct {
	options  Options
	elements elements
	streams  map[string]entra.Stream
	named    entra.Stream // by the file's name
	forms    map[entra.Stream]*form
	pending  []gjson.Result // entries of the element at hand that are still to be given
	element  element
	behind   bool   // something is left in the element that is no part of its list
	held     []byte // the element's bytes, while some of its entries are pending
}

// NewReader reads an unpacked file. in is at its beginning, also with a place of an earlier run:
// what is before is read and dropped, and the reader goes on there. Errors: a *Cut, or a
// *entra.Error with CodeBadRequest where the file is nothing that is known.
func NewReader(in io.Reader, o Options, from Place) (*Reader, error) {
	r := &Reader{options: o, streams: categories(), forms: map[entra.Stream]*form{}, named: StreamOfName(o.Name)}
	for _, l := range logs.Collected() {
		f, err := newForm(l.Stream)
		if err != nil {
			return nil, err
		}
		r.forms[l.Stream] = f
	}
	ahead := bufio.NewReaderSize(in, 64<<10)
	head, err := ahead.Peek(16 << 10)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return nil, &Cut{Unit: "byte", Why: err.Error()}
	}
	head = bytes.Clone(head) // what is read next takes its place
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \r\n\t")
	avro := bytes.HasPrefix(head, []byte(avroMark))
	switch {
	case avro:
		r.elements, err = newAvroFile(ahead, from)
		return r, err
	case o.Format == Capture:
		return nil, unknown("it is no Avro, as a capture is")
	}
	if from.Begun {
		if _, err := io.CopyN(io.Discard, ahead, from.Offset); err != nil {
			return nil, &Cut{At: from.Offset, Unit: "byte", Why: "it is shorter than it was"}
		}
	}
	switch {
	case len(text) == 0 || text[0] == '{' || text[0] == '[':
		r.elements = newJSONFile(ahead, from)
	case looksLikeRows(text):
		r.elements = newCSVFile(ahead, from)
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return nil, unknown("it is a ZIP archive: unpack it first")
	default:
		return nil, unknown("it begins neither with JSON nor with a table's columns, and is no Avro")
	}
	return r, nil
}

func unknown(why string) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "find out what the file is", Why: why,
		Remedy: "docs/import.md says which files can be imported"}
}

// Place is where another run can go on. It is meaningful where no entry of an element is left: see
// Between.
func (r *Reader) Place() Place { return r.elements.at() }

// Between reports whether the last entry was the last of its element.
func (r *Reader) Between() bool {
	a, ok := r.elements.(*avroFile)
	return len(r.pending) == 0 && !r.behind && (!ok || len(a.bodies) == 0)
}

// Next reads the next entry. io.EOF at the end of a whole file; a *Cut at the end of one that is
// not whole.
func (r *Reader) Next() (Entry, error) {
	for {
		if len(r.pending) > 0 {
			v := r.pending[0]
			r.pending = r.pending[1:]
			return r.entry(r.element.at, v, r.element.row), nil
		}
		if r.behind {
			r.behind = false
			return Entry{At: r.element.at, Refused: UnknownShape, Detail: moreBehind}, nil
		}
		e, err := r.elements.next()
		if err != nil {
			return Entry{}, err
		}
		if e.refused != "" {
			return Entry{At: e.at, Refused: e.refused, Detail: e.why}, nil
		}
		r.element = e
		r.unpack(e)
	}
}

// unpack lists the entries of an element: itself, or those of the list that it holds.
func (r *Reader) unpack(e element) {
	r.pending = r.pending[:0]
	if e.columns != nil {
		var values []string
		for _, v := range gjson.ParseBytes(e.raw).Array() {
			values = append(values, v.Raw)
		}
		r.held, r.element.row = appendRow(r.held[:0], e.columns, values), true
		r.pending = append(r.pending, gjson.ParseBytes(r.held))
		return
	}
	whole := gjson.ParseBytes(e.raw)
	l, ok := listIn(e.raw)
	if !ok {
		r.pending = append(r.pending, whole)
		return
	}
	values := whole.Get(l.path)
	r.behind = holdsMore(e.raw[values.Index+len(values.Raw):])
	values.ForEach(func(_, v gjson.Result) bool {
		if l.columns != nil && v.IsArray() {
			var values []string
			for _, cell := range v.Array() {
				values = append(values, cell.Raw)
			}
			r.element.row = true
			v = gjson.ParseBytes(appendRow(nil, l.columns, values))
		}
		r.pending = append(r.pending, v)
		return true
	})
}

// entry makes an entry of an object, by its shape.
func (r *Reader) entry(at int64, v gjson.Result, row bool) Entry {
	out := Entry{At: at}
	has := func(names ...string) bool {
		for _, name := range names {
			if v.Get(name).Exists() {
				return true
			}
		}
		return false
	}
	switch {
	case !v.IsObject():
		return refuse(out, UnknownShape, "it is no object")
	case row, has("TimeGenerated") && !has("properties"):
		return r.fromRow(out, v)
	case has("category") && v.Get("properties").IsObject():
		return r.fromEnvelope(out, v)
	case has("id") && has("createdDateTime", "activityDateTime"):
		return r.fromGraph(out, v)
	case has("Id") && has("CreatedDateTime", "ActivityDateTime"):
		return r.fromPowerShell(out, v)
	}
	return refuse(out, UnknownShape, "its members are those of no known form")
}

// text is a member, whatever the case of its name: programs between a file and its source change that.
func text(v gjson.Result, name string) (found string) {
	if is := v.Get(name); is.Exists() {
		return is.String()
	}
	v.ForEach(func(key, value gjson.Result) bool {
		if strings.EqualFold(key.Str, name) {
			found = value.String()
		}
		return found == ""
	})
	return found
}

func refuse(e Entry, why Reason, detail string) Entry {
	e.Refused, e.Detail = why, detail
	return e
}

// takes reports whether entries of a format are asked for.
func (r *Reader) takes(formats ...Format) bool {
	if r.options.Format == AnyFormat {
		return true
	}
	for _, f := range formats {
		if f == r.options.Format {
			return true
		}
	}
	return false
}

func (r *Reader) fromEnvelope(e Entry, v gjson.Result) Entry {
	if !r.takes(Envelope, Capture) {
		return refuse(e, OtherFormat, "it is an envelope of diagnostic settings")
	}
	category := v.Get("category").String()
	e.Tenant = text(v, "tenantId")
	stream, ok := r.streams[category]
	if !ok {
		return refuse(e, UnknownLog, "category "+entra.Clip(category, 80)+" is no log of the archive")
	}
	raw, changed, left := r.forms[stream].rules.apply([]byte(v.Get("properties").Raw))
	e.Changed, e.LeftOut = changed, left
	return r.parsed(e, stream, raw)
}

func (r *Reader) fromRow(e Entry, v gjson.Result) Entry {
	if !r.takes(LogAnalytics) {
		return refuse(e, OtherFormat, "it is a row of a table of Log Analytics")
	}
	e.Tenant = text(v, "AADTenantId")
	stream, ok := r.tableOf(v)
	if !ok {
		return refuse(e, UnknownLog, "which table it is of can't be told")
	}
	raw, left := r.forms[stream].row(stream, v)
	raw, _, _ = r.forms[stream].rules.apply(raw)
	e.Changed, e.LeftOut = true, left
	return r.parsed(e, stream, raw)
}

// tableOf is the log of a row: by its table's name, or by the category, or as asked.
func (r *Reader) tableOf(v gjson.Result) (entra.Stream, bool) {
	for _, name := range []string{"Type", "Category"} {
		if s, ok := r.streams[v.Get(name).String()]; ok {
			return s, true
		}
	}
	if r.options.Log != "" {
		return r.options.Log, true
	}
	if v.Get("ActivityDisplayName").Exists() && v.Get("LoggedByService").Exists() {
		return logs.DirectoryAudits, true
	}
	return r.named, r.named != ""
}

func (r *Reader) fromGraph(e Entry, v gjson.Result) Entry {
	if !r.takes(Portal, Extractor) {
		return refuse(e, OtherFormat, "it is a record in Graph's form")
	}
	stream, ok := r.logOf(v)
	if !ok {
		return refuse(e, UnknownLog, "it is a sign-in without signInEventTypes: name its log")
	}
	return r.parsed(e, stream, []byte(v.Raw))
}

func (r *Reader) fromPowerShell(e Entry, v gjson.Result) Entry {
	if !r.takes(Extractor) {
		return refuse(e, OtherFormat, "it is an object of PowerShell")
	}
	// The names are Graph's in all logs, so that any log's form tells which one it is.
	named := gjson.ParseBytes(r.forms[logs.SignInsInteractiveUser].powershell(v))
	stream, ok := r.logOf(named)
	if !ok {
		return refuse(e, UnknownLog, "it is a sign-in without signInEventTypes: name its log")
	}
	e.Changed = true
	return r.parsed(e, stream, r.forms[stream].powershell(v))
}

// logOf is the log of a record in Graph's form: what the record says counts more than the file's
// name, and what was asked for more than that.
func (r *Reader) logOf(v gjson.Result) (entra.Stream, bool) {
	if v.Get("activityDateTime").Exists() {
		switch {
		case v.Get("jobId").Exists() || v.Get("cycleId").Exists() || v.Get("provisioningAction").Exists():
			return logs.Provisioning, true
		case r.options.Log == logs.DirectoryAudits:
		case r.options.Log == logs.CustomSecurityAttributeAudits, r.named == logs.CustomSecurityAttributeAudits:
			return logs.CustomSecurityAttributeAudits, true
		}
		return logs.DirectoryAudits, true
	}
	for _, kind := range v.Get("signInEventTypes").Array() {
		if l, ok := logs.OfEventType(kind.String()); ok {
			return l.Stream, true
		}
	}
	for _, s := range []entra.Stream{r.options.Log, r.named} {
		if logs.Of(s).IsSignIns() {
			return s, true
		}
	}
	return "", false
}

// parsed makes a record of bytes in Graph's form.
func (r *Reader) parsed(e Entry, s entra.Stream, raw []byte) Entry {
	rec, err := logs.ParseRecord(s, raw)
	e.Stream, e.Record = s, rec
	switch {
	case errors.Is(err, entra.ErrNoID):
		return refuse(e, NoID, "")
	case errors.Is(err, entra.ErrNoTime):
		return refuse(e, NoTime, err.Error())
	case err != nil:
		return refuse(e, NotJSON, err.Error())
	}
	return e
}

// StreamOfName finds the log that a file's name tells: a stream's own, the extractor's by event
// type, or that of a download of the portal. The longest name counts: NonInteractiveSignIns ends as
// another one does.
func StreamOfName(name string) (found entra.Stream) {
	longest, lower := 0, strings.ToLower(name)
	for _, l := range logs.Collected() {
		names := []string{string(l.Stream)}
		if l.EventType != "" {
			names = append(names, l.EventType)
		}
		for _, f := range l.Files {
			names = append(names, f.Name)
		}
		for _, n := range names {
			if len(n) > longest && strings.Contains(lower, strings.ToLower(n)) {
				longest, found = len(n), l.Stream
			}
		}
	}
	return found
}

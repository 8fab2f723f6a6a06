package deliveries

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/mim"
)

// Config says with what deliveries are taken.
type Config struct {
	Rules   *mim.Rules
	Vault   *mim.Vault // nil: there is no key, and parts are refused
	Store   Store
	Archive Archive
	Now     func() time.Time
	Slice   time.Duration // how long one delivery may take; 0: as long as it needs
	Log     *slog.Logger
}

// Counts says what became of a delivery's events:
// Received = Accepted + Duplicate + Quarantined + Waiting + Refused + NotKept + Ignored.
type Counts struct {
	Received    int `json:"received"`
	Accepted    int `json:"accepted"`  // stored now: a record's event, or all parts of one
	Duplicate   int `json:"duplicate"` // the record, or the part, was there
	Quarantined int `json:"quarantined"`
	Waiting     int `json:"waiting"`   // parts that wait for others
	Refused     int `json:"refused"`   // parts, because there is no key
	NotKept     int `json:"notKept"`   // of a file, of a time that the archive keeps nothing of
	Ignored     int `json:"ignored"`   // of another log of the server
	Records     int `json:"records"`   // that are new in the archive
	Expired     int `json:"expired"`   // parts of earlier deliveries that were put aside now
	Completed   int `json:"completed"` // parts of earlier deliveries whose request is whole now
}

// Add adds the counts of another delivery.
func (c *Counts) Add(o Counts) {
	c.Received, c.Accepted, c.Duplicate = c.Received+o.Received, c.Accepted+o.Accepted, c.Duplicate+o.Duplicate
	c.Quarantined, c.Waiting, c.Refused = c.Quarantined+o.Quarantined, c.Waiting+o.Waiting, c.Refused+o.Refused
	c.NotKept, c.Ignored = c.NotKept+o.NotKept, c.Ignored+o.Ignored
	c.Records, c.Expired, c.Completed = c.Records+o.Records, c.Expired+o.Expired, c.Completed+o.Completed
}

// partsWait is how long a part waits for the others.
const partsWait = 24 * time.Hour

// Source says where events came from.
type Source struct {
	Kind   entra.OriginKind
	By     string   // who brought them
	SHA256 [32]byte // of an imported file
	Name   string   // of an imported file
}

// batch is one delivery in progress.
type batch struct {
	Config
	from    Source
	arrived time.Time
	counts  Counts
	entries []*entry
	rejects []Rejected
	parts   map[string]partNow // that came now, by their names
	order   []string           // of these names
	groups  []string           // of these
	servers map[string]*server // by the name in small letters
}

// partNow is a part that came in this delivery.
type partNow struct {
	computer string
	waited   bool // it came before, too
}

// entry is a record on its way, and how many events of this delivery it is of.
type entry struct {
	mim.Entry
	events int        // 1, or the parts of it that came now
	again  int        // events of the same record that came in this delivery, too
	parts  [][]string // names of the parts that make it, of each time that it was logged; nil: it came in one event
	server string
}

// server is what a delivery says of a computer.
type server struct {
	name                           string
	events, duplicate, quarantined int
	numbers                        []mim.Numbered
	read                           time.Time // up to when its log was read
}

// Take takes the events of one delivery. It may be repeated, also after it was interrupted anywhere:
// what is stored counts as duplicate then. by says who brought it. Errors: entra.CodeBadRequest (it
// can't be read), entra.CodePartsRefused (everything else of it is stored), entra.CodeUnavailable
// (it took too long: the same delivery again goes on), and those of storage.
func (cfg Config) Take(ctx context.Context, body []byte, by string) (Counts, error) {
	events, err := mim.ReadDelivery(body)
	if err != nil {
		return Counts{}, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the events", Why: err.Error(), Err: err,
			Remedy: "send a JSON array, or lines, of {EventId, TimeCreated, Computer, RecordId, " +
				"Message}, in UTF-8 and " +
				"not packed"}
	}
	return cfg.TakeEvents(ctx, events, Source{Kind: entra.Delivered, By: by})
}

// TakeEvents is Take of events that were read. What comes out of a file is refused of a time that is
// not kept, and passed over where it is no event of the service: the file is still there.
func (cfg Config) TakeEvents(ctx context.Context, events []mim.Event, from Source) (Counts, error) {
	b := &batch{Config: cfg, from: from, arrived: cfg.Now().UTC(), parts: map[string]partNow{},
		servers: map[string]*server{}}
	b.counts.Received = len(events)
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return b.read(ctx, events) }, b.join, b.file, b.quarantine, b.expire, b.count,
	} {
		if err := step(ctx); err != nil {
			return b.counts, err
		}
	}
	if b.counts.Refused > 0 {
		return b.counts, &entra.Error{Code: entra.CodePartsRefused,
			Doing: fmt.Sprintf("take %d parts of requests that came in several events", b.counts.Refused),
			Why: fmt.Sprintf("parts wait encrypted, and MIM_PARTS_KEY is not set; of the other events "+
				"%d were stored, %d "+
				"were there and %d are in quarantine", b.counts.Accepted, b.counts.Duplicate, b.counts.Quarantined),
			Remedy: "set MIM_PARTS_KEY, and send the same events again"}
	}
	return b.counts, nil
}

// server is what this delivery says of an event's computer.
func (b *batch) server(of string) *server {
	key := strings.ToLower(of)
	if b.servers[key] == nil {
		b.servers[key] = &server{name: of}
	}
	return b.servers[key]
}

// read makes entries and parts of events, and keeps the parts.
func (b *batch) read(ctx context.Context, events []mim.Event) error {
	for _, e := range events {
		if e.Foreign() || b.imports() && e.ID != mim.EventRequest && e.ID != mim.EventPart {
			b.counts.Ignored++
			continue
		}
		if e.Mark() && b.marked(e) {
			continue
		}
		came := e.Deliver(b.arrived)
		s := b.server(came.Computer)
		s.events++
		refused := b.counts.Refused
		if err := b.readOne(ctx, e, came, s); err != nil {
			return err
		}
		if b.counts.Refused > refused { // it is not there
			continue
		}
		number := mim.Numbered{RecordID: e.RecordID}
		if !came.ByArrival {
			number.At = came.At
		}
		s.numbers = append(s.numbers, number)
	}
	return nil
}

// marked takes a mark; false: it can't be read.
func (b *batch) marked(e mim.Event) bool {
	until, ok := e.MarkedUntil(b.arrived)
	if !ok || e.Computer == "" {
		return false
	}
	b.counts.Received--
	s := b.server(e.Computer)
	s.read = entra.Later(s.read, until)
	return true
}

func (b *batch) readOne(ctx context.Context, e mim.Event, came mim.Delivery, s *server) error {
	switch e.ID {
	case mim.EventRequest:
		made, err := b.Rules.Enter(e.Message, came)
		if err != nil {
			b.reject(e, s, err)
			return nil
		}
		b.enter(&entry{Entry: made, events: 1, server: came.Computer})
	case mim.EventPart:
		part, err := mim.ReadPart(e, came)
		switch {
		case err != nil:
			b.reject(e, s, err)
		case b.Vault == nil:
			b.counts.Refused++
		default:
			return b.keep(ctx, e, part, s)
		}
	default:
		b.reject(e, s, mim.ErrUnknownEvent)
	}
	return nil
}

func (b *batch) reject(e mim.Event, s *server, why error) {
	s.quarantined++
	b.counts.Quarantined++
	b.rejects = append(b.rejects, Rejected{Raw: b.Rules.Reject(e), Reason: why.Error()})
}

// enter adds a record, or counts that it came twice.
func (b *batch) enter(e *entry) {
	i := slices.IndexFunc(b.entries, func(o *entry) bool { return o.ID == e.ID })
	if i < 0 {
		b.entries = append(b.entries, e)
		return
	}
	b.entries[i].again += e.events
	b.server(e.server).duplicate += e.events
	b.entries[i].parts = append(b.entries[i].parts, e.parts...)
}

func (b *batch) duplicate(computer string, n int) {
	b.counts.Duplicate += n
	b.server(computer).duplicate += n
}

// file stores the entries where their first deliveries belong.
func (b *batch) file(ctx context.Context) error {
	plain := make([]mim.Entry, len(b.entries))
	for i, e := range b.entries {
		plain[i] = e.Entry
	}
	decisions, err := b.Store.Decide(ctx, plain)
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(decisions))
	var entries []*entry
	for i, e := range b.entries {
		if d := decisions[i]; d.Altered != nil {
			b.counts.Duplicate += e.again
			b.putAside(e, e.Record(), errAlteredRecord.Error())
			b.Log.WarnContext(ctx, "a row of table mimrecords is not what was written", "error", d.Altered)
			continue
		}
		entries = append(entries, e)
		if e.First, known[e.ID] = decisions[i].First, decisions[i].Was; known[e.ID] {
			b.server(e.server).duplicate += e.events
		}
	}
	b.entries = entries
	slices.SortStableFunc(b.entries, func(a, c *entry) int {
		return cmp.Or(entra.FloorHour(a.First.At).Compare(entra.FloorHour(c.First.At)),
			strings.Compare(a.First.Computer, c.First.Computer), a.First.At.Compare(c.First.At),
			strings.Compare(a.ID, c.ID))
	})
	for rest := b.entries; len(rest) > 0; {
		n := 1
		for n < len(rest) && n < mostOfCall && entra.FloorHour(rest[n].First.At).
			Equal(entra.FloorHour(rest[0].First.At)) &&
			rest[n].First.Computer == rest[0].First.Computer {
			n++
		}
		if err := b.add(ctx, rest[:n], known); err != nil {
			return err
		}
		rest = rest[n:]
		if b.Slice > 0 && len(rest) > 0 && b.Now().Sub(b.arrived) > b.Slice {
			return &entra.Error{Code: entra.CodeUnavailable, Doing: "take the events",
				Why: fmt.Sprintf("%d of %d records are stored, and time is up", len(b.entries)-len(rest),
					len(b.entries)),
				Remedy: "send the same events again: what is stored is passed over"}
		}
	}
	return nil
}

// mostOfCall bounds how many records are added at a time.
const mostOfCall = 1000

// add adds records of one hour and computer, and ends the wait of their parts.
func (b *batch) add(ctx context.Context, some []*entry, known map[string]bool) error {
	hour := entra.FloorHour(some[0].First.At)
	records := make([]entra.Record, 0, len(some))
	for _, e := range some {
		rec, err := logs.ParseRecord(logs.IdentityManager, e.Record())
		if err != nil { // it is ours: it has an id and a time
			return fmt.Errorf("file a request of Identity Manager: %w", err)
		}
		records = append(records, rec)
	}
	added, err := b.Archive.Add(ctx, hour, records, b.origin(records, some[0].First.Computer))
	kept := true
	switch code := entra.CodeOf(err); {
	case err == nil:
	case code == entra.CodeNotKept:
		kept = false
	case code == entra.CodeTampered && added.Added+added.Present+len(added.TooLarge) == len(records):
		// The records are there. What else is of their hour was altered, so that it is not sealed again:
		// to refuse the delivery would hold up all that comes after it.
		b.Log.ErrorContext(ctx, "records were delivered into an hour that was altered", "hour", hour, "error", err)
	default:
		return err
	}
	b.counts.Records += added.Added
	b.account(some, records, added, known, kept)
	if !kept { // before their parts go
		if err := b.quarantine(ctx); err != nil {
			return err
		}
	}
	for _, e := range some {
		for _, parts := range e.parts {
			if err := b.Store.EndParts(ctx, parts, PartJoined); err != nil {
				return err
			}
		}
	}
	return nil
}

// account counts what became of records. Those of a time that the archive does not keep are put aside
// each time that they come: whether one was in the archive before its month went, or a kill came
// between the row that decides and the quarantine, nobody knows.
func (b *batch) account(some []*entry, records []entra.Record, added Added, known map[string]bool, kept bool) {
	isNew := added.Added
	for _, before := range []bool{false, true} { // those that were never delivered are the new ones
		for i, e := range some {
			if known[e.ID] != before {
				continue
			}
			b.counts.Duplicate += e.again
			switch {
			case slices.ContainsFunc(added.TooLarge, func(k entra.Key) bool { return k.ID == e.ID }):
				b.putAside(e, records[i].Raw, "the record can't be stored whole")
			case !kept && b.imports():
				b.counts.NotKept += e.events
			case !kept:
				b.putAside(e, records[i].Raw, "the archive keeps nothing of the time of the record")
			case isNew > 0:
				isNew--
				b.counts.Accepted += e.events
			default:
				b.counts.Duplicate += e.events
			}
		}
	}
}

func (b *batch) putAside(e *entry, raw []byte, why string) {
	b.counts.Quarantined += e.events
	b.server(e.server).quarantined += e.events
	b.rejects = append(b.rejects, Rejected{Raw: raw, Reason: why})
}

// imports reports whether the events are out of a file.
func (b *batch) imports() bool { return b.from.Kind == entra.Imported }

// origin says where records came from. Its hash is that of the records as they are stored: what was
// received may hold what may not be known.
func (b *batch) origin(records []entra.Record, computer string) entra.Origin {
	at := b.arrived.Truncate(entra.Tick)
	if b.imports() {
		return entra.Origin{Kind: entra.Imported, SHA256: b.from.SHA256, At: at, By: b.from.By, Name: b.from.Name}
	}
	h := sha256.New()
	for _, r := range records {
		h.Write(r.Raw)
		h.Write([]byte("\n"))
	}
	return entra.Origin{Kind: entra.Delivered, SHA256: [32]byte(h.Sum(nil)), At: at, By: b.from.By, Name: computer}
}

// quarantine puts aside what is no record.
func (b *batch) quarantine(ctx context.Context) error {
	if len(b.rejects) == 0 {
		return nil
	}
	rejects := b.rejects
	b.rejects = nil
	return b.Archive.Quarantine(ctx, rejects)
}

// expire puts aside parts that have waited for others for a day.
func (b *batch) expire(ctx context.Context) error {
	if b.Vault == nil {
		return nil
	}
	n, err := b.Expire(ctx)
	b.counts.Expired = n
	return err
}

// count keeps what the delivery says of the servers' logs. It comes last: a delivery that was
// interrupted comes again.
func (b *batch) count(ctx context.Context) error {
	names := make([]string, 0, len(b.servers))
	for name := range b.servers {
		if name == "" { // events that name none
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := b.countServer(ctx, b.servers[name]); err != nil {
			return err
		}
	}
	return nil
}

// tries bounds how often a change is repeated that others were quicker to make.
const tries = 20

func (b *batch) countServer(ctx context.Context, s *server) error {
	for range tries {
		c, revision, err := b.Store.Computer(ctx, s.name)
		if entra.CodeOf(err) == entra.CodeTampered { // it stays as it is, and holds up nothing
			b.Log.WarnContext(ctx, "a delivery is not counted", "computer", s.name, "error", err)
			return nil
		}
		if err != nil {
			return err
		}
		if c.First.IsZero() {
			c.First = b.arrived
		}
		c.Last = entra.Later(c.Last, b.arrived)
		c.Events += int64(s.events)
		c.Duplicates += int64(s.duplicate)
		c.Quarantined += int64(s.quarantined)
		c.Read = entra.Later(c.Read, s.read)
		c.Count(s.numbers)
		if err = b.Store.SaveComputer(ctx, c, revision); !errors.Is(err, ErrMoved) {
			return err
		}
	}
	return &entra.Error{Code: entra.CodeConflict, Doing: "count a delivery", Why: "others were quicker each time",
		Remedy: "send the same events again"}
}

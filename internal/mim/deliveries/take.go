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
// Received = Accepted + Duplicate + Quarantined + Waiting + Refused + Ignored.
type Counts struct {
	Received    int
	Accepted    int // stored now: a record's event, or all parts of one
	Duplicate   int // the record, or the part, was there
	Quarantined int
	Waiting     int // parts that wait for others
	Refused     int // parts, because there is no key
	Ignored     int // of another log of the server
	Records     int // that are new in the archive
	Expired     int // parts of earlier deliveries that were put aside now
}

// partsWait is how long a part waits for the others.
const partsWait = 24 * time.Hour

// batch is one delivery in progress.
type batch struct {
	Config
	by      string
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
}

// Take takes the events of one delivery. It may be repeated, also after it was interrupted anywhere:
// what is stored counts as duplicate then. by says who brought it. Errors: entra.CodeBadRequest (it
// can't be read), entra.CodePartsRefused (everything else of it is stored), entra.CodeUnavailable
// (it took too long: the same delivery again goes on), and those of storage.
func (cfg Config) Take(ctx context.Context, body []byte, by string) (Counts, error) {
	events, err := mim.ReadDelivery(body)
	if err != nil {
		return Counts{}, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the events", Why: err.Error(), Err: err,
			Remedy: "send a JSON array, or lines, of {EventId, TimeCreated, Computer, RecordId, Message}, in UTF-8"}
	}
	b := &batch{Config: cfg, by: by, arrived: cfg.Now().UTC(), parts: map[string]partNow{},
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
			Why: fmt.Sprintf("parts wait encrypted, and MIM_PARTS_KEY is not set; of the other events %d were stored, %d "+
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
		if e.Foreign() {
			b.counts.Ignored++
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

// keep keeps a part. One whose request is in the archive is a duplicate.
func (b *batch) keep(ctx context.Context, e mim.Event, p mim.Part, s *server) error {
	name := b.Vault.Name(p)
	if _, twice := b.parts[name]; twice {
		b.duplicate(p.Came.Computer, 1)
		return nil
	}
	sealed, err := b.Vault.Seal(p)
	if err != nil {
		return err
	}
	was, err := b.Store.KeepPart(ctx, Kept{Name: name, Group: mim.GroupOf(p), Sealed: sealed, Since: b.arrived})
	if err != nil {
		return err
	}
	switch was {
	case PartAltered:
		b.reject(e, s, errAlteredPart)
		return nil
	case PartJoined:
		b.duplicate(p.Came.Computer, 1)
		return nil
	case PartWaiting:
		b.duplicate(p.Came.Computer, 1)
	default:
		b.counts.Waiting++
	}
	b.parts[name], b.order = partNow{computer: p.Came.Computer, waited: was == PartWaiting}, append(b.order, name)
	if group := mim.GroupOf(p); !slices.Contains(b.groups, group) {
		b.groups = append(b.groups, group)
	}
	return nil
}

// Why an event is put aside whose row was altered. It can't wait for the row: the others after it would.
var (
	errAlteredPart   = errors.New("the row of this part in table mimparts is not what was written: delete it, and send the event again")
	errAlteredRecord = errors.New("the row of this request in table mimrecords is not what was written: delete it, and send " +
		"the event again")
)

func (b *batch) duplicate(computer string, n int) {
	b.counts.Duplicate += n
	b.server(computer).duplicate += n
}

// open decrypts the parts of a group that wait. Those of another key, and those whose rows were
// altered, are left as they are.
func (b *batch) open(ctx context.Context, group string) ([]mim.Part, []Kept, error) {
	kept, err := b.Store.Parts(ctx, group)
	if err != nil {
		return nil, nil, err
	}
	var parts []mim.Part
	for _, k := range kept {
		switch k.State {
		case PartAltered:
			b.Log.WarnContext(ctx, "a row of table mimparts is not what was written, and is passed over", "row", k.Name)
		case PartWaiting:
			p, err := b.Vault.Open(k.Name, k.Sealed)
			if err != nil {
				b.Log.WarnContext(ctx, "a part of a request of Identity Manager waits that MIM_PARTS_KEY does not open",
					"since", k.Since)
				continue
			}
			parts = append(parts, p)
		}
	}
	return parts, kept, nil
}

// join makes entries of the groups of which all parts are there.
func (b *batch) join(ctx context.Context) error {
	for _, group := range b.groups {
		parts, kept, err := b.open(ctx, group)
		if err != nil {
			return err
		}
		for {
			text, used, _ := mim.Join(parts)
			if used == nil {
				break
			}
			names, err := b.joined(text, used)
			if err != nil {
				return err
			}
			parts = slices.DeleteFunc(parts, func(p mim.Part) bool { return slices.Contains(names, b.Vault.Name(p)) })
		}
		b.repeated(group, parts, kept)
	}
	return nil
}

// repeated counts parts that came now and wait on as duplicates, where another server, or the same
// request in another state, has brought their text.
func (b *batch) repeated(group string, waiting []mim.Part, kept []Kept) {
	known := make(map[string]bool)
	for _, k := range kept {
		if _, now := b.parts[k.Name]; !now && (k.State == PartWaiting || k.State == PartJoined) {
			known[mim.TextOf(k.Name)] = true
		}
	}
	wait := make(map[string]bool, len(waiting))
	for _, p := range waiting {
		wait[b.Vault.Name(p)] = true
	}
	for _, name := range b.order {
		now := b.parts[name]
		if !strings.HasPrefix(name, group) || !wait[name] || now.waited {
			continue
		}
		if known[mim.TextOf(name)] {
			b.counts.Waiting--
			b.duplicate(now.computer, 1)
		}
		known[mim.TextOf(name)] = true
	}
}

// joined makes an entry of parts, and returns their names. It is filed as its first part.
func (b *batch) joined(text string, used []mim.Part) ([]string, error) {
	first := used[0].Came
	first.Parts = len(used)
	made, err := b.Rules.Enter(text, first)
	if err != nil { // Join has looked: it is a request
		return nil, err
	}
	e := &entry{Entry: made, server: first.Computer}
	names := make([]string, 0, len(used))
	for _, p := range used {
		name := b.Vault.Name(p)
		names = append(names, name)
		now, ok := b.parts[name]
		switch {
		case !ok:
			continue
		case now.waited:
			b.duplicate(now.computer, -1)
		default:
			b.counts.Waiting--
		}
		e.events++
	}
	e.parts = [][]string{names}
	b.enter(e)
	return names, nil
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
			strings.Compare(a.First.Computer, c.First.Computer), a.First.At.Compare(c.First.At), strings.Compare(a.ID, c.ID))
	})
	for rest := b.entries; len(rest) > 0; {
		n := 1
		for n < len(rest) && n < mostOfCall && entra.FloorHour(rest[n].First.At).Equal(entra.FloorHour(rest[0].First.At)) &&
			rest[n].First.Computer == rest[0].First.Computer {
			n++
		}
		if err := b.add(ctx, rest[:n], known); err != nil {
			return err
		}
		rest = rest[n:]
		if b.Slice > 0 && len(rest) > 0 && b.Now().Sub(b.arrived) > b.Slice {
			return &entra.Error{Code: entra.CodeUnavailable, Doing: "take the events",
				Why:    fmt.Sprintf("%d of %d records are stored, and time is up", len(b.entries)-len(rest), len(b.entries)),
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

// origin says where records came from. Its hash is that of the records as they are stored: what was
// received may hold what may not be known.
func (b *batch) origin(records []entra.Record, computer string) entra.Origin {
	h := sha256.New()
	for _, r := range records {
		h.Write(r.Raw)
		h.Write([]byte("\n"))
	}
	return entra.Origin{Kind: entra.Delivered, SHA256: [32]byte(h.Sum(nil)), At: b.arrived.Truncate(entra.Tick),
		By: b.by, Name: computer}
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
		c.Count(s.numbers)
		if err = b.Store.SaveComputer(ctx, c, revision); !errors.Is(err, ErrMoved) {
			return err
		}
	}
	return &entra.Error{Code: entra.CodeConflict, Doing: "count a delivery", Why: "others were quicker each time",
		Remedy: "send the same events again"}
}

package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/mim"
	"github.com/entraledger/entraledger/internal/mim/deliveries"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// Deliveries keeps what deliveries of Identity Manager's events have to remember: a row for each
// record says where it is filed, a row for each part of a request what became of it, and a row for
// each server what is known of its log.
type Deliveries struct {
	client *rows.Client
}

var _ deliveries.Store = (*Deliveries)(nil)

const (
	// groupsPartition has a row for each group of which parts may wait. A part's own partition is its
	// request, so that the parts of one end their wait at once.
	groupsPartition   = "groups"
	computerPartition = "computer"
	// groupBegin is how much of a record's id is its partition.
	groupBegin = 2
)

// decideAtOnce is how many rows are written at the same time. They are of as many partitions.
const decideAtOnce = 16

// decided is a first delivery as its row has it.
type decided struct {
	At        time.Time
	ByArrival bool   `json:",omitempty"`
	Sent      string `json:",omitempty"`
	Computer  string `json:",omitempty"`
	RecordID  int64  `json:",omitempty"`
	EventID   int64  `json:",omitempty"`
	Parts     int    `json:",omitempty"`
}

// filedColumn is by which time a record is filed, so that a purge finds the rows of a month.
const filedColumn = "Filed"

// Decide is deliveries.Store's. A row is inserted or read, and never changed: the first one decides.
func (d *Deliveries) Decide(ctx context.Context, entries []mim.Entry) ([]deliveries.Decision, error) {
	out := make([]deliveries.Decision, len(entries))
	group, writing := parallel.WithContext(ctx)
	group.SetLimit(decideAtOnce)
	for i, e := range entries {
		group.Go(func() (err error) {
			out[i], err = d.decide(writing, e)
			return err
		})
	}
	return out, group.Wait()
}

func (d *Deliveries) decide(ctx context.Context, e mim.Entry) (deliveries.Decision, error) {
	const doing = "keep the first delivery of a request"
	out := deliveries.Decision{First: e.First}
	text, err := json.Marshal(decided(e.First))
	if err != nil {
		return out, err
	}
	row := checkedText(mimRecordsTable, e.ID[:groupBegin], e.ID, "Delivery", string(text), func(b *rows.Builder) {
		b.Time(filedColumn, e.First.At)
	})
	for range mimTries {
		_, err = d.client.Replace(ctx, mimRecordsTable, doing, row, "")
		if !errors.Is(err, rows.ErrMoved) {
			return out, err
		}
		got, err := d.client.Get(ctx, mimRecordsTable, e.ID[:groupBegin], e.ID, doing)
		if rows.IsMissing(err) { // a purge was quicker
			continue
		}
		if err != nil {
			return out, err
		}
		kept, err := parseDecided(got.Body)
		if entra.CodeOf(err) == entra.CodeTampered {
			return deliveries.Decision{First: e.First, Was: true, Altered: err}, nil
		}
		return deliveries.Decision{First: kept, Was: true}, err
	}
	return out, quickerOthers(doing)
}

func parseDecided(body []byte) (mim.Delivery, error) {
	const remedy = "delete the row: the next delivery of the record decides anew where it is filed"
	var kept decided
	if err := readChecked(body, mimRecordsTable, "Delivery", &kept, remedy); err != nil {
		return mim.Delivery{}, err
	}
	// The column says by which month the row is dropped.
	filed, err := time.Parse(time.RFC3339Nano, gjson.GetBytes(body, filedColumn).Str)
	if err != nil || !filed.Equal(kept.At) {
		return mim.Delivery{}, alteredOfMIM(mimRecordsTable, rows.KeyOf(body).Row, remedy)
	}
	return mim.Delivery(kept), nil
}

// checkedText is a row of one text, with a check of it and of its place.
func checkedText(table, partition, key, column, text string, more func(*rows.Builder)) []byte {
	b := rows.NewEntity(partition, key, len(text)+512)
	b.Text(column, text)
	if more != nil {
		more(b)
	}
	b.Binary(checkColumn, checkOf(table, partition, key, []byte(text)))
	return b.Done().Body
}

// readChecked reads the text of such a row. One that is not what was written is an
// entra.CodeTampered.
func readChecked(body []byte, table, column string, into any, remedy string) error {
	row, key := gjson.ParseBytes(body), rows.KeyOf(body)
	text := row.Get(column).Str
	if compareCheck(row, checkOf(table, key.Partition, key.Row, []byte(text))) == agrees &&
		json.Unmarshal([]byte(text), into) == nil {
		return nil
	}
	return alteredOfMIM(table, key.Row, remedy)
}

func alteredOfMIM(table, row, remedy string) error {
	return &entra.Error{Code: entra.CodeTampered, Doing: fmt.Sprintf("read row %s of table %s", rows.Clip(row), table),
		Why: "it is not what was written", Remedy: remedy + "; find out who changed it"}
}

// partRow is a part's row. A part that waits no more has no content.
type partRow struct {
	name, revision string
	state          deliveries.PartState
	since          time.Time
	sealed         []byte
}

// partOf cuts a part's name into its partition, the request, and its row key.
func partOf(name string) (request, key string) {
	request, key, _ = strings.Cut(name, "!")
	return request, key
}

func (p partRow) entity() rows.Entity {
	request, key := partOf(p.name)
	b := rows.NewEntity(request, key, 2*len(p.sealed)+512)
	b.Text("State", string(p.state))
	b.Time("Since", p.since)
	b.Chunks(p.sealed)
	b.Binary(checkColumn, p.check())
	return b.Done()
}

func (p partRow) check() []byte {
	request, key := partOf(p.name)
	return checkOf(mimPartsTable, request, key, []byte(p.state), []byte(p.since.UTC().Format(rows.TimeFormat)),
		p.sealed)
}

func parsePart(body []byte) (partRow, error) {
	key := rows.KeyOf(body)
	out := partRow{name: key.Partition + "!" + key.Row}
	var columns struct {
		ETag  string `json:"odata.etag"`
		State deliveries.PartState
		Since time.Time
	}
	whole, wrong := parseWholeRow(body)
	err := json.Unmarshal(body, &columns)
	out.revision, out.state, out.since, out.sealed = columns.ETag, columns.State, columns.Since.UTC(), whole.data
	if err != nil || wrong != nil || compareCheck(gjson.ParseBytes(body), out.check()) != agrees {
		return out, alteredOfMIM(mimPartsTable, out.name, "delete the row, and send the part again")
	}
	return out, nil
}

// KeepPart is deliveries.Store's. The part comes first, and then its group: a group without a part
// is forgotten, a part without a group would wait for ever. A kill between the two leaves one, until
// the delivery comes again.
func (d *Deliveries) KeepPart(ctx context.Context, p deliveries.Kept) (deliveries.PartState, error) {
	const doing = "keep a part of a request"
	row := partRow{name: p.Name, state: deliveries.PartWaiting, since: p.Since.Truncate(entra.Tick), sealed: p.Sealed}
	if len(p.Sealed) > mostSealed {
		return "", &entra.Error{Code: entra.CodeBadRequest, Doing: doing,
			Why:    fmt.Sprintf("it has %d bytes", len(p.Sealed)),
			Remedy: fmt.Sprintf("at most are %d", mostSealed)}
	}
	request, key := partOf(p.Name)
	for range mimTries {
		_, err := d.client.Replace(ctx, mimPartsTable, doing, row.entity().Body, row.revision)
		switch {
		case err == nil && row.revision == "":
			return deliveries.PartNew, d.touch(ctx, p)
		case err == nil:
			return deliveries.PartAside, d.touch(ctx, p)
		case !errors.Is(err, rows.ErrMoved):
			return "", err
		}
		got, err := d.client.Get(ctx, mimPartsTable, request, key, doing)
		if rows.IsMissing(err) {
			row.revision = ""
			continue
		}
		if err != nil {
			return "", err
		}
		there, err := parsePart(got.Body)
		switch {
		case entra.CodeOf(err) == entra.CodeTampered:
			return deliveries.PartAltered, nil
		case err != nil:
			return "", err
		case there.state == deliveries.PartJoined:
			return there.state, nil
		case there.state == deliveries.PartWaiting:
			return there.state, d.touch(ctx, p)
		}
		row.revision = got.Revision
	}
	return "", quickerOthers(doing)
}

// mostSealed is what one row holds of a part: mim reads no longer ones.
const mostSealed = 800 << 10

// mimTries bounds how often a change is repeated that others were quicker to make.
const mimTries = 20

func quickerOthers(doing string) error {
	return &entra.Error{Code: entra.CodeConflict, Doing: doing, Why: "others were quicker each time",
		Remedy: "send the same events again"}
}

// touch notes that parts of a group may wait, and since when none came.
func (d *Deliveries) touch(ctx context.Context, p deliveries.Kept) error {
	b := rows.NewEntity(groupsPartition, p.Group, 256)
	b.Time("Since", p.Since)
	b.Binary(checkColumn, groupCheck(p.Group, p.Since))
	return d.client.Submit(ctx, mimPartsTable, rows.Action{Kind: rows.Merge, Row: b.Done().Body})
}

func groupCheck(group string, since time.Time) []byte {
	return checkOf(mimPartsTable, groupsPartition, group, []byte(since.UTC().Format(rows.TimeFormat)))
}

// checkGroup finds a group's row that is not what was written.
func checkGroup(body []byte) error {
	var columns struct{ Since time.Time }
	err, group := json.Unmarshal(body, &columns), rows.KeyOf(body).Row
	if err != nil || compareCheck(gjson.ParseBytes(body), groupCheck(group, columns.Since)) != agrees {
		return alteredOfMIM(mimPartsTable, group, "send the parts of the request again")
	}
	return nil
}

// groupOfName is the group of a part's name.
func groupOfName(name string) string {
	request, key := partOf(name)
	of, _, _ := strings.Cut(key, "!")
	return request + "!" + of + "!"
}

// Parts is deliveries.Store's.
func (d *Deliveries) Parts(ctx context.Context, group string) ([]deliveries.Kept, error) {
	all, err := d.parts(ctx, group)
	out := make([]deliveries.Kept, 0, len(all))
	for _, p := range all {
		out = append(out, deliveries.Kept{Name: p.name, Group: group, State: p.state, Sealed: p.sealed, Since: p.since})
	}
	return out, err
}

// parts are the rows of a group. Those that are not what was written say that alone.
func (d *Deliveries) parts(ctx context.Context, group string) ([]partRow, error) {
	request, of := partOf(group)
	var out []partRow
	for body, err := range d.client.Scan(ctx, mimPartsTable, rows.Query{Filter: rows.In(request, of, of+"~")}) {
		if err != nil {
			return nil, err
		}
		p, err := parsePart(body)
		if entra.CodeOf(err) == entra.CodeTampered {
			p, err = partRow{name: p.name, state: deliveries.PartAltered}, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// EndParts is deliveries.Store's. What is joined stays so.
func (d *Deliveries) EndParts(ctx context.Context, names []string, as deliveries.PartState) error {
	for len(names) > 0 {
		some := names[:min(len(names), rows.MaxOperations)]
		names = names[len(some):]
		if err := d.endSome(ctx, some, as); err != nil {
			return err
		}
	}
	return nil
}

func (d *Deliveries) endSome(ctx context.Context, names []string, as deliveries.PartState) error {
	wanted := make(map[string]bool, len(names))
	for _, name := range names {
		wanted[name] = true
	}
	for range mimTries {
		all, err := d.parts(ctx, groupOfName(names[0]))
		if err != nil {
			return err
		}
		var actions []rows.Action
		for _, p := range all {
			if !wanted[p.name] || p.state == as || p.state == deliveries.PartJoined ||
				p.state == deliveries.PartAltered {
				continue
			}
			ended := partRow{name: p.name, state: as, since: p.since}
			actions = append(actions, rows.Action{Kind: rows.Swap, Row: ended.entity().Body, Revision: p.revision})
		}
		if len(actions) == 0 {
			return nil
		}
		if err = d.client.Submit(ctx, mimPartsTable, actions...); !errors.Is(err, rows.ErrMoved) {
			return err
		}
	}
	return quickerOthers("end the wait of the parts of a request")
}

// Groups is deliveries.Store's.
func (d *Deliveries) Groups(ctx context.Context, before time.Time) ([]string, error) {
	var out []string
	query := rows.Query{Filter: "PartitionKey eq " + rows.Quote(groupsPartition) + " and Since le " +
		rows.Literal(before)}
	for body, err := range d.client.Scan(ctx, mimPartsTable, query) {
		if err != nil {
			return nil, err
		}
		out = append(out, rows.KeyOf(body).Row)
	}
	return out, nil
}

// EndGroup is deliveries.Store's. A part that comes while this looks changes the row, which then
// stays.
func (d *Deliveries) EndGroup(ctx context.Context, group string) error {
	const doing = "forget the parts of a request"
	got, err := d.client.Get(ctx, mimPartsTable, groupsPartition, group, doing)
	if rows.IsMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	all, err := d.parts(ctx, group)
	if err != nil || slices.ContainsFunc(all, func(p partRow) bool { return p.state == deliveries.PartWaiting }) {
		return err
	}
	err = d.client.Submit(ctx, mimPartsTable, rows.Deletion(groupsPartition, group, got.Revision))
	if errors.Is(err, rows.ErrMoved) || rows.IsMissing(err) {
		return nil
	}
	return err
}

// computerKey is the row key of a server: names are compared without regard to case.
func computerKey(name string) string { return readerKey(strings.ToLower(name)) }

// Computer is deliveries.Store's.
func (d *Deliveries) Computer(ctx context.Context, name string) (mim.Computer, string, error) {
	got, err := d.client.Get(ctx, mimComputersTable, computerPartition, computerKey(name),
		"read what is known of a server")
	if rows.IsMissing(err) {
		return mim.Computer{Name: name}, "", nil
	}
	if err != nil {
		return mim.Computer{}, "", err
	}
	c, err := parseComputer(got.Body)
	return c, got.Revision, err
}

func parseComputer(body []byte) (c mim.Computer, err error) {
	err = readChecked(body, mimComputersTable, "Deliveries", &c,
		"delete the row: what is known of the server's numbers begins anew, and no record is touched")
	return c, err
}

// SaveComputer is deliveries.Store's.
func (d *Deliveries) SaveComputer(ctx context.Context, c mim.Computer, revision string) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	row := checkedText(mimComputersTable, computerPartition, computerKey(c.Name), "Deliveries", string(text), nil)
	_, err = d.client.Replace(ctx, mimComputersTable, "keep what is known of a server", row, revision)
	if errors.Is(err, rows.ErrMoved) {
		return deliveries.ErrMoved
	}
	return err
}

// Computers is deliveries.Store's.
func (d *Deliveries) Computers(ctx context.Context) ([]mim.Computer, error) {
	var out []mim.Computer
	query := rows.Query{Filter: "PartitionKey eq " + rows.Quote(computerPartition)}
	for body, err := range d.client.Scan(ctx, mimComputersTable, query) {
		if err != nil {
			return nil, err
		}
		c, err := parseComputer(body)
		if entra.CodeOf(err) == entra.CodeTampered {
			c, err = mim.Computer{Name: rows.KeyOf(body).Row, Altered: true}, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

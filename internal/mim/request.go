package mim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
)

// Why an event is no record: its reasons in quarantine.
var (
	ErrUnknownEvent = errors.New("the event is of a type that is not known")
	ErrNoRequest    = errors.New("the event's message is not a request as JSON")
	ErrTooDeep      = errors.New("the request is nested deeper than any that the service logs")
	ErrNoIdentity   = errors.New("the request has no HybridObjectID")
	ErrNoPart       = errors.New("the message does not say which part of which request it is")
	ErrPartMissing  = errors.New("another part of the request did not come within a day")
	ErrPartsDiffer  = errors.New("the parts that came do not make a request together")
)

// request is what the rules and a record know of a request.
type request struct {
	id, status, committed     string
	operation, targetType     string
	target, creator, approver object
	reason                    string
	parameters                []parameter
	doc                       gjson.Result
}

// object is one that a request refers to: by its description, or by its ID alone.
type object struct{ id, name, kind string }

// parameter is what a request did to one property.
type parameter struct {
	property, operation, mode string
	value                     gjson.Result
}

// readRequest reads a request as the service logs it. Source of its form: facts of event 4121 in
// MIMDocs and the sample of DaveHodgeDev/MIMAuditor. A list of one element may be the element.
func readRequest(doc gjson.Result) request {
	of := members(doc)
	text := func(name string) string { return strings.TrimSpace(of[strings.ToLower(name)].String()) }
	out := request{id: guid(text("HybridObjectID")), status: text("RequestStatus"), committed: text("CommittedTime"),
		operation: text("Operation"), targetType: text("TargetObjectType"), target: objectOf(of["target"]),
		creator: objectOf(of["creator"]), approver: objectOf(of["approver"]), reason: text("Justification"), doc: doc}
	if out.targetType == "" {
		out.targetType = out.target.kind
	}
	for _, p := range elements(of["requestparameter"]) {
		is := members(p)
		out.parameters = append(out.parameters, parameter{property: is["propertyname"].String(),
			operation: is["operation"].String(), mode: is["mode"].String(), value: is["value"]})
	}
	return out
}

// elements are a list's elements; what is no list is its one element.
func elements(v gjson.Result) []gjson.Result {
	switch {
	case !v.Exists() || v.Type == gjson.Null || v.Type == gjson.String && v.Str == "":
		return nil
	case v.IsArray():
		return v.Array()
	case v.Type == gjson.String && holdsJSON(v.Str):
		return elements(gjson.Parse(v.Str))
	}
	return []gjson.Result{v}
}

// objectOf reads the first object that a value refers to.
func objectOf(v gjson.Result) object {
	all := elements(v)
	if len(all) == 0 {
		return object{}
	}
	e := all[0]
	if !e.IsObject() {
		return object{id: guid(e.String())}
	}
	is := members(e)
	out := object{id: guid(is["hybridobjectid"].String()), kind: is["objecttype"].String()}
	for _, name := range []string{"accountname", "displayname"} {
		if out.name == "" {
			out.name = strings.TrimSpace(is[name].String())
		}
	}
	if domain := is["domain"].String(); domain != "" && is["accountname"].String() != "" {
		out.name = domain + `\` + out.name
	}
	return out
}

// guid is an ID in the one spelling that is compared: small letters, without braces.
func guid(text string) string { return strings.ToLower(strings.Trim(strings.TrimSpace(text), "{}")) }

// times are the spellings of a request's own times. They have no zone.
var times = []string{"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", time.RFC3339Nano,
	"1/2/2006 3:04:05 PM", "1/2/2006 15:04:05"}

// moment is a request's time in one spelling; one that can't be read stays as it is.
func moment(text string) string {
	for _, form := range times {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC().Format(time.RFC3339Nano)
		}
	}
	return text
}

// identity is the id of a request's record: SHA-256 of its HybridObjectID, RequestStatus and
// CommittedTime. Servers, numbers and times of events are no part of it.
func (r request) identity() string {
	sum := sha256.Sum256([]byte(r.id + "\n" + r.status + "\n" + moment(r.committed)))
	return hex.EncodeToString(sum[:])
}

// Entry is a record that is not filed yet: its id is known, and, by the first delivery of it that
// was ever seen, where it belongs.
type Entry struct {
	ID    string // of the record
	First Delivery
	body  string // the members of the record that the request decides
}

// Delivery is what one event says of how a record came.
type Delivery struct {
	At        time.Time // by which the record is filed
	ByArrival bool      // At is when it arrived
	Sent      string    // the event's own time, as it was sent; kept where ByArrival
	Computer  string
	RecordID  int64
	EventID   int64
	Parts     int // events that it came in; 0: one
}

// Deliver says how an event came that arrived now.
func (e Event) Deliver(arrived time.Time) Delivery {
	at, byArrival := FiledAt(e.Time, arrived)
	out := Delivery{At: at, ByArrival: byArrival, Computer: entra.Clip(e.Computer, 256), RecordID: e.RecordID,
		EventID: e.ID}
	if byArrival {
		out.Sent = entra.Clip(e.Time, 80)
	}
	return out
}

// Enter makes the entry of a request's text. Errors: ErrNoRequest, ErrTooDeep, ErrNoIdentity.
func (r *Rules) Enter(message string, first Delivery) (Entry, error) {
	message = strings.TrimSpace(message)
	if !Shallow(message) {
		return Entry{}, ErrTooDeep
	}
	if !gjson.Valid(message) || !gjson.Parse(message).IsObject() {
		return Entry{}, ErrNoRequest
	}
	raw := r.RedactJSON(message)
	is := readRequest(gjson.Parse(raw))
	if is.id == "" {
		return Entry{}, ErrNoIdentity
	}
	var b fields
	b.text("requestId", is.id)
	b.text("requestStatus", is.status)
	b.text("operation", is.operation)
	b.text("targetObjectType", is.targetType)
	b.text("targetId", is.target.id)
	b.text("targetName", is.target.name)
	b.text("creatorId", is.creator.id)
	b.text("creatorName", is.creator.name)
	b.raw("request", raw)
	return Entry{ID: is.identity(), First: first, body: b.String()}, nil
}

// Record is the entry's record, as it is filed by its first delivery.
func (e Entry) Record() []byte {
	var b fields
	b.text("id", e.ID)
	b.text("activityDateTime", e.First.At.UTC().Format(time.RFC3339Nano))
	filed := "timeCreated"
	if e.First.ByArrival {
		filed = "arrival"
	}
	b.text("filedBy", filed)
	b.text("timeCreated", e.First.Sent)
	b.text("computer", e.First.Computer)
	b.number("recordId", e.First.RecordID)
	b.number("eventId", e.First.EventID)
	b.number("parts", int64(e.First.Parts))
	return []byte("{" + b.String() + "," + e.body + "}")
}

// Reject is what is put in quarantine of an event: all that it said, without what may not be stored.
func (r *Rules) Reject(e Event) []byte {
	message, raw := r.RedactText(e.Message), r.RedactText(e.Raw)
	if e.ID == EventPart {
		head := partHead.FindString(e.Message)
		message = head + r.RedactPart(e.Message[len(head):])
		raw = r.redactUnknown(e.Raw, 1) // where its text begins and ends is not known
	}
	var b fields
	b.number("EventId", e.ID)
	b.text("TimeCreated", entra.Clip(e.Time, 80))
	b.text("Computer", entra.Clip(e.Computer, 256))
	b.number("RecordId", e.RecordID)
	b.text("Message", message)
	b.text("Event", raw)
	return []byte("{" + b.String() + "}")
}

// fields writes the members of an object in UTF-8 JSON, and leaves out what is empty.
type fields struct{ strings.Builder }

func (b *fields) raw(name, value string) {
	if b.Len() > 0 {
		b.WriteByte(',')
	}
	b.WriteString(strconv.Quote(name) + ":" + value)
}

func (b *fields) text(name, value string) {
	if value != "" {
		text, _ := json.Marshal(value) // a text has a JSON form
		b.raw(name, string(text))
	}
}

func (b *fields) number(name string, n int64) {
	if n != 0 {
		b.raw(name, strconv.FormatInt(n, 10))
	}
}

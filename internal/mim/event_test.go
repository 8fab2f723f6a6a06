package mim_test

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/mim"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func quoted(text string) string {
	out, _ := json.Marshal(text)
	return string(out)
}

// message is a request as an event has it: short, and with what breaks careless parsers.
const message = `{"HybridObjectID":"{0A0B0C0D-0000-4000-8000-000000000001}","ObjectType":"Request","Operation":"Put",` +
	`"RequestStatus":"Completed","CommittedTime":"2026-11-16 16:25:12.307","TargetObjectType":"Person"}`

func TestADeliveryIsReadInEveryShape(t *testing.T) {
	event := mim.Event{ID: 4121, Time: "2026-11-16T16:25:12Z", Computer: "MIM1", RecordID: 7, Message: message}
	ofAgent, ofTable := event, event
	ofAgent.Log, ofAgent.RecordID = mim.LogName, 0
	ofTable.Log = mim.LogName
	own := `{"EventId":4121,"TimeCreated":"2026-11-16T16:25:12Z","Computer":"MIM1","RecordId":7,"Message":` +
		quoted(message) + `}`
	agent := `{"TimeGenerated":"2026-11-16T16:25:12Z","Computer":"MIM1","EventLog":"Identity Manager Request Log",` +
		`"EventID":4121,"Type":"Event",`
	xml := `<DataItem type="System.XmlData"><EventData xmlns="x"><Data>` +
		`{&quot;a&quot;:1}</Data></EventData></DataItem>`
	for name, c := range map[string]struct {
		body string
		want []mim.Event
	}{
		"array":      {"[" + own + "," + own + "]", []mim.Event{event, event}},
		"one":        {own, []mim.Event{event}},
		"lines":      {own + "\r\n\n" + own + "\n", []mim.Event{event, event}},
		"byte order": {"\ufeff[" + own + "]", []mim.Event{event}},
		"none":       {"[]", nil},
		"Event Hub": {`{"records":[` + agent + `"RenderedDescription":` + quoted(message) + `}]}`,
			[]mim.Event{ofAgent}},
		"lines of a hub": {`{"records":[` + own + "]}\n" + `{"records":[` + own + "]}", []mim.Event{event, event}},
		"query": {`{"tables":[{"columns":[{"name":"TimeGenerated"},{"name":"Computer"},{"name":"Channel"},` +
			`{"name":"EventID"},{"name":"EventRecordId"},{"name":"EventData"}],"rows":[["2026-11-16T16:25:12Z","MIM1",` +
			`"Identity Manager Request Log",4121,"7",{"Data":` + quoted(message) + `}]]}]}`, []mim.Event{ofTable}},
		"xml": {agent + `"RenderedDescription":"","EventData":` + quoted(xml) + `}`, []mim.Event{{ID: 4121,
			Time: "2026-11-16T16:25:12Z", Computer: "MIM1", Log: mim.LogName, Message: `{"a":1}`}}},
		"no object": {`["x",{"EventId":1}]`, []mim.Event{{Raw: `"x"`}, {ID: 1, Raw: `{"EventId":1}`}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := mim.ReadDelivery([]byte(c.body))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	for body, want := range map[string]error{
		"[{\"EventId\":4121,\"Message\":\"M\xfcller\"}]": mim.ErrNotUTF8, `{"a":1} x`: mim.ErrNoEvents,
		"": mim.ErrNoEvents, "12": mim.ErrNoEvents, `[{"EventId":4121}`: mim.ErrNoEvents,
	} {
		_, err := mim.ReadDelivery([]byte(body))
		require.ErrorIs(t, err, want, body)
	}
	require.True(t, mim.Event{Log: "System"}.Foreign())
	require.False(t, mim.Event{Log: "identity manager request log"}.Foreign())
	require.False(t, event.Foreign())
}

func TestAnEventIsFiledByItsTimeUnlessItsClockCannotBeBelieved(t *testing.T) {
	for sent, want := range map[string]struct {
		at        string
		byArrival bool
	}{
		"2026-11-16T16:25:12.3071234Z":      {"2026-11-16T16:25:12.3071234Z", false},
		"2026-11-16T17:25:12.3+01:00":       {"2026-11-16T16:25:12.3Z", false},
		"/Date(1668615912307)/":             {"2022-11-16T16:25:12.307Z", false},
		"2026-11-24T13:00:00Z":              {"2026-11-24T13:00:00Z", false},
		"2026-11-24T13:00:00.0000001Z":      {"2026-11-24T12:00:00Z", true},
		"2027-11-24T12:00:00Z":              {"2026-11-24T12:00:00Z", true},
		"2025-11-24T12:00:00Z":              {"2025-11-24T12:00:00Z", false},
		"2009-12-31T23:59:59Z":              {"2026-11-24T12:00:00Z", true},
		"2010-01-01T00:00:00Z":              {"2010-01-01T00:00:00Z", false},
		"1601-01-01T00:00:00Z":              {"2026-11-24T12:00:00Z", true},
		"yesterday":                         {"2026-11-24T12:00:00Z", true},
		"":                                  {"2026-11-24T12:00:00Z", true},
		"/Date(99999999999999999999999999)": {"2026-11-24T12:00:00Z", true},
	} {
		at, byArrival := mim.FiledAt(sent, now)
		require.Equal(t, want.at, at.Format(time.RFC3339Nano), sent)
		require.Equal(t, want.byArrival, byArrival, sent)
	}
}

// TestDataOfAnEventIsReadAsItIsSent: objects of a query's answer are texts, and a request may have
// any letter in it.
func TestDataOfAnEventIsReadAsItIsSent(t *testing.T) {
	const request = `{"HybridObjectID":"x","RequestStatus":"a<b"}`
	object := `{"Data":` + quoted(request) + `}`
	for name, data := range map[string]string{"the request": quoted(request), "object": object,
		"object as text": quoted(object),
		"list as text":   quoted(`{"Data":[` + quoted(request[:9]) + `,` + quoted(request[9:]) + `]}`),
		"XML":            quoted(`<EventData><Data><![CDATA[` + request + `]]></Data></EventData>`)} {
		events, err := mim.ReadDelivery([]byte(`{"records":[{"EventID":4121,"EventData":` + data + `}]}`))
		require.NoError(t, err, name)
		require.Equal(t, []mim.Event{{ID: 4121, Message: request}}, events, name)
	}
}

func TestANumberThatNoReaderHasExactlyIsNone(t *testing.T) {
	for text, want := range map[string]int64{"9007199254740991": 1<<53 - 1, "9007199254740992": 0,
		"9223372036854775807": 0, "-1": 0, `"17"`: 17} {
		events, err := mim.ReadDelivery([]byte(`[{"EventId":1,"RecordId":` + text + `,"Message":"x"}]`))
		require.NoError(t, err)
		require.Equal(t, want, events[0].RecordID, text)
	}
}

// TestADeliveryTakesNotManyTimesItsLength whatever it is made of: several are read at once.
func TestADeliveryTakesNotManyTimesItsLength(t *testing.T) {
	const length = 1 << 20
	for name, of := range map[string][3]string{
		"rows":    {`{"tables":[{"columns":[],"rows":[`, `[],`, `[]]}]}`},
		"tables":  {`{"tables":[`, `{},`, `{}]}`},
		"columns": {`{"tables":[{"columns":[`, `{},`, `{}],"rows":[[]]}]}`},
		"events":  {`[`, `{},`, `{}]`},
		"lines":   {``, "{}\n", ``},
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(of[0] + strings.Repeat(of[1], (length-len(of[0]+of[2]))/len(of[1])) + of[2])
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := mim.ReadDelivery(body)
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(50*length), "%v", err)
		})
	}
}

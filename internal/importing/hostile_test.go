package importing_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"github.com/entraledger/entraledger/internal/importing"
	"github.com/entraledger/entraledger/internal/logs"
)

// captured is an Avro file of some events, by a schema.
func captured(t *testing.T, schema string, events ...any) []byte {
	var out bytes.Buffer
	is, err := avro.Parse(schema)
	require.NoError(t, err)
	w, err := ocf.NewWriter(&out, is)
	require.NoError(t, err)
	for _, e := range events {
		require.NoError(t, w.Encode(e))
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// TestAnEventWithoutABodyIsRefused: an Avro file that is no capture never passes for an empty one.
func TestAnEventWithoutABodyIsRefused(t *testing.T) {
	record := func(field string) string { return `{"type":"record","name":"E","fields":[` + field + `]}` }
	for name, c := range map[string]struct {
		schema string
		event  map[string]any
	}{
		"no body":    {record(`{"name":"x","type":"string"}`), map[string]any{"x": "a"}},
		"a text":     {record(`{"name":"Body","type":["null","string"]}`), map[string]any{"Body": `{"records":[]}`}},
		"null":       {record(`{"name":"Body","type":["null","bytes"]}`), map[string]any{"Body": nil}},
		"empty":      {record(`{"name":"Body","type":"bytes"}`), map[string]any{"Body": []byte{}}},
		"only space": {record(`{"name":"Body","type":"bytes"}`), map[string]any{"Body": []byte(" \n")}},
	} {
		file := captured(t, c.schema, c.event, c.event)
		got, err := read(t, file, importing.Options{}, importing.Place{}, nil)
		require.NoError(t, err, name)
		require.Len(t, got, 2, name)
		for i, e := range got {
			require.Equal(t, importing.UnknownShape, e.Refused, name)
			require.EqualValues(t, i, e.At, name)
		}
		got, err = read(t, file, importing.Options{}, importing.Place{Offset: 1}, nil)
		require.NoError(t, err, name)
		require.Len(t, got, 1, name)
	}
	_, err := read(t, captured(t, `"bytes"`, []byte("{}")), importing.Options{}, importing.Place{}, nil)
	require.ErrorContains(t, err, "event 0")
}

// TestTextInAnotherEncodingIsRefused, and its neighbours are read.
func TestTextInAnotherEncodingIsRefused(t *testing.T) {
	good := string(compact(fmt.Sprintf(audit, 1, 1)))
	bad := strings.Replace(good, "Update user", "M\xfcller", 1)
	csv := func(id, name string) string { return "2026,AuditLogs," + id + ",2026-11-21T14:05:06Z," + name + "\r\n" }
	for name, file := range map[string]string{
		"lines":     good + "\n" + bad + "\n" + good + "\n",
		"list":      "[" + good + "," + bad + "," + good + "]",
		"last line": good + "\n" + good + "\n" + bad,
		"CSV": "TimeGenerated,Type,Id,ActivityDateTime,ActivityDisplayName\r\n" + csv("a", "x") +
			csv("b", "M\xfcller") + csv("c", "y"),
	} {
		got, err := read(t, []byte(file), importing.Options{}, importing.Place{}, nil)
		require.NoError(t, err, name)
		require.Len(t, got, 3, name)
		refused := 0
		for _, e := range got {
			if e.Refused != "" {
				refused++
				require.Equal(t, importing.NotJSON, e.Refused, name)
				require.Contains(t, e.Detail, "UTF-8", name)
			}
		}
		require.Equal(t, 1, refused, name)
	}
}

// TestADeepEntryTakesNoMemory: it is refused before a parser goes down into it.
func TestADeepEntryTakesNoMemory(t *testing.T) {
	good := string(compact(fmt.Sprintf(audit, 1, 1)))
	const depth = 1 << 20
	deep := good[:len(good)-1] + `,"x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}"
	body := captured(t, `{"type":"record","name":"E","fields":[{"name":"Body","type":"bytes"}]}`,
		map[string]any{"Body": []byte(good)}, map[string]any{"Body": []byte(`{"records":[` + deep[:1<<19] + `]}`)})
	for name, file := range map[string]string{"lines": good + "\n" + deep + "\n", "list": "[" + good + "," + deep + "]",
		"capture": string(body)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := read(t, []byte(file), importing.Options{}, importing.Place{}, nil)
		runtime.ReadMemStats(&after)
		require.NoError(t, err, name)
		require.Len(t, got, 2, name)
		require.NotEmpty(t, got[1].Refused, name)
		require.Less(t, int64(after.StackInuse)-int64(before.StackInuse), int64(16<<20), name)
	}
	nested := good[:len(good)-1] + `,"x":` + strings.Repeat("[", 90) + strings.Repeat("]", 90) + "}"
	got, err := read(t, []byte(nested+"\n"), importing.Options{}, importing.Place{}, nil)
	require.NoError(t, err)
	require.Empty(t, got[0].Refused)
}

// TestWhatIsBehindAListIsNotPassedOver: a second list or table in one object, and an error of a query.
func TestWhatIsBehindAListIsNotPassedOver(t *testing.T) {
	good := string(compact(fmt.Sprintf(audit, 1, 1)))
	table := string(answer(t, without(made(2), logs.Provisioning)))
	for name, c := range map[string]struct {
		file string
		lost bool
	}{
		"two lists":           {`{"value":[` + good + `],"records":[` + good + `]}`, true},
		"two tables":          {table[:len(table)-2] + "," + table[len(`{"tables":[`):], true},
		"an error":            {table[:len(table)-1] + `,"error":{"code":"PartialError"}}`, true},
		"a link":              {`{"value":[` + good + `],"@odata.nextLink":"https://x/{[a"}`, false},
		"an empty list":       {`{"value":[` + good + `],"x":[ ],"y":{ }}`, false},
		"the list of a graph": {`{"@odata.context":"x","value":[` + good + `]}`, false},
	} {
		for _, file := range []string{c.file, c.file + "\n" + good + "\n",
			" \n" + strings.Replace(c.file, `{"`, "{\n\"", 1)} {
			got, err := read(t, []byte(file), importing.Options{}, importing.Place{}, nil)
			require.NoError(t, err, name)
			refused := 0
			for _, e := range got {
				if e.Refused != "" {
					refused++
				}
			}
			require.Equal(t, c.lost, refused == 1, "%s: %d of %d are refused", name, refused, len(got))
		}
	}
}

// TestARowOfAnotherLengthIsRefusedAlone, and the rest of the table is read.
func TestARowOfAnotherLengthIsRefusedAlone(t *testing.T) {
	const columns = "TimeGenerated,Type,Id,ActivityDateTime\r\n"
	const a, short, b = "2026,AuditLogs,a,2026-11-21T14:05:06Z\r\n", "2026,AuditLogs,x\r\n",
		"2026,AuditLogs,b,2026-11-21T14:05:07Z\r\n"
	got, err := read(t, []byte(columns+a+short+b), importing.Options{}, importing.Place{}, nil)
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.Equal(t, importing.UnknownShape, got[1].Refused)
	require.EqualValues(t, len(columns+a), got[1].At)
	require.Equal(t, []string{"a", "b"}, []string{got[0].Record.ID, got[2].Record.ID})
}

// TestTheTenantIsFoundWhateverTheCaseOfItsName.
func TestTheTenantIsFoundWhateverTheCaseOfItsName(t *testing.T) {
	good := string(compact(fmt.Sprintf(audit, 1, 1)))
	for _, name := range []string{"tenantId", "TenantId", "tenantid"} {
		got, err := read(t, []byte(`{"category":"AuditLogs","`+name+`":"other","properties":`+good+"}\n"),
			importing.Options{}, importing.Place{}, nil)
		require.NoError(t, err)
		require.Equal(t, "other", got[0].Tenant, name)
	}
	got, err := read(t, []byte(`{"TimeGenerated":"x","Type":"AuditLogs","aadtenantid":"other","Id":"1",`+
		`"ActivityDateTime":"2026-11-21T14:05:06Z"}`+"\n"), importing.Options{}, importing.Place{}, nil)
	require.NoError(t, err)
	require.Equal(t, "other", got[0].Tenant)
}

// TestHalfAPairOfUTF16TakesNoNeighbour.
func TestHalfAPairOfUTF16TakesNoNeighbour(t *testing.T) {
	wide := []byte{0xff, 0xfe}
	text := func(s string) {
		for _, c := range s {
			wide = append(wide, byte(c), 0)
		}
	}
	text(`{"id":"a","activityDateTime":"2026-11-21T14:05:06Z","x":"`)
	wide = append(wide, 0x00, 0xd8)
	text("\"}\n" + `{"id":"b","activityDateTime":"2026-11-21T14:05:06Z","x":"`)
	wide = append(wide, 0x3d, 0xd8, 0x00, 0xde)
	text("\"}\n")
	got, err := read(t, wide, importing.Options{}, importing.Place{}, nil)
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Contains(t, got[0].raw, "\ufffd")
	require.Contains(t, got[1].raw, "\U0001f600")
}

// TestTheLogThatWasAskedForCountsMoreThanTheName.
func TestTheLogThatWasAskedForCountsMoreThanTheName(t *testing.T) {
	good := string(compact(fmt.Sprintf(audit, 1, 1))) + "\n"
	name := string(logs.CustomSecurityAttributeAudits) + ".jsonl"
	got, err := read(t, []byte(good), importing.Options{Name: name}, importing.Place{}, nil)
	require.NoError(t, err)
	require.Equal(t, logs.CustomSecurityAttributeAudits, got[0].Stream)
	got, err = read(t, []byte(good), importing.Options{Name: name, Log: logs.DirectoryAudits}, importing.Place{}, nil)
	require.NoError(t, err)
	require.Equal(t, logs.DirectoryAudits, got[0].Stream)
}

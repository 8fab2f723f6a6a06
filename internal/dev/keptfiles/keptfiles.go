// Package keptfiles writes Graph's records as other programs keep them: what an import has to read.
// Each form loses what the real one loses.
package keptfiles

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Tenant is the tenant that the files name.
const Tenant = "3f2a9c52-1111-4222-8333-abcdefabcdef"

// Record is a record and its log.
type Record struct {
	Stream entra.Stream
	Raw    []byte
}

// Form writes records as a file.
type Form func(records []Record) []byte

// Forms are the forms of files, by name.
func Forms() map[string]Form {
	return map[string]Form{"envelope": Envelopes, "log-analytics": Rows, "portal": Portal, "extractor": Extractor,
		"capture": Capture}
}

func category(s entra.Stream) string {
	return map[entra.Stream]string{
		logs.DirectoryAudits: "AuditLogs", logs.SignInsInteractiveUser: "SignInLogs",
		logs.SignInsNonInteractiveUser: "NonInteractiveUserSignInLogs",
		logs.SignInsServicePrincipal:   "ServicePrincipalSignInLogs",
		logs.SignInsManagedIdentity:    "ManagedIdentitySignInLogs", logs.Provisioning: "ProvisioningLogs",
		logs.CustomSecurityAttributeAudits: "CustomSecurityAttributeAuditLogs",
	}[s]
}

func decode(raw []byte) map[string]any {
	var out map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		panic(err) // the records are the caller's own
	}
	return out
}

func encode(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // maps of texts and numbers always can
	}
	return bytes.TrimSpace(out.Bytes())
}

// withoutNulls removes members that are null, as diagnostic settings do.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
			} else {
				v[name] = withoutNulls(member)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutNulls(v[i])
		}
	}
	return v
}

// Properties is a record as diagnostic settings write it: without nulls, with a small noise of its
// own, and with numbers and names where they differ from Graph.
func Properties(r Record) map[string]any {
	out := withoutNulls(decode(r.Raw)).(map[string]any)
	out["__UDI_RequiredFields_TenantId"] = Tenant
	if kind, ok := out["userType"].(string); ok && kind != "" {
		out["userType"] = strings.ToUpper(kind[:1]) + kind[1:]
	}
	policies, _ := out["appliedConditionalAccessPolicies"].([]any)
	for _, p := range policies {
		for _, name := range []string{"conditionsSatisfied", "conditionsNotSatisfied"} {
			if policy, ok := p.(map[string]any); ok && policy[name] == "application,users" {
				policy[name] = 3
			}
		}
	}
	if r.Stream == logs.Provisioning {
		for _, name := range []string{"servicePrincipal", "sourceSystem", "targetSystem", "sourceIdentity",
			"targetIdentity", "initiatedBy"} {
			of, ok := out[name].(map[string]any)
			if !ok {
				continue
			}
			for from, to := range map[string]string{"id": "Id", "displayName": "Name"} {
				if v, ok := of[from]; ok {
					of[to] = v
					delete(of, from)
				}
			}
		}
	}
	return out
}

// Envelope is a record in the envelope of diagnostic settings.
func Envelope(r Record) []byte {
	rec, _ := logs.ParseRecord(r.Stream, r.Raw) // only the time is needed
	return encode(map[string]any{"time": rec.Time.Add(4 * time.Minute).Format(time.RFC3339Nano),
		"resourceId": "/tenants/" + Tenant + "/providers/Microsoft.aadiam", "category": category(r.Stream),
		"tenantId": Tenant, "operationName": "Sign-in activity", "Level": 4, "properties": Properties(r)})
}

// Envelopes are JSON lines with CRLF, as in PT1H.json.
func Envelopes(records []Record) []byte {
	var out bytes.Buffer
	for _, r := range records {
		out.Write(append(Envelope(r), "\r\n"...))
	}
	return out.Bytes()
}

// Rows are rows of Log Analytics as a data export writes them: columns instead of properties, and
// JSON in texts.
func Rows(records []Record) []byte {
	var out bytes.Buffer
	for _, r := range records {
		out.Write(append(encode(Row(r)), '\n'))
	}
	return out.Bytes()
}

// Row is a record as a row of its table.
func Row(r Record) map[string]any {
	names := map[string]string{"appliedConditionalAccessPolicies": "ConditionalAccessPolicies",
		"location": "LocationDetails", "resourceId": "ResourceIdentity", "ipAddress": "IPAddress"}
	if !logs.Of(r.Stream).IsSignIns() {
		names["operationType"] = "AADOperationType"
	}
	table := map[entra.Stream]string{logs.SignInsInteractiveUser: "SigninLogs", logs.DirectoryAudits: "AuditLogs",
		logs.Provisioning: "AADProvisioningLogs", logs.SignInsServicePrincipal: "AADServicePrincipalSignInLogs",
		logs.SignInsNonInteractiveUser: "AADNonInteractiveUserSignInLogs",
		logs.SignInsManagedIdentity:    "AADManagedIdentitySignInLogs"}[r.Stream]
	row := map[string]any{"TimeGenerated": "2026-11-21T14:00:00Z", "TenantId": "workspace", "AADTenantId": Tenant,
		"Type": table, "Location": "FR", "Level": "4", "ResourceId": "/tenants/x/providers/Microsoft.aadiam"}
	for name, v := range withoutNulls(decode(r.Raw)).(map[string]any) {
		to, ok := names[name]
		if !ok {
			to = strings.ToUpper(name[:1]) + name[1:]
		}
		switch v.(type) {
		case map[string]any, []any:
			v = string(encode(v))
		}
		if r.Stream == logs.Provisioning && name == "activityDateTime" {
			continue // the table has none
		}
		row[to] = v
	}
	return row
}

// CSV is rows as the portal exports them.
func CSV(records []Record) []byte {
	columns := map[string]bool{}
	rows := make([]map[string]any, len(records))
	for i, r := range records {
		rows[i] = Row(r)
		for name := range rows[i] {
			columns[name] = true
		}
	}
	names := slices.Sorted(maps.Keys(columns))
	var out bytes.Buffer
	for i, name := range names {
		if i > 0 {
			out.WriteByte(',')
		}
		if name == "TimeGenerated" {
			name += " [UTC]"
		}
		out.WriteString(name)
	}
	out.WriteString("\r\n")
	for _, row := range rows {
		for i, name := range names {
			if i > 0 {
				out.WriteByte(',')
			}
			if v, ok := row[name]; ok {
				text := fmt.Sprint(v)
				if b, ok := v.(bool); ok {
					text = strings.ToUpper(fmt.Sprint(b)[:1]) + fmt.Sprint(b)[1:]
				}
				out.WriteString(`"` + strings.ReplaceAll(text, `"`, `""`) + `"`)
			}
		}
		out.WriteString("\r\n")
	}
	return out.Bytes()
}

// Portal is the portal's download: one indented list.
func Portal(records []Record) []byte {
	all := make([]json.RawMessage, len(records))
	for i, r := range records {
		all[i] = typed(r)
	}
	out, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		panic(err)
	}
	return out
}

// typed is a sign-in with its type, which tells its log: published records lack it.
func typed(r Record) []byte {
	kind := logs.Of(r.Stream).EventType
	if kind == "" || bytes.Contains(r.Raw, []byte(`"signInEventTypes"`)) {
		return r.Raw
	}
	return slices.Concat(bytes.TrimSuffix(bytes.TrimSpace(r.Raw), []byte("}")),
		[]byte(`,"signInEventTypes":["`+kind+`"]}`))
}

// Extractor is what Microsoft-Extractor-Suite writes: one indented list for each page, behind each
// other in one file.
func Extractor(records []Record) []byte {
	var out bytes.Buffer
	for page := range slices.Chunk(records, 100) {
		out.Write(append(Portal(page), "\r\n"...))
	}
	return out.Bytes()
}

const eventSchema = `{"type":"record","name":"EventData","namespace":"Microsoft.ServiceBus.Messaging","fields":[
{"name":"SequenceNumber","type":"long"},{"name":"Offset","type":"string"},{"name":"EnqueuedTimeUtc","type":"string"},
{"name":"SystemProperties","type":{"type":"map","values":["long","double","string","bytes"]}},
{"name":"Properties","type":{"type":"map","values":["long","double","string","bytes","null"]}},
{"name":"Body","type":["null","bytes"]}]}`

// event is an event of a capture.
type event struct {
	SequenceNumber   int64          `avro:"SequenceNumber"`
	Offset           string         `avro:"Offset"`
	EnqueuedTimeUtc  string         `avro:"EnqueuedTimeUtc"`
	SystemProperties map[string]any `avro:"SystemProperties"`
	Properties       map[string]any `avro:"Properties"`
	Body             *[]byte        `avro:"Body"`
}

// Capture is an event hub's capture: events with up to seven envelopes each, deflated.
func Capture(records []Record) []byte {
	var bodies [][]byte
	for some := range slices.Chunk(records, 7) {
		var batch []json.RawMessage
		for _, r := range some {
			batch = append(batch, Envelope(r))
		}
		bodies = append(bodies, encode(map[string]any{"records": batch}))
	}
	return CaptureOf(bodies)
}

// CaptureOf is a capture of an event hub whose events have these bodies.
func CaptureOf(bodies [][]byte) []byte {
	var out bytes.Buffer
	if err := writeCapture(&out, bodies); err != nil {
		panic(err) // a buffer takes everything
	}
	return out.Bytes()
}

func writeCapture(out io.Writer, bodies [][]byte) error {
	schema, err := avro.Parse(eventSchema)
	if err != nil {
		return err
	}
	w, err := ocf.NewWriter(out, schema, ocf.WithCodec(ocf.DeflateCodec(6)), ocf.WithSyncMarker([16]byte{1, 2, 3}),
		ocf.WithBlockCount(10))
	if err != nil {
		return err
	}
	for i, body := range bodies {
		number := int64(i + 1)
		if err := w.Encode(&event{SequenceNumber: number, Offset: fmt.Sprint(number),
			EnqueuedTimeUtc: "11/21/2026 2:00:00 PM", SystemProperties: map[string]any{}, Properties: map[string]any{},
			Body: &body}); err != nil {
			return err
		}
	}
	return w.Close()
}

// PowerShell is the objects of Get-MgBetaAuditLog cmdlets, as Windows PowerShell writes them.
func PowerShell(records []Record) []byte {
	all := make([]any, len(records))
	for i, r := range records {
		all[i] = pascal(decode(typed(r)))
	}
	return encode(all)
}

func pascal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{"AdditionalProperties": map[string]any{}, "NotSent": nil}
		for name, member := range v {
			to := strings.ToUpper(name[:1]) + name[1:]
			if name == "riskEventTypes_v2" {
				to = "RiskEventTypesV2"
			}
			if text, ok := member.(string); ok && strings.HasSuffix(name, "DateTime") {
				if t, err := entra.ParseTime(text); err == nil && t.Nanosecond() == 0 {
					member = fmt.Sprintf("/Date(%d)/", t.UnixMilli())
				}
			}
			out[to] = pascal(member)
		}
		return out
	case []any:
		for i := range v {
			v[i] = pascal(v[i])
		}
	}
	return v
}

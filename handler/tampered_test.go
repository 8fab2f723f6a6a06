package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// tableAccount opens the app's tables, so that a test can alter rows.
type tableAccount struct {
	*system
	service *aztables.ServiceClient
}

func (s *system) tables() tableAccount {
	service, err := aztables.NewServiceClientFromConnectionString(s.env["ARCHIVE_STORAGE"], nil)
	require.NoError(s, err)
	return tableAccount{s, service}
}

// rows are all rows of a table whose partitions begin with a text.
func (a tableAccount) rows(table, partition string) (rows []aztables.EDMEntity) {
	pager := a.service.NewClient(table).NewListEntitiesPager(nil)
	for pager.More() {
		page, err := pager.NextPage(a.Context())
		require.NoError(a, err)
		for _, body := range page.Entities {
			var row aztables.EDMEntity
			require.NoError(a, json.Unmarshal(body, &row))
			if strings.HasPrefix(row.PartitionKey, partition) {
				row.ETag, row.Timestamp = "", aztables.EDMDateTime{}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// alter changes a row, which may get another key.
func (a tableAccount) alter(table string, row aztables.EDMEntity, change func(*aztables.EDMEntity)) (rowKey string) {
	client, was := a.service.NewClient(table), row.RowKey
	change(&row)
	body, err := json.Marshal(row)
	require.NoError(a, err)
	_, err = client.UpsertEntity(a.Context(), body,
		&aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	require.NoError(a, err)
	if row.RowKey != was {
		_, err = client.DeleteEntity(a.Context(), row.PartitionKey, was, nil)
		require.NoError(a, err)
	}
	return row.RowKey
}

// tampered is an archive of which some rows were altered.
type tampered struct {
	*process
	whole  []string // what can still be given of interactive sign-ins, sorted
	rows   []string // row keys of those that can't, sorted
	lost   string   // the id of one of them
	noID   string   // the row key of the one whose key has no id
	forged string   // the row key of one of which only a copied column was altered
	user   string   // which had this value
	others []string // sign-ins of service principals, whose dictionary was altered; sorted
}

const timeLength = len("2026-11-21T12:00:00.0000000Z")

// newTampered alters the bytes of one record, the types of two columns, and the keys of two rows;
// and the dictionary of another log.
func newTampered(t *testing.T) *tampered {
	end := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	generated := &generate.Config{Seed: 8, Users: 20, Apps: 5, Days: 3, Policies: 1, End: end,
		Exactly: map[entra.Stream]int{logs.SignInsInteractiveUser: 60, logs.SignInsServicePrincipal: 60}}
	const streams = "signIns.interactiveUser,signIns.servicePrincipal"
	s, p := archivedSystem(t, simtenant.Config{Now: end, Generate: generated}, streams)
	out, a := &tampered{}, s.tables()
	changes := []func(*aztables.EDMEntity){
		func(row *aztables.EDMEntity) {
			row.Properties["Record"], row.Properties["Codec"] = aztables.EDMBinary("{}"), "none"
		},
		func(row *aztables.EDMEntity) { row.Properties["Codec"] = int32(7) },
		func(row *aztables.EDMEntity) { row.Properties["Hash"] = "none" },
		func(row *aztables.EDMEntity) { row.RowKey = row.RowKey[:timeLength] + "_somebody-else" },
		func(row *aztables.EDMEntity) { row.RowKey = row.RowKey[:timeLength] + "_~Z" },
	}
	rows, altered := a.rows("signinsinteractive202611", ""), map[string]bool{}
	require.Len(t, rows, 60)
	for i, change := range changes {
		row := rows[7+9*i]
		altered[row.RowKey] = true
		out.rows = append(out.rows, a.alter("signinsinteractive202611", row, change))
	}
	out.forged, out.user = rows[3].RowKey, rows[3].Properties["UserPrincipalName"].(string)
	a.alter("signinsinteractive202611", rows[3], func(row *aztables.EDMEntity) {
		row.Properties["UserPrincipalName"] = "somebody.else@example.com"
	})
	out.lost, out.noID = rows[7].RowKey[timeLength+1:], out.rows[len(out.rows)-1]
	slices.Sort(out.rows)
	for raw := range s.tenant.Truth(logs.SignInsInteractiveUser) {
		rec, err := logs.ParseRecord(logs.SignInsInteractiveUser, raw)
		require.NoError(t, err)
		if !altered[rec.Time.Format("2006-01-02T15:04:05.0000000Z")+"_"+rec.ID] {
			out.whole = append(out.whole, string(raw))
		}
	}
	require.Len(t, out.whole, 60-len(changes))
	slices.Sort(out.whole)
	dictionaries := a.rows("dictionaries", "signinsserviceprincipal")
	require.Len(t, dictionaries, 1)
	a.alter("dictionaries", dictionaries[0], func(row *aztables.EDMEntity) {
		bytes := row.Properties["Dictionary"].(aztables.EDMBinary)
		bytes[len(bytes)/2] ^= 1
	})
	for raw := range s.tenant.Truth(logs.SignInsServicePrincipal) {
		out.others = append(out.others, string(raw))
	}
	slices.Sort(out.others)
	p.kill() // which remembers the dictionary
	out.process = s.start()
	return out
}

// split parts records into those that are whole and the row keys of the others, both sorted.
func split(records []string) (whole, rows []string) {
	for _, rec := range records {
		if why := gjson.Get(rec, `@entraledger\.tampered`); why.Exists() {
			rows = append(rows, gjson.Get(rec, `@entraledger\.rowKey`).Str)
		} else {
			whole = append(whole, rec)
		}
	}
	slices.Sort(whole)
	slices.Sort(rows)
	return whole, rows
}

// TestAlteredRecordsAreListedAndAllOthersAreWhole goes through every answer that gives records.
func TestAlteredRecordsAreListedAndAllOthersAreWhole(t *testing.T) {
	p := newTampered(t)
	const path = "/api/auditLogs/signIns"
	t.Run("lists, in both orders and pages of any length", func(t *testing.T) {
		for _, order := range []string{"asc", "desc"} {
			for _, top := range []int{1, 7, 1000} {
				got := pages(t, fmt.Sprintf("%s%s?$top=%d&$orderby=createdDateTime+%s", p.url, path, top, order), "")
				require.True(t, slices.IsSortedFunc(got, func(x, y string) int {
					at := strings.Compare(placeOf(x), placeOf(y))
					if order == "desc" {
						at = -at
					}
					return at
				}), order)
				whole, rows := split(got)
				require.Equal(t, p.whole, whole)
				require.Equal(t, p.rows, rows)
			}
		}
	})
	t.Run("filters, counts and a selection", func(t *testing.T) {
		_, rows := split(pages(t, p.url+path+"?$filter="+url.QueryEscape("userDisplayName eq 'nobody'"), ""))
		require.Equal(t, p.rows, rows)
		_, rows = split(pages(t, p.url+path+"?$filter="+url.QueryEscape("id eq '"+p.lost+"'"), ""))
		require.Len(t, rows, 2)
		require.Contains(t, rows, p.noID)
		resp, body := p.raw(path + "?$top=1000&$count=true&$select=appId")
		require.Equal(t, "5", resp.Header.Get("X-EntraLedger-Tampered"))
		require.EqualValues(t, 60, gjson.GetBytes(body, `@odata\.count`).Int())
		require.Len(t, gjson.GetBytes(body, `value.#.@entraledger\.tampered`).Array(), 5)
		require.NotContains(t, string(body), "null")
	})
	t.Run("a column that was altered", func(t *testing.T) {
		of := func(user string) []string {
			return pages(t, p.url+path+"?$filter="+url.QueryEscape("userPrincipalName eq '"+user+"'"), "")
		}
		whole, rows := split(of("somebody.else@example.com"))
		require.Empty(t, whole)
		require.Equal(t, []string{p.forged}, rows, "what it was found by is not true")
		_, rows = split(of(p.user))
		require.NotContains(t, rows, p.forged, "the table does not give it")
	})
	t.Run("one record", func(t *testing.T) {
		resp, body := p.raw(path + "/" + url.PathEscape(p.lost))
		require.Equal(t, http.StatusConflict, resp.StatusCode, "%s", body)
		require.Equal(t, "tampered", gjson.GetBytes(body, "error.code").Str)
		require.Contains(t, gjson.GetBytes(body, "error.message").Str, "_"+p.lost+" of signIns.interactiveUser")
		_, body = p.raw(path + "/" + url.PathEscape(gjson.Get(p.whole[0], "id").Str))
		require.Equal(t, p.whole[0], string(body))
	})
	t.Run("downloads", func(t *testing.T) {
		resp, body := p.download("InteractiveSignIns?format=ndjson")
		require.Equal(t, "5", resp.Trailer.Get("X-EntraLedger-Tampered"))
		whole, rows := split(strings.Split(strings.TrimSuffix(string(body), "\n"), "\n"))
		require.Equal(t, p.whole, whole)
		require.Equal(t, p.rows, rows)
		_, body = p.download("InteractiveSignIns?format=json")
		require.Len(t, gjson.ParseBytes(body).Array(), 60)
		_, body = p.download("InteractiveSignIns?format=csv")
		file, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(body), "\ufeff"))).ReadAll()
		require.NoError(t, err)
		require.Len(t, file, 61)
		marked := slices.DeleteFunc(file[1:], func(row []string) bool { return row[len(row)-1] == "" })
		require.Len(t, marked, 5)
		for _, row := range marked {
			require.True(t, row[0] != "" && row[1] != "" || strings.Contains(row[len(row)-1], p.noID),
				"time and id: %q", row)
		}
	})
	t.Run("a dictionary that was altered", p.dictionary)
	t.Run("answers are as the connector describes them", func(t *testing.T) {
		doc := connector(t)
		ops := operations(doc)
		op := ops[slices.IndexFunc(ops, func(o operation) bool { return o.ID == "ListLogs" })]
		got := p.call(doc, op, examples{"collection": "signIns"},
			url.Values{"$filter": {"userDisplayName eq 'nobody'"}})
		var v any
		require.NoError(t, json.Unmarshal(got.body, &v))
		requireNoNull(t, v, "ListLogs")
		require.EqualValues(t, 5, gjson.GetBytes(got.body, `@entraledger\.tamperedCount`).Int())
	})
}

// placeOf is a record's position: its time, or its row key's.
func placeOf(rec string) string {
	if row := gjson.Get(rec, `@entraledger\.rowKey`).Str; row != "" {
		return row[:timeLength]
	}
	at, _ := entra.ParseTime(gjson.Get(rec, "createdDateTime").Str) // the tenant's are times
	return at.Truncate(entra.Tick).Format("2006-01-02T15:04:05.0000000Z")
}

// dictionary: each record that needs it is named with id and time, and those from before it are
// whole.
func (p *tampered) dictionary(t *testing.T) {
	filter := url.QueryEscape("signInEventTypes/any(t: t eq 'servicePrincipal')")
	list := p.url + "/api/auditLogs/signIns?$top=1000&$filter=" + filter
	got := pages(t, list, "")
	require.Len(t, got, len(p.others))
	whole, rows := split(got)
	require.NotEmpty(t, rows)
	byKey := map[string]string{}
	for _, raw := range p.others {
		byKey[placeOf(raw)+"_"+gjson.Get(raw, "id").Str] = raw
	}
	for _, row := range rows {
		require.Contains(t, byKey, row)
		delete(byKey, row)
	}
	for _, raw := range whole {
		require.Equal(t, raw, byKey[placeOf(raw)+"_"+gjson.Get(raw, "id").Str])
	}
	for _, rec := range got {
		if row := gjson.Get(rec, `@entraledger\.rowKey`).Str; row != "" {
			require.Equal(t, row[timeLength+1:], gjson.Get(rec, "id").Str)
		}
	}
	resp, body := p.raw(strings.TrimPrefix(list, p.url) + "&aggregate=24h")
	require.Equal(t, fmt.Sprint(len(rows)), resp.Header.Get("X-EntraLedger-Tampered"))
	require.EqualValues(t, len(rows), gjson.GetBytes(body, `@entraledger\.tamperedCount`).Int())
	n := int64(0)
	for _, count := range gjson.GetBytes(body, "value.#.signInCount").Array() {
		n += count.Int()
	}
	require.EqualValues(t, len(whole), n)
}

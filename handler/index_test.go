package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
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

// searches asks for people, applications and ids, and compares with the tenant.
func (s *system) searches(p *process, stream entra.Stream) {
	s.Helper()
	wanted := map[string][]string{} // by filter
	n := 0
	for raw := range s.tenant.Truth(stream) {
		if n++; n%97 != 5 {
			continue
		}
		rec := gjson.ParseBytes(raw)
		for _, name := range []string{"userId", "userPrincipalName", "appId", "id"} {
			wanted[fmt.Sprintf("%s eq '%s'", name, rec.Get(name).Str)] = nil
		}
		wanted[fmt.Sprintf("userId in ('%s','nobody')", rec.Get("userId").Str)] = nil
	}
	wanted["userId eq 'nobody'"] = nil
	for raw := range s.tenant.Truth(stream) {
		rec := gjson.ParseBytes(slices.Clone(raw))
		for filter := range wanted {
			for _, name := range []string{"userId", "userPrincipalName", "appId", "id"} {
				if filter == fmt.Sprintf("%s eq '%s'", name, rec.Get(name).Str) ||
					filter == fmt.Sprintf("%s in ('%s','nobody')", name, rec.Get(name).Str) {
					wanted[filter] = append(wanted[filter], rec.Raw)
				}
			}
		}
	}
	require.Greater(s, len(wanted), 15)
	for filter, want := range wanted {
		for _, order := range []string{"asc", "desc"} {
			query := url.Values{"$filter": {filter}, "$orderby": {"createdDateTime " + order}, "$top": {"20"}}
			got := pages(s.T, p.url+"/api/auditLogs/signIns?"+query.Encode(), "")
			require.ElementsMatch(s, want, got, "%s %s", filter, order)
		}
	}
}

func TestASearchFindsTheSameWithTheIndexWithoutItAndWithAWrongOne(t *testing.T) {
	t.Parallel() // it waits most of the time
	stream := logs.SignInsInteractiveUser
	s := newSystem(t, simtenant.Config{Now: time.Date(2026, 11, 6, 0, 0, 0, 0, time.UTC),
		Retention: 90 * 24 * time.Hour,
		Generate: &generate.Config{Seed: 6, Users: 12, Apps: 7, Days: 20,
			End: time.Date(2026, 11, 6, 0, 0, 0, 0, time.UTC)}})
	s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_BACKFILL"] = string(stream), "30d"
	s.tenant.Freeze(time.Date(2026, 11, 12, 6, 0, 0, 0, time.UTC)) // the last days are not sealed
	p := s.start()
	archive := func() {
		status, body, err := p.fire()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%v", body)
	}
	archive()
	archive()
	s.searches(p, stream)

	status, body, err := p.invoke("indexarchive")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Regexp(t, `^1\d days indexed with \d+ values$`, body["Logs"].([]any)[0])
	s.searches(p, stream)
	status, body, err = p.invoke("indexarchive")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "0 days indexed with 0 values", body["Logs"].([]any)[0])

	// A record that comes late into a sealed day: the index of that day is no longer good, nor when
	// it is sealed again.
	late := time.Date(2026, 10, 25, 3, 30, 0, 0, time.UTC)
	require.NoError(t, s.tenant.Add(stream, fmt.Appendf(nil,
		`{"id":"late","createdDateTime":%q,"userId":"somebody-new","status":{"errorCode":0}}`,
		late.Format(time.RFC3339)), time.Time{}))
	for range 2 { // read and reopened; sealed again
		status, answer := p.ask(http.MethodPost, "/api/collect",
			fmt.Sprintf(`{"from":%q,"to":%q}`, late.Truncate(time.Hour).Format(time.RFC3339),
				late.Truncate(time.Hour).Add(time.Hour).Format(time.RFC3339)))
		require.Equal(t, http.StatusOK, status, "%v", answer)
		require.Len(t, pages(t, p.url+"/api/auditLogs/signIns?$filter="+url.QueryEscape("userId eq 'somebody-new'"),
			""), 1)
		archive()
	}
	s.searches(p, stream)
	var out bytes.Buffer
	require.Zero(t, command(t.Context(), []string{"reindex"}, s.environ, &out, &out), out.String())
	require.Contains(t, out.String(), ": 1 days indexed")
	require.Len(t, pages(t, p.url+"/api/auditLogs/signIns?$filter="+url.QueryEscape("userId eq 'somebody-new'"), ""), 1)

	// An index that says too much, and one of which days are gone.
	service, err := aztables.NewServiceClientFromConnectionString(s.env["ARCHIVE_STORAGE"], nil)
	require.NoError(t, err)
	for _, row := range []string{`{"PartitionKey":"signIns.interactiveUser","RowKey":"UserId!nobody!25","Hours":16777215}`, `{"PartitionKey":"signIns.interactiveUser","RowKey":"id!00!25"}`} {
		_, err = service.NewClient("index202610").UpsertEntity(t.Context(), []byte(row), nil)
		require.NoError(t, err)
	}
	_, err = service.NewClient("index202610").DeleteEntity(t.Context(), string(stream), "day!28", nil)
	require.NoError(t, err)
	s.searches(p, stream)
	_, err = service.DeleteTable(t.Context(), "index202611", nil)
	require.NoError(t, err)
	s.searches(p, stream)
	out.Reset()
	require.Zero(t, command(t.Context(), []string{"reindex", "--again", "--stream", string(stream)}, s.environ, &out,
		&out), out.String())
	s.searches(p, stream)
}

package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/archivetest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestPagesOfLongRecordsAreWithinWhatAnInstanceHas asks 50 times at once for pages of which each would
// have some megabytes: as short ones, of which a dozen is answered at once, and as long ones.
func TestPagesOfLongRecordsAreWithinWhatAnInstanceHas(t *testing.T) {
	const stream, records, length = logs.SignInsInteractiveUser, 200, 60_000
	s := newSystem(t, simtenant.Config{})
	hour := s.tenant.Now().Add(-30 * time.Hour).Truncate(time.Hour)
	for n := range records {
		raw := bulky(stream, fmt.Sprint("long ", n), hour.Add(time.Duration(n)*time.Second),
			compressible(uint64(n), length))
		require.NoError(t, s.tenant.Add(stream, raw, time.Time{}))
	}
	_, err := s.collector(route{}).Run(t.Context(), archivetest.Execution(), []entra.Stream{stream}, time.Minute)
	require.NoError(t, err)
	s.env["GOGC"] = "100"          // tests run with more
	s.env["GOMEMLIMIT"] = "180MiB" // as infra/modules/app.bicep has it for 512 MB
	p := s.start()
	p.limitMemory(instanceBytes)
	for _, query := range []string{"$top=200", "$top=1000"} {
		p.askedAtOnce(http.MethodGet, "/api/auditLogs/signIns?"+query, "")
	}
	t.Logf("peak: %d MB", p.residentPeak())
	require.Less(t, p.residentPeak(), mostMB)
	got, next := 0, p.url+"/api/auditLogs/signIns?$top=200"
	for next != "" {
		answer, body := p.at(next)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.Less(t, len(body), 3<<20, "a short answer is short")
		page := gjson.ParseBytes(body)
		got += int(page.Get("value.#").Int())
		next = page.Get(`@odata\.nextLink`).Str
	}
	require.Equal(t, records, got, "the pages are shorter, and have all")
}

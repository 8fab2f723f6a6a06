package graph_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/logs"
)

// site is a simulated tenant with ten sign-ins, two on a page, and a client for it.
type site struct {
	*simtenant.Tenant
	client *graph.Client
}

func newSite(t *testing.T) site {
	tenant, err := simtenant.New(simtenant.Config{Now: to, PageSize: 2})
	require.NoError(t, err)
	tenant.Freeze(to)
	for i := range 10 {
		raw := fmt.Appendf(nil, `{"id":"r%d","createdDateTime":%q,"userType":"member"}`, i,
			from.Add(time.Duration(i)*time.Hour).Format(time.RFC3339))
		require.NoError(t, tenant.Add(logs.SignInsInteractiveUser, raw, time.Time{}))
	}
	server := httptest.NewServer(tenant)
	t.Cleanup(server.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+simtenant.IdentityPath+
		"?api-version=2019-08-01&resource=graph", nil)
	require.NoError(t, err)
	req.Header.Set("X-IDENTITY-HEADER", "simtenant")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	client, err := graph.New(graph.Config{Endpoint: server.URL, Scope: "graph",
		Credential: token(gjson.GetBytes(answer, "access_token").Str),
		Limiter:    graph.NewLimiter(1_000_000), Log: slog.New(slog.DiscardHandler), BackOff: time.Millisecond,
		Timeout: 5 * time.Second})
	require.NoError(t, err)
	return site{tenant, client}
}

// TestWhatATenantDoesToAWalk plays the simulated tenant's own faults.
func TestWhatATenantDoesToAWalk(t *testing.T) {
	cases := map[string]struct {
		fault     simtenant.Fault
		divisible bool
		records   int // that come
		requests  int
		is        error
		code      entra.Code // empty: the walk ends well
		says      string
	}{
		"a link leads back": {simtenant.Fault{Kind: simtenant.LinkCycle}, true, 6, 3,
			entra.ErrPagingLost, entra.CodeInternal, "page 3 leads back to page 2"},
		"a link leads back to the first page": {simtenant.Fault{Kind: simtenant.LinkCycle, Page: 4, Back: 1}, true, 8,
			4, entra.ErrPagingLost, entra.CodeInternal, "page 4 leads back to page 1"},
		"a link leads to itself": {simtenant.Fault{Kind: simtenant.SameNextLink}, true, 4, 2,
			entra.ErrPagingLost, entra.CodeInternal, "page 2 leads back to page 2"},
		"a new link leads back": {simtenant.Fault{Kind: simtenant.FreshCycle}, true, 6, 4,
			entra.ErrPagingLost, entra.CodeInternal, "page 4 has the records of page 2 again"},
		"pages are empty for ever": {simtenant.Fault{Kind: simtenant.EmptyPage, Page: -1}, true, 2, 102,
			entra.ErrPagingLost, entra.CodeInternal, "empty ones in a row"},
		"a page is empty": {simtenant.Fault{Kind: simtenant.EmptyPage, Page: 2, Count: 1}, true,
			10, 6, nil, "", ""},
		"links are long": {simtenant.Fault{Kind: simtenant.LongLinks}, true, 10, 5, nil, "", ""},
		"links are too long": {simtenant.Fault{Kind: simtenant.LongLinks, Bytes: 70_000}, true, 2, 1,
			nil, entra.CodeBrokenAnswer, "bytes"},
		"a wide span": {simtenant.Fault{Kind: simtenant.WideSpan, Span: 6 * time.Hour}, true,
			0, 1, entra.ErrTooWide, entra.CodeUnavailable, "504"},
		"a wide span that can't be divided": {simtenant.Fault{Kind: simtenant.WideSpan, Span: 6 * time.Hour}, false,
			0, 5, nil, entra.CodeUnavailable, "504"},
		"a wide span, with an error object": {simtenant.Fault{Kind: simtenant.WideSpan, Span: 6 * time.Hour,
			Body: "json"}, true, 0, 1, entra.ErrTooWide, entra.CodeUnavailable, "504 UnknownError"},
		"a span that may be": {simtenant.Fault{Kind: simtenant.WideSpan, Span: 25 * time.Hour}, true,
			10, 5, nil, "", ""},
		"a time too far back": {simtenant.Fault{Kind: simtenant.TooFarBack, Span: 2 * time.Hour},
			true, 0, 3, nil, entra.CodeRefused, "begins before the data that is retained"},
		"an unsupported query, twice": {simtenant.Fault{Kind: simtenant.UnsupportedQuery, Count: 2}, true, 10,
			7, nil, "", ""},
		"an unsupported query": {simtenant.Fault{Kind: simtenant.UnsupportedQuery}, true, 0, 3, nil,
			entra.CodeRefused, "Unsupported Query."},
		"an unsupported query on a later page": {simtenant.Fault{Kind: simtenant.UnsupportedQuery, Page: 3}, true, 4,
			3, entra.ErrPagingLost, entra.CodeInternal, "Unsupported Query."},
		"a licence that is missing for a while": {simtenant.Fault{Kind: simtenant.NoLicence, Count: 2}, true, 10, 7,
			nil, "", ""},
		"a licence that is missing": {simtenant.Fault{Kind: simtenant.NoLicence}, true, 0, 3, nil,
			entra.CodeLicence, "P1 or P2"},
		"501": {simtenant.Fault{Kind: simtenant.Refused, Status: 501}, true, 0, 2,
			nil, entra.CodeRefused, "501"},
		"404 in the middle, once": {simtenant.Fault{Kind: simtenant.Refused, Status: 404, Page: 3,
			Count: 1}, true, 10, 6, nil, "", ""},
		"a record in both forms": {simtenant.Fault{Kind: simtenant.ThinThenRich, Page: 1}, true, 11, 5,
			nil, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.Inject(c.fault)
			records := 0
			var last error
			for page, err := range s.client.Pages(t.Context(), entra.Query{Stream: logs.SignInsInteractiveUser,
				From: from, To: to, Divisible: c.divisible}) {
				require.NoError(t, last, "the error comes last")
				records, last = records+len(page.Records), err
				page.Done()
			}
			requests := s.Requests()
			require.Len(t, requests, c.requests, "%v", last)
			require.Equal(t, c.records, records)
			for _, r := range requests {
				require.True(t, r.Prefer)
				require.Equal(t, logs.Of(logs.SignInsInteractiveUser).Form(), r.Version)
			}
			if c.code == "" {
				require.NoError(t, last)
				return
			}
			require.Equal(t, c.code, entra.CodeOf(last), "%v", last)
			require.ErrorContains(t, last, c.says)
			if c.is != nil {
				require.ErrorIs(t, last, c.is)
			}
		})
	}
}

package simtenant_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

const interactive = logs.SignInsInteractiveUser

// walked is what a walk of at most some pages came to.
type walked struct {
	ids    [][]string // by page
	links  []string   // of the pages that have one
	status int        // of the last answer
	code   string
}

func (w walked) flat() []string { return slices.Concat(w.ids...) }

// walk follows the links without any sense, for at most so many pages.
func (c *client) walk(path string, most int) walked {
	var out walked
	for path != "" && len(out.ids) < most {
		var body []byte
		if out.status, _, body = c.get(path); out.status != 200 {
			out.code = gjson.GetBytes(body, "error.code").Str
			return out
		}
		page := []string{}
		for _, id := range gjson.GetBytes(body, "value.#.id").Array() {
			page = append(page, id.Str)
		}
		out.ids = append(out.ids, page)
		if path = gjson.GetBytes(body, `@odata\.nextLink`).Str; path != "" {
			out.links = append(out.links, path)
		}
	}
	return out
}

// inject switches a fault on through the controls, as another process does.
func (c *client) inject(f simtenant.Fault) {
	text, err := json.Marshal(f)
	require.NoError(c, err)
	resp, err := http.Post(c.URL+"/_sim/faults", "application/json", bytes.NewReader(text))
	require.NoError(c, err)
	resp.Body.Close()
	require.Equal(c, 200, resp.StatusCode, "%s", text)
}

// ten is a tenant of ten sign-ins of one second each, r0 the oldest, and ten of each collection of
// the directory.
func ten(t *testing.T) *client {
	c := serve(t, simtenant.Config{Now: now, PageSize: 2})
	for i := range 10 {
		id := fmt.Sprintf("r%d", i)
		at := now.Add(time.Duration(i-3600) * time.Second).Format(time.RFC3339)
		raw := fmt.Appendf(nil, `{"id":%q,"createdDateTime":%q,"userType":"member"}`, id, at)
		require.NoError(t, c.tenant.Add(interactive, raw, time.Time{}))
		for _, collection := range directoryPaths {
			c.tenant.AddObject(collection, fmt.Appendf(nil, `{"id":%q}`, id))
		}
	}
	return c
}

// oldestFirst is the path of the ten sign-ins, in order.
const oldestFirst = "/beta/auditLogs/signIns?$top=2&$orderby=createdDateTime%20asc"

var directoryPaths = map[string]entra.Stream{
	"/v1.0/users": simtenant.Users, "/v1.0/applications": simtenant.Applications,
	"/v1.0/servicePrincipals":                        simtenant.ServicePrincipals,
	"/beta/reports/appCredentialSignInActivities":    simtenant.CredentialUse,
	"/beta/reports/servicePrincipalSignInActivities": simtenant.PrincipalUse,
}

// everywhere plays a scene on a log and on each collection of the directory.
func everywhere(t *testing.T, scene func(t *testing.T, c *client, path string, stream entra.Stream)) {
	paths := map[string]entra.Stream{oldestFirst: interactive}
	for path, collection := range directoryPaths {
		paths[path] = collection
	}
	for path, stream := range paths {
		t.Run(string(stream), func(t *testing.T) {
			c := ten(t)
			c.T = t
			scene(t, c, path, stream)
		})
	}
}

func all10() []string { return strings.Fields("r0 r1 r2 r3 r4 r5 r6 r7 r8 r9") }

func TestAWalkEndsEarly(t *testing.T) {
	everywhere(t, func(t *testing.T, c *client, path string, stream entra.Stream) {
		for kind, want := range map[simtenant.Kind]string{simtenant.EndsShort: "r0 r1 r2",
			simtenant.EndsEmpty: "r0 r1"} {
			c.inject(simtenant.Fault{Kind: kind, Stream: stream, Page: 2, Count: 2})
			for range 2 {
				got := c.walk(path, 20)
				require.Equal(t, strings.Fields(want), got.flat(), kind)
				require.Len(t, got.ids, 2)
				require.Len(t, got.links, 1, "the last page has no link")
			}
			require.Equal(t, all10(), c.walk(path, 20).flat(), "it happened twice")
			require.Equal(t, 2, c.tenant.Happened(kind))
			c.tenant.ClearFaults()
		}
	})
}

func TestAPageLeavesRecordsOutAndGoesOn(t *testing.T) {
	everywhere(t, func(t *testing.T, c *client, path string, stream entra.Stream) {
		path = strings.Replace(path, "$top=2", "$top=5", 1)
		c.inject(simtenant.Fault{Kind: simtenant.LeavesOut, Stream: stream, Page: 2, Records: 1, Count: 1})
		require.Equal(t, strings.Fields("r0 r1 r3 r4 r5 r6 r7 r8 r9"), c.walk(path, 20).flat())
		require.Equal(t, all10(), c.walk(path, 20).flat())
	})
}

func TestEveryWalkThatBeginsWithinATimeEndsEarly(t *testing.T) {
	c := ten(t)
	c.inject(simtenant.Fault{Kind: simtenant.EndsEmpty, Stream: interactive, Page: 3,
		From: now.Add(time.Minute), Until: now.Add(2 * time.Minute)})
	for minute, want := range map[int]int{0: 10, 1: 4, 2: 10} {
		c.tenant.Freeze(now.Add(time.Duration(minute) * time.Minute))
		for range 3 {
			require.Len(t, c.walk(oldestFirst, 20).flat(), want, "minute %d", minute)
		}
	}
	c.tenant.Freeze(now.Add(time.Minute))
	begun := c.walk(oldestFirst, 2)
	c.tenant.Freeze(now.Add(3 * time.Minute))
	require.Empty(t, c.walk(begun.links[1], 20).flat(), "the walk's begin counts, not the page's")
}

func TestAFaultThatMakesNoDifferenceIsNotCounted(t *testing.T) {
	c := ten(t)
	whole := strings.Replace(oldestFirst, "$top=2", "$top=50", 1)
	c.inject(simtenant.Fault{Kind: simtenant.EndsShort, Records: 2, Stream: interactive, Count: 1})
	c.walk(query("/beta/auditLogs/signIns", "$filter", "createdDateTime gt "+now.Format(time.RFC3339)), 5)
	require.Zero(t, c.tenant.Happened(simtenant.EndsShort), "there was nothing to leave out")
	require.Equal(t, []string{"r0", "r1"}, c.walk(whole, 5).flat())
	require.Equal(t, 1, c.tenant.Happened(simtenant.EndsShort))
}

func TestLinksLeadBack(t *testing.T) {
	everywhere(t, func(t *testing.T, c *client, path string, stream entra.Stream) {
		for _, ca := range []struct {
			fault simtenant.Fault
			want  string // the first records of the pages
		}{
			{simtenant.Fault{}, "r0 r2 r4 r2 r4 r2 r4"},
			{simtenant.Fault{Page: 4, Back: 2}, "r0 r2 r4 r6 r2 r4 r6"},
			{simtenant.Fault{Page: 2, Back: 1}, "r0 r2 r0 r2 r0 r2 r0"},
			{simtenant.Fault{Count: 1}, "r0 r2 r4 r2 r4 r6 r8"},
		} {
			for _, kind := range []simtenant.Kind{simtenant.LinkCycle, simtenant.FreshCycle} {
				ca.fault.Kind, ca.fault.Stream = kind, stream
				c.inject(ca.fault)
				got := c.walk(path, 7)
				var first []string
				for _, page := range got.ids {
					first = append(first, page[0])
				}
				require.Equal(t, ca.want, strings.Join(first, " "), "%+v", ca.fault)
				distinct := slices.Compact(slices.Sorted(slices.Values(got.links)))
				if kind == simtenant.LinkCycle {
					require.Less(t, len(distinct), len(got.links), "links repeat: %+v", ca.fault)
				} else if ca.fault.Back != 1 {
					require.Len(t, distinct, len(got.links), "no link is like another")
				}
				c.tenant.ClearFaults()
			}
		}
	})
}

func TestPagesAreEmptyForEverWithNewLinks(t *testing.T) {
	everywhere(t, func(t *testing.T, c *client, path string, stream entra.Stream) {
		c.inject(simtenant.Fault{Kind: simtenant.EmptyPage, Stream: stream})
		got := c.walk(path, 30)
		require.Empty(t, got.flat())
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(got.links))), 30)
	})
}

func TestWideSpansTimeOut(t *testing.T) {
	c := ten(t)
	ask := func(from, to time.Duration) string {
		filter := "createdDateTime ge " + now.Add(-from).Format(time.RFC3339)
		if to >= 0 {
			filter += " and createdDateTime le " + now.Add(-to).Format(time.RFC3339)
		}
		return query("/v1.0/auditLogs/signIns", "$filter", filter)
	}
	for body, want := range map[string]string{"": "", "html": "<!DOCTYPE", "json": `{"error":{`} {
		c.inject(simtenant.Fault{Kind: simtenant.WideSpan, Stream: interactive, Span: time.Hour, Body: body})
		for path, wide := range map[string]bool{
			ask(3*time.Hour, time.Hour): true, ask(2*time.Hour, time.Hour): false,
			ask(2*time.Hour, -1): true, ask(time.Hour, -1): false, "/v1.0/auditLogs/signIns": true,
		} {
			status, _, text := c.get(path)
			require.Equal(t, map[bool]int{false: 200, true: 504}[wide], status, path)
			if wide {
				require.True(t, strings.HasPrefix(string(text), want), "%s", text)
			}
		}
		status, _, _ := c.get("/v1.0/users")
		require.Equal(t, 200, status)
		c.tenant.ClearFaults()
	}
}

func TestAWideSpanIsNotAnsweredUntilTheCallerHangsUp(t *testing.T) {
	c := ten(t)
	c.inject(simtenant.Fault{Kind: simtenant.WideSpan, Span: time.Hour, Delay: time.Hour})
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	ended := make(chan error)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/v1.0/auditLogs/signIns", nil)
		if err == nil {
			req.Header.Set("Authorization", "Bearer "+c.token)
			var resp *http.Response
			if resp, err = http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
		}
		ended <- err
	}()
	require.Eventually(t, func() bool { return c.tenant.Happened(simtenant.WideSpan) == 1 }, 10*time.Second,
		time.Millisecond)
	select {
	case err := <-ended:
		require.Fail(t, "it was answered", "%v", err)
	default:
	}
	hangUp()
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestTooFarBackIsRefusedOnlyWhereItIsSwitchedOn(t *testing.T) {
	c := ten(t)
	from := func(ago time.Duration) string {
		return query("/beta/auditLogs/signIns", "$filter", "createdDateTime ge "+now.Add(-ago).Format(time.RFC3339))
	}
	status, _, _ := c.get(from(400 * 24 * time.Hour))
	require.Equal(t, 200, status, "it returns less")
	for _, code := range []string{"", "BadRequest", "UnknownError"} {
		c.inject(simtenant.Fault{Kind: simtenant.TooFarBack, Span: 30 * 24 * time.Hour, Code: code})
		got := c.walk(from(30*24*time.Hour+time.Second), 1)
		require.Equal(t, 400, got.status)
		require.Equal(t, code, got.code)
		for _, path := range []string{from(30 * 24 * time.Hour), "/beta/auditLogs/signIns"} {
			require.Equal(t, 200, c.walk(path, 1).status, path)
		}
		c.tenant.ClearFaults()
	}
}

func TestQueriesAndLicencesAreRefusedNowAndThen(t *testing.T) {
	everywhere(t, func(t *testing.T, c *client, path string, stream entra.Stream) {
		if stream == simtenant.Users {
			path += "?$select=id,signInActivity" // a plain list of users needs no licence
		}
		for _, ca := range []struct {
			fault  simtenant.Fault
			status int
			code   string
		}{
			{simtenant.Fault{Kind: simtenant.UnsupportedQuery}, 400, "Request_UnsupportedQuery"},
			{simtenant.Fault{Kind: simtenant.UnsupportedQuery, Code: "UnknownError"}, 400, "UnknownError"},
			{simtenant.Fault{Kind: simtenant.NoLicence}, 403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant"},
			{simtenant.Fault{Kind: simtenant.NoPermission}, 403, "Authentication_MSGraphPermissionMissing"},
		} {
			statuses := func(f simtenant.Fault, requests int) (out []int) {
				f.Kind, f.Code, f.Stream = ca.fault.Kind, ca.fault.Code, stream
				c.inject(f)
				defer c.tenant.ClearFaults()
				for range requests {
					got := c.walk(path, 1)
					if out = append(out, got.status); got.status != 200 {
						require.Equal(t, ca.code, got.code)
					}
				}
				return out
			}
			n := ca.status
			require.Equal(t, []int{200, 200, n, 200, 200, n, 200}, statuses(simtenant.Fault{Every: 3}, 7),
				"once in three")
			require.Equal(t, []int{200, n, n, 200}, statuses(simtenant.Fault{After: 1, Count: 2}, 4), "two in a row")
			require.Equal(t, []int{200, 200}, statuses(simtenant.Fault{Page: -1}, 2), "first pages are spared")
			c.inject(simtenant.Fault{Kind: ca.fault.Kind, Stream: stream, Page: -1, After: 1, Count: 1})
			got := c.walk(path, 20)
			require.Equal(t, n, got.status)
			require.Equal(t, strings.Fields("r0 r1 r2 r3"), got.flat(), "a later page was refused")
			c.tenant.ClearFaults()
		}
	})
}

func TestBetaIsRefusedWhileV1Works(t *testing.T) {
	c := ten(t)
	for status, code := range map[int]string{
		0: "BadRequest", 400: "BadRequest", 403: "Authorization_RequestDenied", 404: "UnknownError",
		500: "InternalServerError", 501: "NotImplemented",
	} {
		c.inject(simtenant.Fault{Kind: simtenant.Refused, Stream: interactive, Form: entra.FormBeta, Status: status})
		for range 3 {
			got := c.walk("/beta/auditLogs/signIns", 1)
			require.Equal(t, max(status, 400), got.status)
			require.Equal(t, code, got.code)
			require.Equal(t, 200, c.walk(signInsV1, 1).status)
			require.Equal(t, 200, c.walk("/beta/auditLogs/directoryAudits", 1).status, "another stream")
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, c.URL+"/_sim/faults?kind=refused", nil)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 200, c.walk("/beta/auditLogs/signIns", 1).status, "it was switched off")
	}
}

func TestLinksAreLong(t *testing.T) {
	everywhere(t, func(t *testing.T, c *client, path string, stream entra.Stream) {
		c.inject(simtenant.Fault{Kind: simtenant.LongLinks, Stream: stream})
		got := c.walk(path, 20)
		require.Equal(t, all10(), got.flat())
		for _, link := range got.links {
			require.InDelta(t, 16<<10, len(link), 300)
		}
		c.tenant.ClearFaults()
		c.inject(simtenant.Fault{Kind: simtenant.LongLinks, Stream: stream, Bytes: 5000})
		require.InDelta(t, 5000, len(c.walk(path, 1).links[0]), 300)
	})
}

func TestAPageMayHaveARecordInBothForms(t *testing.T) {
	c := ten(t)
	path := strings.Replace(oldestFirst, "$top=2", "$top=5", 1)
	for kind, rich := range map[simtenant.Kind][]bool{simtenant.ThinThenRich: {false, true},
		simtenant.RichThenThin: {true, false}} {
		for _, version := range []string{"/beta", "/v1.0"} {
			c.inject(simtenant.Fault{Kind: kind, Count: 1})
			_, _, body := c.get(strings.Replace(path, "/beta", version, 1))
			c.tenant.ClearFaults()
			page := gjson.GetBytes(body, "value").Array()
			require.Len(t, page, 3)
			twins := slices.DeleteFunc(page, func(r gjson.Result) bool { return r.Get("id").Str != "r0" })
			require.Len(t, twins, 2)
			got := []bool{twins[0].Get("userType").Exists(), twins[1].Get("userType").Exists()}
			require.Equal(t, rich, got, "%s %s", kind, version)
			requireWithin(t, twins[slices.Index(rich, false)], twins[slices.Index(rich, true)])
		}
	}
	before := c.tenant.Happened(simtenant.RichThenThin)
	p := []byte(`{"id":"p","activityDateTime":"2026-11-21T14:00:00Z"}`)
	require.NoError(t, c.tenant.Add(logs.Provisioning, p, time.Time{}))
	c.inject(simtenant.Fault{Kind: simtenant.RichThenThin, Stream: logs.Provisioning})
	got := c.walk(pathIn(entra.FormV1, logs.Provisioning), 5).flat()
	require.Equal(t, []string{"p"}, got, "a log of one form has no twins")
	require.Equal(t, before, c.tenant.Happened(simtenant.RichThenThin))
}

func TestV1DatesARecordOtherwise(t *testing.T) {
	c := ten(t)
	v1 := strings.Replace(oldestFirst, "/beta", "/v1.0", 1)
	times := func(path string) (out []string) {
		records, _ := c.all(path)
		for _, r := range records {
			out = append(out, gjson.Get(r, "createdDateTime").Str[14:19])
		}
		return out
	}
	before := times(v1)
	require.Equal(t, "30:00", before[0])
	c.inject(simtenant.Fault{Kind: simtenant.OtherTime, Form: entra.FormV1, Delay: 90 * time.Second, ID: "r1"})
	require.Equal(t, before, times(oldestFirst))
	require.Equal(t, []string{"30:00", "31:31", "30:02"}, times(v1)[:3])
	c.tenant.ClearFaults()
	c.inject(simtenant.Fault{Kind: simtenant.OtherTime, Form: entra.FormV1, Delay: 90 * time.Second})
	require.Equal(t, []string{"31:30", "31:31", "31:32"}, times(v1)[:3])
	late := now.Add(-time.Hour + 95*time.Second).Format(time.RFC3339)
	filtered := times(v1 + "&$filter=createdDateTime%20ge%20" + late)
	require.Equal(t, []string{"31:35", "31:36"}, filtered[:2], "a filter asks for the times that are shown")
}

func TestAFaultThatCantBePlayedIsRefused(t *testing.T) {
	c := ten(t)
	for _, body := range []string{
		`{"kind":"nothing"}`, `{"kind":"refused","status":200}`, `{"kind":"refused","form":"v2"}`,
		`{"kind":"wide-span","body":"pdf"}`,
	} {
		resp, err := http.Post(c.URL+"/_sim/faults", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 400, resp.StatusCode, body)
	}
	for _, kind := range simtenant.AllKinds() {
		c.inject(simtenant.Fault{Kind: kind})
	}
}

package logs_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/search/searchtest"

	tenantlogs "github.com/entraledger/entraledger/internal/logs"
)

// follow asks, and goes on at Location for as long as the search is not at its end.
func follow(t *testing.T, address string) (*http.Response, gjson.Result) {
	t.Helper()
	back := "9999"
	for {
		resp, answer := get(t, address)
		if resp.StatusCode != http.StatusAccepted {
			return resp, answer
		}
		require.Equal(t, "searching", answer.Get("status").Str)
		require.Equal(t, "partial; follow Location", resp.Header.Get("X-EntraLedger-Search"))
		require.Equal(t, "1", resp.Header.Get("Retry-After"))
		require.Equal(t, answer.Get(`@odata\.nextLink`).Str, resp.Header.Get("Location"))
		require.LessOrEqual(t, answer.Get("searchedBackToDateTime").Str, back)
		require.NotEqual(t, address, resp.Header.Get("Location"), "it comes further")
		address, back = resp.Header.Get("Location"), answer.Get("searchedBackToDateTime").Str
		if strings.Contains(address, "%24filter=id") {
			return listed(t, address)
		}
	}
}

// listed is the only record of a list; without one it is not found.
func listed(t *testing.T, address string) (*http.Response, gjson.Result) {
	t.Helper()
	for {
		resp, answer := get(t, address)
		require.Equal(t, http.StatusOK, resp.StatusCode, answer)
		if one := answer.Get("value.0"); one.Exists() {
			return resp, one
		}
		if address = answer.Get(`@odata\.nextLink`).Str; address == "" {
			resp.StatusCode = http.StatusNotFound
			return resp, answer
		}
	}
}

// TestARecordIsFoundByItsIDWhateverTheIDIs, at once or in as many requests as it takes.
func TestARecordIsFoundByItsIDWhateverTheIDIs(t *testing.T) {
	ids := []string{"66b07870-1111-4222-8333-000000000700", "a/b", "c\\d", "e#f", "g?h=1&i", "j%2Fk", "l+m n", "o'p",
		`q"r`, "ä€𝄞", "!v00", "x!p001", "~", "_", ".", "..", "a.b", "2026-11-21T00:00:00Z", "\t",
		strings.Repeat("long", 200)}
	for _, stream := range []string{"signIns", "provisioning"} {
		a := searchtest.New(t, tenantlogs.SignInsInteractiveUser, begin)
		for i, id := range ids {
			if stream == "signIns" {
				a.Add(t, tenantlogs.SignInsInteractiveUser, signIn(id, 60*i+i))
			} else {
				a.Add(t, tenantlogs.Provisioning, map[string]any{"id": id,
					"activityDateTime": begin.Add(time.Duration(i) * time.Hour).Format(time.RFC3339)})
			}
		}
		for _, slice := range []time.Duration{time.Minute, time.Nanosecond} {
			list := strings.Replace(serve(t, a, slice, tenantlogs.SignInsInteractiveUser,
				tenantlogs.SignInsServicePrincipal,
				tenantlogs.Provisioning), "signIns", stream, 1)
			for i, id := range ids {
				if slice < time.Second && i%5 > 0 {
					continue // it takes a request for each stretch of time
				}
				resp, answer := follow(t, list+"/"+url.PathEscape(id)+"?$select=id")
				require.Equal(t, http.StatusOK, resp.StatusCode, "%q: %s", id, answer)
				require.Equal(t, `{"id":`+gjson.Get(answer.Raw, "id").Raw+`}`, answer.Raw)
				require.Equal(t, id, answer.Get("id").Str)
				for _, none := range []string{id + "x", "x" + id, strings.ToUpper(id) + "Y"} {
					resp, answer = follow(t, list+"/"+url.PathEscape(none))
					require.Equal(t, http.StatusNotFound, resp.StatusCode, "%q: %s", none, answer)
				}
			}
		}
	}
}

// TestAGUIDInCapitalsIsTheSameRecord where it is one, and other ids are told apart by their case;
// one that was stored in capitals is found as it is.
func TestAGUIDInCapitalsIsTheSameRecord(t *testing.T) {
	const low, high, mixed = "66b07870-aaaa-4222-8333-000000000abc", "66B07870-BBBB-4222-8333-000000000ABC",
		"Directory_66b07870-cccc-4222-8333-000000000abc_AB12C_1"
	a := searchtest.New(t, tenantlogs.SignInsInteractiveUser, begin, signIn(low, 1), signIn(high, 2), signIn(mixed, 3))
	list := serve(t, a, time.Minute, tenantlogs.SignInsInteractiveUser)
	for asked, want := range map[string]string{
		low: low, strings.ToUpper(low): low, "66B07870-aaaa-4222-8333-000000000abc": low, high: high, mixed: mixed,
		strings.ToLower(high): "", strings.ToUpper(mixed): "", strings.ToUpper(low) + "0": "",
	} {
		resp, answer := get(t, list+"/"+asked)
		require.Equal(t, want, answer.Get("id").Str, "%s: %s", asked, answer)
		require.Equal(t, want != "", resp.StatusCode == http.StatusOK)
	}
}

func TestALinkToTheRestOfASearchIsGoodForItsRecordOnly(t *testing.T) {
	a := searchtest.New(t, tenantlogs.SignInsInteractiveUser, begin, signIn("a", 1))
	list := serve(t, a, time.Nanosecond, tenantlogs.SignInsInteractiveUser)
	resp, _ := get(t, list+"/a")
	require.Equal(t, http.StatusAccepted, resp.StatusCode)
	link, err := url.Parse(resp.Header.Get("Location"))
	require.NoError(t, err)
	token := link.Query().Get("$skiptoken")
	for address, want := range map[string]int{
		list + "/b?$skiptoken=" + token:                                    http.StatusBadRequest,
		list + "?$skiptoken=" + token:                                      http.StatusBadRequest,
		list + "/a?$skiptoken=" + token[1:]:                                http.StatusBadRequest,
		list + "/a?$skiptoken=x":                                           http.StatusBadRequest,
		list + "/a?$skiptoken=" + token + "&$top=1":                        http.StatusBadRequest,
		list + "/a?$skiptoken=" + token:                                    http.StatusAccepted,
		list + "/a?$select=id&$skiptoken=" + token:                         http.StatusAccepted,
		list + "/a?$filter=id%20eq%20'a'":                                  http.StatusBadRequest,
		list + "/a?$skiptoken=" + token + "&$skiptoken=" + strconv.Itoa(1): http.StatusBadRequest,
	} {
		resp, answer := get(t, address)
		require.Equal(t, want, resp.StatusCode, "%s: %s", address, answer)
	}
}

package describe_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/web"
	"github.com/entraledger/entraledger/internal/web/describe"
)

//go:embed testdata/madeup/function.json
var trigger []byte

// device is a row of the made-up function.
type device struct {
	Name string `json:"name" text:"Name of the device"`
	Days int    `json:"daysIdle" text:"Whole days without a sign of life"`
	Note string `json:"note,omitempty" text:"What is said of it"`
}

// madeUp is all that an HTTP function needs: its function.json, this declaration, and a line in a
// list.
func madeUp() web.Function {
	owner := web.Text("owner", "Whose devices")
	owner.Required = true
	return web.Function{Name: "madeup", Trigger: trigger, Operations: []web.Operation{{
		ID: "ListIdleDevices", Summary: "Which devices are idle", Text: "Devices that show no sign of life.",
		Role: web.RoleRead,
		Parameters: slices.Concat([]web.Parameter{owner, web.Whole("days", 30, 1, 365, "Idle for so many days")},
			web.ListParameters(10, web.Names[device](), []string{"name"})),
		Answers: web.Shape{Name: "idleDevices", Rows: device{}, AsOf: true, Count: true, Pages: true, Text: "Devices"},
		Do:      list,
	}}}
}

func list(_ context.Context, r web.Request) (web.Answer, error) {
	all := []device{{"=kiosk", 40, ""}, {"laptop", 90, "in a drawer"}}
	all = slices.DeleteFunc(all, func(d device) bool { return d.Days < r.Query.Int("days") })
	l := r.Query.ListQuery()
	if r.Query.CSV() {
		return web.File("devices.csv", l.Fields, func(row func(device) error) error {
			for _, d := range all {
				if err := row(d); err != nil {
					return err
				}
			}
			return nil
		}), nil
	}
	out := web.List[web.Selected]{Of: "idleDevices", AsOf: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
	if l.Count {
		out.Count = new(int64(len(all)))
	}
	if len(all) > l.Top {
		all, out.NextLink = all[:l.Top], r.NextLink("here")
	}
	for _, d := range all {
		out.Value = append(out.Value, web.Selected{Object: d, Fields: l.Fields})
	}
	return out.Answer(), nil
}

func get(t *testing.T, path string, header ...string) (int, http.Header, string) {
	host, err := web.Serve(slog.New(slog.DiscardHandler), "https://ledger.example", madeUp())
	require.NoError(t, err)
	req := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	host.ServeHTTP(w, req)
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return w.Code, w.Header(), string(body)
}

func TestAFunctionThatIsAddedIsServedByItsFunctionJSON(t *testing.T) {
	status, _, body := get(t, "/api/DEVICES/idle?owner=x&code=key")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, `{"@odata.context":"https://ledger.example/api/$metadata#idleDevices","asOfDateTime":"2026-11-21T00:00:00Z",`+
		`"value":[{"name":"=kiosk","daysIdle":40},{"name":"laptop","daysIdle":90,"note":"in a drawer"}]}`+"\n", body)
	_, _, body = get(t, "/api/devices/idle?owner=x&days=60&$count=true&$select=name")
	require.Contains(t, body, `"@odata.count":1,"value":[{"name":"laptop"}]`)
	_, _, body = get(t, "/api/devices/idle?owner=x&$top=1&code=key")
	require.Contains(t, body, `"@odata.nextLink":"https://ledger.example/api/devices/idle?%24skiptoken=here&%24top=1&owner=x"`)
}

func TestItsRowsAreAFileToo(t *testing.T) {
	want := "\ufeffname,daysIdle,note\r\n'=kiosk,40,\r\nlaptop,90,in a drawer\r\n"
	status, header, body := get(t, "/api/devices/idle?owner=x", "Accept", "text/csv")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, want, body)
	require.Equal(t, `attachment; filename="devices.csv"`, header.Get("Content-Disposition"))
	_, _, body = get(t, "/api/devices/idle?owner=x&$format=csv&$select=note,name&days=60")
	require.Equal(t, "\ufeffname,note\r\nlaptop,in a drawer\r\n", body)
	_, header, _ = get(t, "/api/devices/idle?owner=x&$format=json", "Accept", "text/csv")
	require.Contains(t, header.Get("Content-Type"), "application/json")
}

func TestItsBadParametersAreRefusedByName(t *testing.T) {
	for query, says := range map[string]string{
		"":                       "owner is missing; give owner: Whose devices",
		"owner=x&days=0":         `days is \"0\"; accepted is a whole number from 1 to 365`,
		"owner=x&owner=y":        `owner is \"x\\\" and \\\"y\"; accepted is one value`,
		"owner=x&$top=11":        `$top is \"11\"; accepted is a whole number from 1 to 10`,
		"owner=x&$select=serial": `$select is \"serial\"; accepted is one or several of name, daysIdle, note`,
		"owner=x&$orderby=note":  `$orderby is \"note\"; accepted is one of name, and asc or desc after it`,
		"owner=x&$format=xml":    `$format is \"xml\"; accepted are json and csv`,
		"owner=x&$count=yes":     `$count is \"yes\"; accepted is one of true, false`,
		"owner=x&colour=red":     `unknown parameter \"colour\"; accepted are: owner, days, $top, $select, $orderby, $count, $format`,
		"owner=%zz":              "it is not encoded as a URL has to be",
	} {
		status, _, body := get(t, "/api/devices/idle?"+query)
		require.Equal(t, http.StatusBadRequest, status, query)
		require.Contains(t, body, says, query)
	}
}

func TestItIsPartOfDocsAndConnector(t *testing.T) {
	text, err := describe.OpenAPI([]web.Function{madeUp()})
	require.NoError(t, err)
	var definition struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []map[string]any
			Role        web.Role       `json:"x-entraledger-role"`
			Pages       map[string]any `json:"x-ms-pageable"`
		}
		Definitions map[string]struct {
			Required   []string
			Properties map[string]map[string]any
		}
	}
	require.NoError(t, json.Unmarshal(text, &definition))
	op := definition.Paths["/devices/idle"]["get"]
	require.Equal(t, "ListIdleDevices", op.OperationID)
	require.Equal(t, web.RoleRead, op.Role)
	require.NotNil(t, op.Pages)
	require.Equal(t, map[string]any{"name": "days", "in": "query", "required": false, "type": "integer",
		"format":      "int32",
		"description": "Idle for so many days", "x-ms-summary": "Days", "minimum": 1.0, "maximum": 365.0,
		"default": 30.0}, op.Parameters[1])
	require.Equal(t, true, op.Parameters[0]["required"])
	rows := definition.Definitions["idleDevices"].Properties["value"]["items"].(map[string]any)
	require.NotContains(t, rows, "required", "the caller selects what a row has")
	require.Equal(t, map[string]any{"type": "integer", "format": "int32",
		"description":  "Whole days without a sign of life",
		"x-ms-summary": "Days Idle"}, rows["properties"].(map[string]any)["daysIdle"])

	overview, err := describe.Overview([]web.Function{madeUp()})
	require.NoError(t, err)
	require.Contains(t, overview, "| [`GET /api/devices/idle`](#listidledevices) | Which devices are idle | function "+
		"| `Ledger.Read` |\n")
	reference, err := describe.Reference([]web.Function{madeUp()})
	require.NoError(t, err)
	for _, line := range []string{"### ListIdleDevices\n", "| `owner` | Whose devices |  | required |\n",
		"| `days` | Idle for so many days | 1 to 365 | `30` |\n",
		"| `note` | text, or absent | What is said of it |\n"} {
		require.Contains(t, reference, line)
	}
}

func TestWhatEachRowHasIsRequiredWhereNoCallerSelects(t *testing.T) {
	f := madeUp()
	f.Operations[0].Parameters = nil
	text, err := describe.OpenAPI([]web.Function{f})
	require.NoError(t, err)
	var definition struct {
		Definitions map[string]struct {
			Properties map[string]struct{ Items struct{ Required []string } }
		}
	}
	require.NoError(t, json.Unmarshal(text, &definition))
	rows := definition.Definitions["idleDevices"].Properties["value"].Items
	require.Equal(t, []string{"name", "daysIdle"}, rows.Required)
}

func TestAColumnThatSaysNothingOfItselfIsNoColumn(t *testing.T) {
	f := madeUp()
	f.Operations[0].Answers.Rows = struct {
		Serial string `json:"serial"`
	}{}
	_, err := describe.OpenAPI([]web.Function{f})
	require.ErrorContains(t, err, "its key serial says nothing of itself")
	require.True(t, strings.HasPrefix(err.Error(), "describe "))
}

// TestItIsDescribedInOpenAPI3 in the form that generators of types read.
func TestItIsDescribedInOpenAPI3(t *testing.T) {
	text, err := describe.OpenAPI3([]web.Function{madeUp()})
	require.NoError(t, err)
	require.NotContains(t, string(text), "x-ms-")
	require.NotContains(t, string(text), "#/definitions/")
	get := gjson.GetBytes(text, `paths./devices/idle.get`)
	require.Equal(t, "ListIdleDevices", get.Get("operationId").Str)
	require.JSONEq(t, `{"name":"days","in":"query","required":false,"description":"Idle for so many days",
		"schema":{"type":"integer","format":"int32","minimum":1,"maximum":365,"default":30}}`,
		get.Get(`parameters.#(name=="days")`).Raw)
	require.Equal(t, "#/components/schemas/idleDevices", get.Get(`responses.200.content.application/json.schema.$ref`).
		Str)
	require.Equal(t, "integer", gjson.GetBytes(text,
		`components.schemas.idleDevices.properties.value.items.properties.daysIdle.type`).Str)
	again, err := describe.OpenAPI3([]web.Function{madeUp()})
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))
}

package odata_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
)

func shape(t testing.TB, s entra.Stream) *odata.Shape {
	out, err := odata.ShapeOf(s)
	require.NoError(t, err)
	return out
}

func read(t testing.TB, s entra.Stream, text string) odata.Node {
	n, err := odata.Parse(text)
	require.NoError(t, err, text)
	require.NoError(t, odata.Check(n, shape(t, s)), text)
	return n
}

const signIn = `{"id":"66ea54eb-6301-4ee5-be62-ff5a759b0100","createdDateTime":"2026-11-20T14:05:10Z","userPrincipalName":"isabella@contoso.example",
"userDisplayName":"Isabella O'Connor","appDisplayName":"StoreFrontStudio [wsfed enabled]","isInteractive":true,"userId":"26be570a-1111-2222-3333-444444444444",
"status":{"errorCode":50126,"failureReason":"Error","additionalDetails":null},"riskEventTypes_v2":[],"location":{"city":"Zürich","geoCoordinates":{"latitude":47.36667}},
"deviceDetail":{"browser":"Edge 131","trustType":null},"signInEventTypes":["nonInteractiveUser"],
"appliedConditionalAccessPolicies":[{"id":"p1","result":"success","enforcedGrantControls":["Mfa","Block"]},{"id":"p2","result":"notApplied","enforcedGrantControls":[]}],"authenticationProtocol":"ropc"}`

func TestFiltersLetThrough(t *testing.T) {
	for text, want := range map[string]bool{
		"userPrincipalName eq 'isabella@contoso.example'":          true,
		"userPrincipalName eq 'Isabella@contoso.example'":          false, // as in Graph
		"tolower(userPrincipalName) eq 'isabella@contoso.example'": true,
		"toupper(userPrincipalName) eq 'ISABELLA@CONTOSO.EXAMPLE'": true,
		"userDisplayName eq 'Isabella O''Connor'":                  true,
		"status/errorCode eq 50126":                                true,
		"status/errorCode ne 0":                                    true,
		"50126 eq status/errorCode":                                true,
		"0 lt status/errorCode":                                    true,
		"status/errorCode in (0, 50126)":                           true,
		"status/errorCode in (0,1)":                                false,
		"status/errorCode gt 50126":                                false,
		"status/errorCode ge 50126 and status/errorCode le 50126":  true,
		"status/additionalDetails eq null":                         true,
		"status/additionalDetails ne null":                         false,
		"deviceDetail/trustType eq null":                           true,
		"deviceDetail/displayName eq null":                         true, // it is not there
		"deviceDetail/displayName ne 'x'":                          true,
		"deviceDetail/displayName eq ''":                           false,
		"isInteractive eq true":                                    true,
		"isInteractive ne true":                                    false,
		"not isInteractive eq true":                                false,
		"not (isInteractive eq false)":                             true,
		"createdDateTime ge 2026-11-20":                            true,
		"createdDateTime eq 2026-11-20T14:05:10.0000000Z":          true,
		"createdDateTime eq 2026-11-20T15:05:10+01:00":             true,
		"createdDateTime lt 2026-11-20T14:05:10Z":                  false,
		"createdDateTime ge '2026-11-20T14:05:10Z'":                true, // people put it into quotes
		"startswith(appDisplayName,'Store')":                       true,
		"startsWith(appDisplayName, 'Store') eq true":              true,
		"startswith(appDisplayName,'Store') eq false":              false,
		"endswith(appDisplayName,'enabled]')":                      true,
		"contains(appDisplayName,'studio')":                        false,
		"contains(tolower(appDisplayName),'studio')":               true,
		"userId eq 26be570a-1111-2222-3333-444444444444":           true,
		"userId eq '26be570a-1111-2222-3333-444444444444'":         true,
		"location/geoCoordinates/latitude gt 47.3":                 true,
		"signInEventTypes/any(t: t eq 'nonInteractiveUser')":       true,
		"signInEventTypes/any(t:t eq 'nonInteractiveUser')":        true,
		"signInEventTypes/any(t: t ne 'nonInteractiveUser')":       false,
		"signInEventTypes/all(t: startswith(t,'non'))":             true,
		"riskEventTypes_v2/any()":                                  false,
		"signInEventTypes/any()":                                   true,
		"riskEventTypes_v2/all(r: r eq 'x')":                       true, // of none, all
		"appliedConditionalAccessPolicies/any(p: p/result eq 'success' and p/enforcedGrantControls/any(c: c eq 'Block'))":    true,
		"appliedConditionalAccessPolicies/any(p: p/result eq 'notApplied' and p/enforcedGrantControls/any(c: c eq 'Block'))": false,
		// the record within
		"appliedConditionalAccessPolicies/any(p: p/id eq 'p2' and status/errorCode eq 50126)":                     true,
		"userDisplayName eq 'a' or userDisplayName eq 'b' and isInteractive eq true or status/errorCode eq 50126": true,
		"(userDisplayName eq 'a' or isInteractive eq true) and status/errorCode eq 1":                             false,
		"not not isInteractive eq true":    true,
		"authenticationProtocol eq 'ropc'": true,
	} {
		n := read(t, logs.SignInsInteractiveUser, text)
		require.Equal(t, want, odata.Matches(n, []byte(signIn)), text)
	}
	status := read(t, logs.Provisioning, "provisioningStatusInfo/status eq 'Success'")
	require.True(t, odata.Matches(status, []byte(`{"provisioningStatusInfo":{"status":"success"}}`)),
		"the one property without regard to case")
}

func TestWhatIsWrongIsNamedWithItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "at position 1: a condition is missing",
		"userId":                      "at position 7: the end stands where an operator should",
		"userId eq":                   "at position 10: the end stands where a value should",
		"userId eq abc":               `at position 11: "abc" is no value; put texts into single quotes`,
		"userId eq 'abc":              "at position 11: a text begins and does not end",
		"userId == 'abc'":             `"==" stands where an operator should; accepted are eq`,
		"(userId eq 'a'":              "at position 15: ) is missing for the ( at position 1",
		"userId eq 'a')":              `at position 14: ")" stands where the filter should end`,
		"userId eq 'a' userId eq 'b'": `"userId" stands where the filter should end`,
		"userld eq 'a'":               "at position 1: there is no property userld; did you mean userId?",
		"status/errorcode eq 1": "at position 8: there is no property errorcode of status; did " +
			"you mean errorCode?",
		"status eq 1": "status can't be compared with a value; status has properties: " +
			"additionalDetails, errorCode",
		"status/errorCode eq '0'":          `at position 21: status/errorCode is compared with "0"; accepted is a number`,
		"isInteractive eq 'true'":          "accepted is true or false",
		"isInteractive gt true":            "isInteractive can't be compared with gt; isInteractive takes eq, ne",
		"userId gt 'a'":                    "userId can't be compared with gt; userId takes eq, ne, in",
		"userId eq 5":                      "accepted is a text in single quotes",
		"createdDateTime ge yesterday":     `"yesterday" is no value`,
		"createdDateTime ge 2026-13-45":    `"2026-13-45" is no time`,
		"startswith(status/errorCode,'5')": "startswith takes a text, which status/errorCode is not",
		"startswith(userId, 5)":            "stands where the text of startswith should",
		"startswith(userId)":               ", is missing between the property and the text",
		"signInEventTypes eq 'x'":          "signInEventTypes takes any(x: ...)",
		"riskEventTypes_v2/x eq 'x'": "riskEventTypes_v2 is a list; ask for its elements: " +
			"riskEventTypes_v2/any(x: x/x ...)",
		"userId/any(t: t eq 'x')":           "userId is no list",
		"signInEventTypes/any(t t eq 'x')":  ": is missing behind the variable",
		"signInEventTypes/any(t: x eq 'x')": "there is no property x",
		"userId in ()":                      `")" stands where a value should`,
		"userId in ('a'":                    ") is missing behind the values of in",
		"status/errorCode eq 1e999":         "is too large a number",
		"; drop":                            "is no property",
		"appliedConditionalAccessPolicies/any(p: signInEventTypes/any(t: t eq 'x'))": "at position 41: within the " +
			"list of p another one is walked that is not part of its elements; write both side by side",
		"appliedConditionalAccessPolicies/any(p: p/enforcedGrantControls/any(c: " +
			"p/enforcedGrantControls/any(d: d eq 'x')))": "within the list of c another one is walked " +
			"that is not part " +
			"of its elements",
		strings.Repeat("(", 200):    "nested more than 100 deep",
		strings.Repeat("not ", 200): "nested more than 100 deep",
		strings.Repeat("a", 64<<10): "it has 65536 bytes; accepted are up to 16000",
	} {
		n, err := odata.Parse(text)
		if err == nil {
			err = odata.Check(n, shape(t, logs.SignInsInteractiveUser))
		}
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), "%.80s", text)
		require.ErrorContains(t, err, want, "%.80s", text)
		require.Less(t, len(err.Error()), 400)
	}
}

// columns are those that hold copies of a sign-in.
var columns = map[string]logs.Column{
	"userId": {Name: "UserId"}, "appDisplayName": {Name: "AppDisplayName"}, "status/errorCode": {Name: "ErrorCode"},
	"userPrincipalName": {Name: "UserPrincipalName"}, "authenticationProtocol": {Name: "AuthenticationProtocol",
		Usual: []string{"none"}},
}

func TestAPlanAsksForWhatTheFilterSays(t *testing.T) {
	at := func(text string) time.Time {
		v, err := entra.ParseTime(text)
		require.NoError(t, err)
		return v
	}
	one := func(name, text string) []entra.Column { return []entra.Column{{Name: name, Text: text}} }
	for text, want := range map[string]odata.Plan{
		"createdDateTime ge 2026-11-20T00:00:00Z and createdDateTime le 2026-11-21T00:00:00Z": {
			From: at("2026-11-20T00:00:00Z"), To: at("2026-11-21T00:00:00.0000001Z"), TimeOnly: true},
		"createdDateTime lt 2026-11-20T00:00:00Z and userId eq 'u'": {
			To: at("2026-11-20T00:00:00Z"), Columns: [][]entra.Column{one("UserId", "u")}},
		"createdDateTime gt 2026-11-21T00:00:00Z and createdDateTime lt 2026-11-20T00:00:00Z": {
			From: at("2026-11-21T00:00:00Z").Add(1), To: at("2026-11-20T00:00:00Z"), Empty: true, TimeOnly: true},
		"createdDateTime ne 2026-11-20T00:00:00Z": {},
		"userId eq 'a' or userId eq 'b'": {
			Columns: [][]entra.Column{{{Name: "UserId", Text: "a"}, {Name: "UserId", Text: "b"}}}},
		"userId in ('a','b') and status/errorCode eq 0": {
			Columns: [][]entra.Column{{{Name: "UserId", Text: "a"}, {Name: "UserId", Text: "b"}},
				{{Name: "ErrorCode", IsInt: true}}}},
		"userId eq 'a' or isInteractive eq true": {},
		"userId eq 'a' and isInteractive eq true or userId eq 'b'": {
			Columns: [][]entra.Column{{{Name: "UserId", Text: "a"}, {Name: "UserId", Text: "b"}}}},
		"not (userId eq 'a')":            {},
		"userId ne 'a' and userId eq ''": {},
		"tolower(userId) eq 'a'":         {},
		"status/errorCode eq 0.5":        {},
		"signInEventTypes/any(t: t eq 'servicePrincipal') and userId eq 'u'": {EventTypes: []string{"servicePrincipal"},
			Columns: [][]entra.Column{one("UserId", "u")}},
		"createdDateTime ge 2026-11-20 or userId eq 'a'": {},
	} {
		got, err := odata.PlanFor(read(t, logs.SignInsInteractiveUser, text), "createdDateTime", columns)
		require.NoError(t, err)
		got.Rest = nil
		require.Equal(t, want, got, text)
	}
}

func TestATypeOfEventsChoosesTheLogAndNothingElse(t *testing.T) {
	plan, err := odata.PlanFor(read(t, logs.SignInsInteractiveUser,
		"signInEventTypes/any(t: t eq 'interactiveUser') and status/errorCode eq 50126"), "createdDateTime", columns)
	require.NoError(t, err)
	require.Equal(t, []string{"interactiveUser"}, plan.EventTypes)
	require.True(t, odata.Matches(plan.Rest, []byte(signIn)), "v1.0 gives records without the property")
	for _, text := range []string{
		"signInEventTypes/any(t: t eq 'a') or signInEventTypes/any(t: t eq 'b')",
		"not signInEventTypes/any(t: t eq 'a')",
		"signInEventTypes/any(t: t ne 'a')", "signInEventTypes/all(t: t eq 'a') and userId eq 'u'",
	} {
		_, err := odata.PlanFor(read(t, logs.SignInsInteractiveUser, text), "createdDateTime", columns)
		require.ErrorContains(t, err, "ask for one type", text)
	}
}

// passes reports whether a record is among those that a plan asks for, as a table would.
func passes(p odata.Plan, rec *entra.Record) bool {
	if !p.From.IsZero() && rec.Time.Before(p.From) || !p.To.IsZero() && !rec.Time.Before(p.To) {
		return false
	}
	for _, any := range p.Columns {
		held := false
		for _, one := range any {
			for _, col := range rec.Columns {
				held = held || col.Name == one.Name && col.IsInt == one.IsInt && col.Int == one.Int &&
					col.Text == one.Text
			}
		}
		if !held {
			return false
		}
	}
	return !p.Empty
}

// TestAPlanLeavesOutNothingThatTheFilterLetsThrough makes up filters from what records hold, and
// compares.
func TestAPlanLeavesOutNothingThatTheFilterLetsThrough(t *testing.T) {
	g := generate.New(generate.Config{Seed: 5, Users: 30, Apps: 10, Days: 3, Policies: 3,
		End: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)})
	s := logs.SignInsInteractiveUser
	var records []entra.Record
	for i := range g.Len(s) {
		rec, err := logs.ParseRecord(s, g.Append(nil, s, i))
		require.NoError(t, err)
		records = append(records, rec)
	}
	r := rand.New(rand.NewPCG(1, 2))
	held := map[string]logs.Column{}
	for path, column := range logs.Of(s).ColumnPaths() {
		held[path] = column
	}
	var filter func(depth int) string
	filter = func(depth int) string {
		rec := gjson.ParseBytes(records[r.IntN(len(records))].Raw)
		if depth > 0 {
			switch r.IntN(4) {
			case 0:
				return "(" + filter(depth-1) + " and " + filter(depth-1) + ")"
			case 1:
				return "(" + filter(depth-1) + " or " + filter(depth-1) + ")"
			case 2:
				return "not (" + filter(depth-1) + ")"
			}
		}
		quote := func(path string) string { return "'" + strings.ReplaceAll(rec.Get(path).String(), "'", "''") + "'" }
		switch r.IntN(7) {
		case 0:
			return "userId eq " + quote("userId")
		case 1:
			return "createdDateTime " + []string{"ge", "le", "gt", "lt", "eq"}[r.IntN(5)] + " " +
				rec.Get("createdDateTime").Str
		case 2:
			return fmt.Sprintf("status/errorCode %s %d", []string{"eq", "ne", "gt"}[r.IntN(3)],
				rec.Get("status.errorCode").Int())
		case 3:
			return "userPrincipalName in (" + quote("userPrincipalName") + ",'nobody')"
		case 4:
			return "startswith(appDisplayName,'O')"
		case 5:
			return "ipAddress ne " + quote("ipAddress")
		}
		return "appId eq " + quote("appId")
	}
	matched := 0
	for range 3000 {
		text := filter(3)
		n := read(t, s, text)
		plan, err := odata.PlanFor(n, logs.Of(s).TimeProperty, held)
		require.NoError(t, err)
		for i := range records {
			if odata.Matches(n, records[i].Raw) {
				matched++
				require.True(t, passes(plan, &records[i]), "%s leaves out %s", text, records[i].Raw)
			}
		}
	}
	require.NotZero(t, matched)
}

// TestEveryPropertyOfRealRecordsIsKnown walks through the published and real samples.
func TestEveryPropertyOfRealRecordsIsKnown(t *testing.T) {
	for _, s := range logs.DefaultStreams() {
		file, err := os.Open(filepath.Join("../../../shared/samples", string(s)+".jsonl"))
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		defer file.Close()
		root := shape(t, s)
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<22)
		for lines.Scan() {
			known(t, gjson.ParseBytes(lines.Bytes()), root, string(s))
		}
	}
}

func known(t *testing.T, v gjson.Result, s *odata.Shape, path string) {
	if s.Kind == odata.KindOpen || v.Type == gjson.Null {
		return
	}
	switch {
	case v.IsObject():
		if s.Kind != odata.KindObject {
			return // the services differ in a few: what one calls a list, another sends as one object
		}
		v.ForEach(func(key, value gjson.Result) bool {
			if strings.Contains(key.Str, "@odata.") {
				return true
			}
			field, ok := s.Fields[key.Str]
			require.True(t, ok, "%s/%s is unknown", path, key.Str)
			known(t, value, field, path+"/"+key.Str)
			return true
		})
	case v.IsArray() && s.Kind == odata.KindList:
		for _, elem := range v.Array() {
			known(t, elem, s.Elem, path)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"userId eq 'a' and not (status/errorCode in (1,2))",
		"a/any(t: t/b eq 2026-11-21T00:00:00Z)", "startswith(x,'''')", "1 lt a or tolower(b) eq ''"} {
		f.Add(text)
	}
	s := shape(f, logs.SignInsInteractiveUser)
	f.Fuzz(func(t *testing.T, text string) {
		n, err := odata.Parse(text)
		if err == nil {
			err = odata.Check(n, s)
		}
		if err != nil {
			require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err))
			return
		}
		odata.Matches(n, []byte(signIn))
		plan, err := odata.PlanFor(n, "createdDateTime", columns)
		if err == nil && plan.Rest != nil {
			odata.Matches(plan.Rest, []byte(signIn))
		}
	})
}

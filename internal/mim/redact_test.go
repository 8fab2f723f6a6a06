package mim_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/mim"
)

func shipped(t testing.TB) *mim.Rules {
	rules, err := mim.Shipped()
	require.NoError(t, err)
	return rules
}

func TestPhoneNumbersAreRemovedFromWhatIsStored(t *testing.T) {
	rules := shipped(t)
	for in, want := range map[string]string{
		`{"Propertyname":"msidmPhoneGatePhoneNumber","Value":"+49 170 1234567","Operation":"Create","Mode":"Modify"}`: `{"Propertyname":"msidmPhoneGatePhoneNumber","Value":"[removed]","Operation":"Create","Mode":"Modify"}`,
		`{"Value":491701234567,"PropertyName":"mobilephone"}`:                                                         `{"Value":"[removed]","PropertyName":"mobilephone"}`,
		`{"Propertyname":"MobilePhone","Value":["+1","+2"],"OldValue":{"a":"3"}}`:                                     `{"Propertyname":"MobilePhone","Value":"[removed]","OldValue":"[removed]"}`,
		`{"Propertyname":"MobilePhone","Value":""}`:                                                                   `{"Propertyname":"MobilePhone","Value":""}`,
		`{"Propertyname":"MobilePhone","Value":null}`:                                                                 `{"Propertyname":"MobilePhone","Value":null}`,
		`{"Target":{"OfficePhone":"+49 30 1","DisplayName":"Ann"}}`:                                                   `{"Target":{"OfficePhone":"[removed]","DisplayName":"Ann"}}`,
		`{"Value":"[{\"OfficePhone\":\"030\",\"Ann\":1}]"}`:                                                           `{"Value":"[{\"OfficePhone\":\"[removed]\",\"Ann\":1}]"}`,
		`{ "Propertyname" : "EmployeeID", "Value" : "491701234567" }`:                                                 `{ "Propertyname" : "EmployeeID", "Value" : "491701234567" }`,
	} {
		require.Equal(t, want, rules.RedactJSON(in))
	}
}

func TestOfATextThatIsNoJSONAllIsRemovedThatMayBeANumber(t *testing.T) {
	rules := shipped(t)
	for in, want := range map[string]string{
		"call +49 (170) 123-45.67 now": "call [removed] now",
		"1234 is short":                "1234 is short",
		"at 2026-11-16 16:25:12.307 by 0a0b0c0d-0000-4000-8000-000000000001": "at 2026-11-16 16:25:12.307 by " +
			"0a0b0c0d-0000-4000-8000-000000000001",
		`"x":[{"Propertyname":"msidmMFAPINCode","Value":"12ab","Mode":"Add"},`: `"x":[{"Propertyname":"msidmMFAPINCode","Value":"[removed]","Mode":"Add"},`,
		`{\"OfficePhone\":\"12\"`: `{\"OfficePhone\":\"[removed]\"`,
	} {
		require.Equal(t, want, rules.RedactText(in))
	}
	require.Equal(t, `[removed]","Operation":"Create" a [removed]`,
		rules.RedactPart(`12 34","Operation":"Create" a +49 (1`))
}

// TestAQuarantinedPartTellsNoDigitOfANumber cuts a request at every place.
func TestAQuarantinedPartTellsNoDigitOfANumber(t *testing.T) {
	rules := shipped(t)
	const number = "+49 (170) 55-66778"
	whole := `{"HybridObjectID":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","RequestParameter":[{"Propertyname":` +
		`"msidmPhoneGatePhoneNumber","Value":"` + number + `","Mode":"Add"},{"Propertyname":"City","Value":"Ulm"}]}`
	for cut := 1; cut < len(whole); cut++ {
		for _, part := range []string{whole[:cut], whole[cut:]} {
			out := rules.RedactPart(part)
			require.Empty(t, strings.Trim(out, strings.Map(func(c rune) rune {
				if c >= '0' && c <= '9' {
					return -1
				}
				return c
			}, out)), "%d: %s", cut, out)
		}
	}
}

func TestRedactionKeepsAllElse(t *testing.T) {
	rules := shipped(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		in := anyJSON(r, 4)
		out := rules.RedactJSON(in)
		require.True(t, gjson.Valid(out), "%s\n%s", in, out)
		require.Equal(t, out, rules.RedactJSON(out), "twice is once")
		require.NotContains(t, out, "5550")
		require.Equal(t, strings.Count(in, `"kept"`), strings.Count(out, `"kept"`))
	}
}

// anyJSON is a value with numbers in the fields that are redacted, and nowhere else.
func anyJSON(r *rand.Rand, depth int) string {
	switch n := r.IntN(6); {
	case depth == 0 || n == 0:
		return `"kept"`
	case n == 1:
		return `{"Propertyname":"MobilePhone","Mode":"Add","Value":"+5550"}`
	case n == 2:
		return `{"officePhone":5550,"a":` + anyJSON(r, depth-1) + `}`
	case n == 3:
		return "[" + anyJSON(r, depth-1) + "," + anyJSON(r, depth-1) + "]"
	}
	return `{"Value":` + anyJSON(r, depth-1) + `,"x":null}`
}

func TestRulesWithASlipAreRefused(t *testing.T) {
	for _, text := range []string{`{"reportz":{}}`, `{"version":1}`, `[`} {
		_, err := mim.ParseRules([]byte(text))
		require.Error(t, err, text)
	}
}

// TestNoShapeOfAnEventLeaksANumber: of what is stored as a record the named fields, of what is put
// aside everything, because nothing is known of it.
func TestNoShapeOfAnEventLeaksANumber(t *testing.T) {
	rules := shipped(t)
	const number = "+49 170 1234567"
	part := `Request 'c0000000-0000-4000-8000-000000000001', message 1 out of 2: `
	for name, body := range map[string]string{
		"text of a part in an unknown member": `[{"EventId":4137,"Text":"` + part + number + `"}]`,
		"the begin of a number in XML":        `[{"EventId":4137,"EventData":"<Data>` + part + `1234</Data>"}]`,
		"XML that was cut":                    `[{"EventID":4137,"EventData":"<Data>` + part + number + `"}]`,
		"a text":                              `["` + part + number + `"]`,
		"JSON of an unknown type":             `[{"EventId":5,"Message":"{\"phone\":\"` + number + `\"}"}]`,
		"a number in it":                      `[{"EventId":5,"Message":"{\"phone\":491701234567}"}]`,
		"JSON in JSON of an unknown type": `[{"EventId":5,"Message":"{\"a\":\"{\\\"b\\\":\\\"` + number +
			`\\\"}\"}"}]`,
		"a request without an ID": `[{"EventId":4121,"Message":"{\"x\":\"` + number + `\"}"}]`,
		"a message that is nested without end": `[{"EventId":4121,"Message":"` + strings.Repeat("[", 400) + number +
			`"}]`,
	} {
		events, err := mim.ReadDelivery([]byte(body))
		require.NoError(t, err, name)
		require.Len(t, events, 1, name)
		out := string(rules.Reject(events[0]))
		require.True(t, gjson.Valid(out), "%s: %s", name, out)
		require.NotContains(t, out, "1234", name)
	}
	for name, parameter := range map[string]string{
		"JSON that was cut":   `{"Propertyname":"Value","Value":"[{\"MobilePhone\":\"` + number + `\"},{"}`,
		"XML":                 `{"Propertyname":"List","Value":"<a>MobilePhone</a><b>` + number + `</b>"}`,
		"named twice":         `{"Propertyname":"City","Propertyname":"MobilePhone","Value":"` + number + `"}`,
		"a name with a blank": `{"Propertyname ":" MobilePhone ","Value":"` + number + `"}`,
	} {
		entry, err := rules.Enter(`{"HybridObjectID":"x","RequestParameter":`+parameter+`}`, mim.Delivery{})
		require.NoError(t, err, name)
		require.True(t, gjson.ValidBytes(entry.Record()))
		require.NotContains(t, string(entry.Record()), "1234", name)
	}
	kept := `{"HybridObjectID":"x","Justification":"<12345> 67890","Filter":"<Filter>/Person[EmployeeID='123456']</Filter>"}`
	entry, err := rules.Enter(kept, mim.Delivery{})
	require.NoError(t, err)
	require.Contains(t, string(entry.Record()), kept, "free texts are kept")
}

// TestWhatIsNestedWithoutEndIsNotRead, and costs no more than its length.
func TestWhatIsNestedWithoutEndIsNotRead(t *testing.T) {
	rules := shipped(t)
	deep := strings.Repeat("[", 1<<19) + strings.Repeat("]", 1<<19)
	_, err := mim.ReadDelivery([]byte(deep))
	require.ErrorIs(t, err, mim.ErrDeep)
	_, err = rules.Enter(`{"HybridObjectID":"x","a":`+deep+`}`, mim.Delivery{})
	require.ErrorIs(t, err, mim.ErrTooDeep)
	require.Equal(t, deep, rules.RedactText(deep))
	require.Equal(t, `{"a":"`+deep+`"}`, rules.RedactJSON(`{"a":"`+deep+`"}`))
	_, used, sound := mim.Join([]mim.Part{{Request: "x", Number: 1, Of: 1, Text: deep}})
	require.Nil(t, used)
	require.False(t, sound)
	many := strings.Repeat("{Pager}", 1<<17)
	require.Equal(t, many, rules.RedactText(many))
	require.True(t, mim.Shallow(`{"a":"`+strings.Repeat(`[\"`, 1000)+`"}`), "brackets in texts do not count")
	require.False(t, mim.Shallow(strings.Repeat("[", 101)))
	require.True(t, mim.Shallow(strings.Repeat("[", 100)))
}

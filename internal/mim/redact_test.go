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
		"at 2026-11-16 16:25:12.307 by 0a0b0c0d-0000-4000-8000-000000000001":   "at 2026-11-16 16:25:12.307 by 0a0b0c0d-0000-4000-8000-000000000001",
		`"x":[{"Propertyname":"msidmMFAPINCode","Value":"12ab","Mode":"Add"},`: `"x":[{"Propertyname":"msidmMFAPINCode","Value":"[removed]","Mode":"Add"},`,
		`{\"OfficePhone\":\"12\"`: `{\"OfficePhone\":\"[removed]\"`,
	} {
		require.Equal(t, want, rules.RedactText(in))
	}
	require.Equal(t, `[removed]","Operation":"Create" a [removed]`, rules.RedactPart(`12 34","Operation":"Create" a +49 (1`))
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

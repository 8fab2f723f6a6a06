package entra_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
)

func enriches(poor, rich string) bool { return entra.Enriches([]byte(poor), []byte(rich)) }

// samePairs are values that are equal either way round.
var samePairs = [][2]string{
	{`1`, `1.0`}, {`1`, `1e0`}, {`1`, `1E+00`}, {`1`, `10e-1`}, {`1`, `0.1e1`}, {`0`, `-0`}, {`0`, `0.00e7`},
	{`-1.50`, `-15e-1`},
	{`0`, `0e99999999999999999999`}, {`9007199254740993`, `9007199254740993.0`},
	{`9007199254740993`, `9.007199254740993e15`},
	{`1e999999999`, `10e999999998`}, {`1e-999999999`, `0.1e-999999998`}, {`1200`, `12e2`}, {`0.0012`, `12e-4`},
	{`1e007`, `1e7`},
	{`1e0000000000000000000007`, `1e7`}, {`1e-0000000000000000000000`, `1`},
	{`1e99999999999999999999`, `10e99999999999999999998`},
	{`10e-99999999999999999999`, `1e-99999999999999999998`},
	{`10e999999999999999999`, `1e1000000000000000000`}, {`0.01e1000000000000000000`, `0.1e999999999999999999`},
	{`0.1e-999999999999999999`, `1e-1000000000000000000`},
	{`1.0E+00099999999999999999999`, `1e99999999999999999999`},
	{`"é"`, `"\u00e9"`}, {`"é"`, `"\u00E9"`}, {`"😀"`, `"\ud83d\uDE00"`}, {`"/"`, `"\/"`},
	{`"a\"\\\b\f\n\r\t"`, `"\u0061\u0022\u005c\u0008\u000c\u000a\u000d\u0009"`},
	{`"\ud800"`, `"\uD800"`}, {`"\udc00\ud800"`, `"\uDC00\uD800"`}, {"\"\xff\\/\"", "\"\xff/\""},
	{`"\\ud800"`, `"\u005cud800"`}, {`"\ud83d😀"`, `"\ud83d\ud83d\ude00"`},
	{`"2026-07-17T14:10:02Z"`, `"2026-07-17T14:10:02.0000000Z"`},
	{`"2026-07-17T14:10:02Z"`, `"2026-07-17T14:10:02+00:00"`},
	{`"2026-07-17T14:10:02Z"`, `"2026-07-17T16:10:02+02:00"`},
	{`"2026-07-17T14:10:02Z"`, `"2026-07-17 14:10:02"`},
	{`"2026-07-17T14:10:02.5Z"`, `"2026-07-17T14:10:02.500000000Z"`},
	{`"2026-07-17T14:10:02Z"`, `"2026-07-17T14:10:02.0\u005a"`},
	{`"0001-01-01T00:00:00Z"`, `"0001-01-01T00:00:00.0000000Z"`},
	{`{}`, ` { } `}, {`[]`, "[\n]"}, {`[1,[2,{"a":null}]]`, `[ 1.0 , [ 2 , { "\u0061" : null } ] ]`},
}

// otherPairs are values that differ either way round.
var otherPairs = [][2]string{
	{`9007199254740993`, `9007199254740992`}, {`1`, `-1`}, {`1`, `10`}, {`1`, `1.01`},
	{`1e999999999`, `1e999999998`}, {`1`, `0`}, {`0.1`, `0.01`},
	{`1e400`, `2e400`}, {`1e-400`, `0`}, {`1e99999999999999999999`, `1e99999999999999999998`},
	{`1e99999999999999999999`, `1e-99999999999999999999`},
	{`0.1000000000000000055511151231257827`, `0.1`}, {`1`, `"1"`}, {`1`, `true`}, {`1`, `[1]`},
	{`12`, `{"a":12}`},
	{`"a"`, `"A"`}, {`"a"`, `"a "`}, {`""`, `null`}, {`"null"`, `null`}, {`"true"`, `true`},
	{`"é"`, "\"e\u0301\""}, {`"a"`, `["a"]`},
	{`"\ud800"`, `"\ud801"`}, {`"\ud800"`, `"\ufffd"`}, {`"\ud800"`, "\"\ufffd\""}, {`"\ud800"`, `"\\ud800"`},
	{`"\ud800"`, "\"\xed\xa0\x80\""},
	{"\"\xff\"", "\"\xfe\""}, {"\"\xff\"", "\"\ufffd\""}, {"\"\xff\"", `"\u00ff"`}, {`"\\n"`, `"\n"`},
	{`"\ud83d\ude00"`, `"\ude00\ud83d"`},
	{`"\ud83d\nde00"`, `"😀"`},
	{`"2026-07-17T14:10:02Z"`, `"2026-07-17T14:10:02.0000001Z"`},
	{`"2026-07-17T14:10:02Z"`, `"2026-07-17T14:10:02+02:00"`},
	{`"2026-07-17"`, `"2026-07-17T00:00:00Z"`}, {`"2026-07-17T14:10:02Z"`, `"2026-07-17T14:10:02Zx"`},
	{`"2026-07-17T14:10:02Z"`, `" 2026-07-17T14:10:02Z"`},
	{`"2026-07-17T14:10:02.0000000001Z"`, `"2026-07-17T14:10:02.0000000002Z"`},
	{`"2026-07-17T14:10:02.5Z"`, `"2026-07-17T14:10:02,5Z"`},
	{`"2026-02-30T00:00:00Z"`, `"2026-02-30T00:00:00.0Z"`}, {`"2026-07-17T14:10:02Z"`, `1784297402`},
	{`true`, `false`}, {`null`, `false`}, {`null`, `0`}, {`null`, `{}`}, {`null`, `[]`}, {`{}`, `[]`},
	{`[1,2]`, `[2,1]`}, {`[1]`, `[1,1]`}, {`[]`, `[null]`}, {`[[1],2]`, `[[1,2]]`}, {`[[]]`, `[]`},
	{`{"a":1}`, `{"A":1}`}, {`{"a":1}`, `{"b":1}`}, {`{"a":{"b":[{"c":1}]}}`, `{"a":{"b":[{"c":2}]}}`},
	{`{"\ud800":1}`, `{"\ud801":1}`},
}

// within puts a value into records: as a member, in a list, deeper, beside others.
func within(value string) []string {
	return []string{
		`{"a":` + value + `}`,
		`{"a":[0,` + value + `,{}]}`,
		`{"x":{"y":[[{"a":` + value + `,"b":"c"}]]},"z":null}`,
	}
}

func TestValuesAreEqualByWhatTheyMean(t *testing.T) {
	for _, pair := range samePairs {
		for i, poor := range within(pair[0]) {
			rich := within(pair[1])[i]
			require.True(t, enriches(poor, rich), "%q and %q", poor, rich)
			require.True(t, enriches(rich, poor), "%q and %q", rich, poor)
		}
	}
	for _, pair := range otherPairs {
		for i, poor := range within(pair[0]) {
			rich := within(pair[1])[i]
			require.False(t, enriches(poor, rich), "%q and %q", poor, rich)
			require.False(t, enriches(rich, poor), "%q and %q", rich, poor)
		}
	}
}

func TestARichRecordHoldsAllThatThePoorOneSays(t *testing.T) {
	deep := func(levels int, leaf string) string {
		return `{"a":` + strings.Repeat("[", levels) + leaf + strings.Repeat("]", levels) + `}`
	}
	cases := []struct {
		name, poor, rich string
		want             bool
	}{
		{"more members at every depth",
			`{"a":{"b":1},"c":[{"d":2}]}`, `{"z":0,"c":[{"e":[],"d":2}],"a":{"x":{},"b":1}}`, true},
		{"nothing said", `{}`, `{"a":1}`, true},
		{"a member is absent", `{"a":1,"b":2}`, `{"a":1}`, false},
		{"a null is absent", `{"a":null}`, `{}`, false},
		{"a null has got a value", `{"a":null}`, `{"a":1}`, false},
		{"a value has become null", `{"a":1}`, `{"a":null}`, false},
		{"a member is absent in a list's object", `{"a":[{"b":1}]}`, `{"a":[{"c":1}]}`, false},
		{"a name is escaped", `{"\u00e9":1,"b\/":2}`, `{"b/":2,"é":1}`, true},
		{"an enum's member that v1.0 does not know", `{"a":"unknownFutureValue"}`, `{"a":"passkey"}`, true},
		{"it is escaped", `{"a":"\u0075nknownFutureValue"}`, `{"a":"passkey"}`, true},
		{"it stands for any value", `{"a":"unknownFutureValue"}`, `{"a":{"b":[1]}}`, true},
		{"it stands for null", `{"a":"unknownFutureValue"}`, `{"a":null}`, true},
		{"it is in a list", `{"a":["x","unknownFutureValue","y"]}`, `{"a":["x","passkey","y"]}`, true},
		{"it is one element, not more", `{"a":["unknownFutureValue"]}`, `{"a":["x","y"]}`, false},
		{"it is absent", `{"a":"unknownFutureValue"}`, `{}`, false},
		{"it is rich's", `{"a":"passkey"}`, `{"a":"unknownFutureValue"}`, false},
		{"it is in another case", `{"a":"UnknownFutureValue"}`, `{"a":"passkey"}`, false},
		{"the first of rich's repeated names counts", `{"a":1}`, `{"a":1,"a":2}`, true},
		{"the second of rich's repeated names does not", `{"a":2}`, `{"a":1,"a":2}`, false},
		{"the first of poor's repeated names counts", `{"a":1,"a":2}`, `{"a":1}`, true},
		{"the second of poor's repeated names does not", `{"a":1,"a":2}`, `{"a":2}`, false},
		{"names that are repeated with an escape", `{"a":1,"\u0061":2}`, `{"\u0061":1,"a":3}`, true},
		{"names that are repeated deeper", `{"a":{"b":1,"b":2}}`, `{"a":{"b":1,"b":3,"c":4}}`, true},
		{"not JSON", `{"a":1`, `{"a":1}`, false},
		{"rich is not JSON", `{"a":1}`, `{"a":1,}`, false},
		{"rich is not JSON after what is compared", `{"a":1}`, `{"a":1,"b":tru}`, false},
		{"both are not JSON", `{"a":1}}`, `{"a":1}}`, false},
		{"more after the object", `{"a":1}`, `{"a":1} {}`, false},
		{"empty", ``, ``, false},
		{"empty and an object", ``, `{}`, false},
		{"lists", `[1]`, `[1]`, false},
		{"lists with blanks", `[1]`, `[ 1]`, false},
		{"a text", `"a"`, `"a"`, false},
		{"null", `null`, `null`, false},
		{"blanks around", "\t{\"a\":1}", "{\"a\":1}\r\n ", true},
		{"a byte order mark", `{"a":1}`, "\ufeff{\"a\":1}", false},
		{"poor's byte order mark", "\ufeff{\"a\":1}", `{"a":1}`, false},
		{"equal bytes with a byte order mark", "\ufeff{\"a\":1}", "\ufeff{\"a\":1}", true},
		{"equal bytes, two byte order marks", "\ufeff\ufeff{}", "\ufeff\ufeff{}", false},
		{"as deep as records may be", deep(9_999, "1"), deep(9_999, "1.0"), true},
		{"as deep, and a difference", deep(9_999, "1"), deep(9_999, "2"), false},
		{"too deep", deep(10_000, "1"), deep(10_000, "1.0"), false},
		{"too deep, equal bytes", deep(10_000, "1"), deep(10_000, "1"), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, enriches(c.poor, c.rich)) })
	}
}

// TestNoTextMakesTheComparisonSlow has texts on which a quadratic comparison would last minutes.
func TestNoTextMakesTheComparisonSlow(t *testing.T) {
	const many = 100_000
	object := func(forward bool, name string) string {
		members := make([]string, many)
		for i := range members {
			members[i] = fmt.Sprintf(`"%s%d":%d`, name, i, i)
		}
		if !forward {
			slices.Reverse(members)
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	nested := func(inner string) string {
		return strings.Repeat(`{"a":`, 9_000) + inner + strings.Repeat("}", 9_000)
	}
	filler := `{"p":"` + strings.Repeat("p", 1<<23) + `","n":`
	nines := strings.Repeat("9", 1<<20)
	cases := []struct {
		name, poor, rich string
		want             bool
	}{
		{"many members, in another order", object(true, "n"), object(false, "n"), true},
		{"many escaped names", object(true, `\u00e9`), object(false, "é"), true},
		{"one name, many times",
			`{"a":1` + strings.Repeat(`,"a":2`, many) + `}`, `{"a":1` + strings.Repeat(`,"a":3`, many) + `}`, true},
		{"deep, with much inside", nested(filler + "1}"), nested(filler + "2}"), false},
		{"deep, with many members inside", nested(object(true, "n")), nested(object(false, "n")), true},
		{"an exponent of a gigabyte", `{"a":1e999999999}`, `{"a":1e999999998}`, false},
		{"an exponent with a million digits", `{"a":1e` + nines + `}`, `{"a":10e` + nines[1:] + `8}`, true},
		{"a number with a million digits", `{"a":` + nines + `}`, `{"a":` + nines + `.` + nines + `}`, false},
		{"many escapes",
			`{"a":"` + strings.Repeat(`\u00e9`, many) + `"}`, `{"a":"` + strings.Repeat(`é`, many) + `"}`, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			begun := time.Now()
			require.Equal(t, c.want, enriches(c.poor, c.rich))
			require.Less(t, time.Since(begun), 5*time.Second)
		})
	}
}

// oracle is the rule again, slowly, over what encoding/json decodes.
func oracle(poor, rich any) bool {
	switch a := poor.(type) {
	case map[string]any:
		b, ok := rich.(map[string]any)
		for name, value := range a {
			other, has := b[name]
			ok = ok && has && oracle(value, other)
		}
		return ok
	case []any:
		b, ok := rich.([]any)
		return ok && slices.EqualFunc(a, b, oracle)
	case json.Number:
		b, ok := rich.(json.Number)
		return ok && ratOf(a).Cmp(ratOf(b)) == 0
	case string:
		b, ok := rich.(string)
		return a == "unknownFutureValue" || ok && (a == b || oracleTime(a) != "" && oracleTime(a) == oracleTime(b))
	}
	return poor == rich
}

func ratOf(n json.Number) *big.Rat {
	r, _ := new(big.Rat).SetString(string(n)) // decoded JSON numbers are what SetString reads
	return r
}

var dateTime = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,9})?)(Z|[+-]\d\d:\d\d|)$`)

// oracleTime is a date-time's one form; empty for other texts.
func oracleTime(text string) string {
	part := dateTime.FindStringSubmatch(text)
	if part == nil {
		return ""
	}
	if part[3] == "" {
		part[3] = "Z"
	}
	at, err := time.Parse(time.RFC3339Nano, part[1]+"T"+part[2]+part[3])
	if err != nil {
		return ""
	}
	return fmt.Sprint(at.UnixNano(), at.UTC())
}

// decode decodes a text for the oracle, with the first of repeated names.
func decode(t *testing.T, text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value func() any
	value = func() any {
		token, err := d.Token()
		require.NoError(t, err)
		switch token {
		case json.Delim('{'):
			object := map[string]any{}
			for d.More() {
				name, err := d.Token()
				require.NoError(t, err)
				if member := value(); !has(object, name.(string)) {
					object[name.(string)] = member
				}
			}
			_, err = d.Token()
			require.NoError(t, err)
			return object
		case json.Delim('['):
			list := []any{}
			for d.More() {
				list = append(list, value())
			}
			_, err = d.Token()
			require.NoError(t, err)
			return list
		}
		return token
	}
	return value()
}

func has(object map[string]any, name string) bool {
	_, ok := object[name]
	return ok
}

var (
	surrogate = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
	hugePower = regexp.MustCompile(`[eE][+-]?\d{4,}`)
)

// judged reports whether the oracle can judge a text: encoding/json makes one letter of all that is
// no UTF-8, and an exact fraction of a huge exponent needs all the memory.
func judged(text []byte) bool {
	return utf8.Valid(text) && json.Valid(text) && !surrogate.Match(text) && !hugePower.Match(text)
}

func isObject(text []byte) bool {
	return json.Valid(text) && bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{"))
}

func requireTheRule(t *testing.T, poor, rich []byte) {
	got := entra.Enriches(poor, rich)
	switch {
	case bytes.Equal(poor, rich):
		require.Equal(t, isObject(bytes.TrimPrefix(poor, []byte("\ufeff"))), got, "%q", poor)
	case !isObject(poor) || !isObject(rich):
		require.False(t, got, "%q and %q", poor, rich)
	case judged(poor) && judged(rich):
		require.Equal(t, oracle(decode(t, poor), decode(t, rich)), got, "%q and %q", poor, rich)
	}
}

func FuzzARicherFormIsWhatTheRuleSays(f *testing.F) {
	for _, pair := range slices.Concat(samePairs, otherPairs) {
		for i, poor := range within(pair[0]) {
			f.Add([]byte(poor), []byte(within(pair[1])[i]))
		}
	}
	for _, text := range texts[:len(texts)-2] { // without those that are only long
		f.Add([]byte(text), []byte(text))
		f.Add([]byte(text), []byte(`{"a":`+text+`}`))
	}
	f.Fuzz(requireTheRule)
}

// TestRandomPairsAreJudgedAsTheRuleSays draws records from few names and values, so that many pairs
// are equal.
func TestRandomPairsAreJudgedAsTheRuleSays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	scalars := []string{`1`, `1.0`, `"a"`, `"\u0061"`, `null`, `"unknownFutureValue"`,
		`"2026-07-17T14:10:02Z"`, `"2026-07-17 14:10:02.0"`}
	names := []string{`"a"`, `"b"`, `"\u0061"`}
	var draw func(depth int) string
	draw = func(depth int) string {
		items := make([]string, r.IntN(3))
		switch kind := r.IntN(4); {
		case depth > 0 && (kind > 1 || depth == 3):
			return scalars[r.IntN(len(scalars))]
		case depth > 0 && kind == 0:
			for i := range items {
				items[i] = draw(depth + 1)
			}
			return "[" + strings.Join(items, ",") + "]"
		}
		for i := range items {
			items[i] = names[r.IntN(len(names))] + ":" + draw(depth+1)
		}
		return "{" + strings.Join(items, ",") + "}"
	}
	richer := 0
	for range 20_000 {
		poor, rich := draw(0), draw(0)
		requireTheRule(t, []byte(poor), []byte(rich))
		if poor != rich && poor != "{}" && enriches(poor, rich) {
			richer++
		}
	}
	require.Greater(t, richer, 200, "pairs that are richer and not the same")
}

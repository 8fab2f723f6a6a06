package entra_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// tree is a JSON value that tests change. names and values are an object's, values alone a list's.
type tree struct {
	kind   byte // '{', '[' or 's' for a scalar
	scalar string
	names  []string // with quotes, as they came
	values []*tree
}

func treeOf(v gjson.Result) *tree {
	if !v.IsObject() && !v.IsArray() {
		return &tree{kind: 's', scalar: v.Raw}
	}
	out := &tree{kind: '['}
	if v.IsObject() {
		out.kind = '{'
	}
	v.ForEach(func(name, value gjson.Result) bool {
		if out.kind == '{' {
			out.names = append(out.names, name.Raw)
		}
		out.values = append(out.values, treeOf(value))
		return true
	})
	return out
}

// render writes a tree as JSON, with a blank after each token where blanks is true.
func (n *tree) render(blanks bool) []byte {
	gap := ""
	if blanks {
		gap = "\n"
	}
	var out bytes.Buffer
	var write func(n *tree)
	write = func(n *tree) {
		if n.kind == 's' {
			out.WriteString(n.scalar + gap)
			return
		}
		out.WriteString(string(n.kind) + gap)
		for i, value := range n.values {
			if i > 0 {
				out.WriteString("," + gap)
			}
			if n.kind == '{' {
				out.WriteString(n.names[i] + gap + ":" + gap)
			}
			write(value)
		}
		out.WriteString(string(n.kind+2) + gap) // the closing bracket's code is the opening one's plus 2
	}
	write(n)
	return out.Bytes()
}

func textOf(t *testing.T, raw string) string {
	if utf8.ValidString(raw) && !strings.Contains(raw, `\`) {
		return raw[1 : len(raw)-1] // encoding/json would use most of the tests' time
	}
	var text string
	require.NoError(t, json.Unmarshal([]byte(raw), &text))
	return text
}

// place is where a value is: element i of a tree.
type place struct {
	in *tree
	i  int
}

// places are the objects of a tree, and the places of those scalars that count: none in what
// repeats a name.
func (n *tree) places(t *testing.T) (objects []*tree, scalars []place) {
	var walk func(n *tree, counts bool)
	walk = func(n *tree, counts bool) {
		if n.kind == '{' {
			objects = append(objects, n)
		}
		seen := map[string]bool{}
		for i, value := range n.values {
			first := true
			if n.kind == '{' {
				name := textOf(t, n.names[i])
				first, seen[name] = !seen[name], true
			}
			if value.kind == 's' {
				if counts && first && !isUnknown(t, value.scalar) {
					scalars = append(scalars, place{n, i})
				}
				continue
			}
			walk(value, counts && first)
		}
	}
	walk(n, true)
	return objects, scalars
}

func isUnknown(t *testing.T, raw string) bool {
	return raw[0] == '"' && textOf(t, raw) == "unknownFutureValue"
}

// addMembers adds members to a tree's objects, at any position: new names, and repetitions after
// the first.
func addMembers(t *testing.T, n *tree, r *rand.Rand) {
	added := []string{`null`, `7`, `"x"`, `[]`, `{"id":"x"}`, `[{"a":[1]}]`}
	objects, _ := n.places(t)
	for range 1 + r.IntN(5) {
		o := objects[r.IntN(len(objects))]
		at := r.IntN(len(o.values) + 1)
		name := fmt.Sprintf(`"added %d"`, r.Int())
		if at > 0 && r.IntN(3) == 0 {
			name = o.names[r.IntN(at)]
		}
		value := treeOf(gjson.Parse(added[r.IntN(len(added))]))
		o.names = append(o.names[:at:at], append([]string{name}, o.names[at:]...)...)
		o.values = append(o.values[:at:at], append([]*tree{value}, o.values[at:]...)...)
	}
}

// changed is another value than the scalar, of its type or of another one.
func changed(raw string, r *rand.Rand) string {
	others := []string{`{}`, `[]`, `[` + raw + `]`}
	for _, other := range []string{`null`, `true`, `false`} {
		if raw != other {
			others = append(others, other)
		}
	}
	switch last := len(raw) - 1; {
	case raw[0] == '"':
		others = append(others, raw[:last]+`x"`, raw[:last]+`\u0000"`, `"x`+raw[1:], `5`)
	case (raw[0] == '-' || raw[0] <= '9') && !strings.ContainsAny(raw, "eE"):
		others = append(others, raw[:last]+string('0'+(raw[last]-'0'+1)%10), raw+"e1000", `"`+raw+`"`)
		if strings.Trim(raw, "-0.") == "" {
			others = append(others[:len(others)-2], `"`+raw+`"`) // zero times anything is zero
		}
	default:
		others = append(others, `"`+strings.Trim(raw, "-")+`"`)
	}
	return others[r.IntN(len(others))]
}

// requireOneDifferenceCounts changes, nulls and removes some scalars, one at a time.
func requireOneDifferenceCounts(t *testing.T, record []byte, n *tree, r *rand.Rand, times int) {
	_, scalars := n.places(t)
	if len(scalars) == 0 {
		return
	}
	for range times {
		p := scalars[r.IntN(len(scalars))]
		was := *p.in.values[p.i]
		for _, value := range []string{changed(was.scalar, r), `null`} {
			if value == was.scalar {
				continue
			}
			p.in.values[p.i].scalar = value
			other := n.render(r.IntN(2) == 0)
			require.False(t, entra.Enriches(record, other), "%s and %s", record, other)
			require.False(t, entra.Enriches(other, record), "%s and %s", other, record)
		}
		*p.in.values[p.i] = was

		whole := *p.in
		p.in.names, p.in.values = nil, nil
		for i, value := range whole.values {
			if whole.kind == '{' && textOf(t, whole.names[i]) == textOf(t, whole.names[p.i]) || i == p.i {
				continue
			}
			if whole.kind == '{' {
				p.in.names = append(p.in.names, whole.names[i])
			}
			p.in.values = append(p.in.values, value)
		}
		less := n.render(false)
		require.False(t, entra.Enriches(record, less), "%s and %s", record, less)
		*p.in = whole
	}
}

// requireProperties checks what holds for every record: it enriches itself in any layout, it still
// does with more members and with more again, and does not with one other scalar.
func requireProperties(t *testing.T, record []byte, r *rand.Rand, times int) {
	require.True(t, entra.Enriches(record, record), "%q", record)
	n := treeOf(gjson.ParseBytes(record))
	for _, blanks := range []bool{false, true} {
		same := n.render(blanks)
		require.True(t, entra.Enriches(record, same), "%q and %q", record, same)
		require.True(t, entra.Enriches(same, record), "%q and %q", same, record)
	}
	requireOneDifferenceCounts(t, record, n, r, times)
	addMembers(t, n, r)
	more := n.render(true)
	require.True(t, entra.Enriches(record, more), "%q and %q", record, more)
	addMembers(t, n, r)
	most := n.render(false)
	require.True(t, entra.Enriches(more, most), "%q and %q", more, most)
	require.True(t, entra.Enriches(record, most), "%q and %q", record, most)
	requireOneDifferenceCounts(t, most, n, r, 1)
}

// publishedRecords are the samples.
func publishedRecords(t testing.TB) (records [][]byte) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "samples", "*.jsonl"))
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		records = append(records, bytes.Split(bytes.TrimSpace(text), []byte("\n"))...)
	}
	return records
}

func madeUp(policies int) *generate.Generator {
	return generate.New(generate.Config{
		Seed: 3, Policies: policies, End: time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC),
	})
}

func TestEveryRecordIsEnrichedByMoreAndNotByOther(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	records := publishedRecords(t)
	g := madeUp(12)
	for _, s := range logs.Streams() {
		for i := range min(g.Len(s), 30) {
			records = append(records, g.Append(nil, s, i))
		}
	}
	for _, record := range records {
		requireProperties(t, record, r, 1)
	}
}

func FuzzARecordIsEnrichedByMoreAndNotByOther(f *testing.F) {
	for i, pair := range samePairs {
		f.Add([]byte(within(pair[0])[i%3]), uint64(i))
	}
	g := madeUp(1)
	for i, s := range logs.Streams() {
		f.Add(g.Append(nil, s, 0), uint64(i))
	}
	f.Add([]byte(`{"a":1,"b":{"c":"unknownFutureValue","c":2},"a":[true,null,-0.0e5],"\ud800":"\udc00"}`), uint64(7))
	f.Fuzz(func(t *testing.T, record []byte, seed uint64) {
		if isObject(record) && len(record) < 20_000 {
			requireProperties(t, record, rand.New(rand.NewPCG(seed, 5)), 2)
		}
	})
}

// bothForms makes a record of v1.0 from a sign-in, and one of beta: with more members, among them
// some in each policy, and with fractions in its times.
func bothForms(t testing.TB, record []byte) (poor, rich []byte) {
	n := treeOf(gjson.ParseBytes(record))
	poor = n.render(false)
	extra := `{"signInEventTypes":["interactiveUser"],"uniqueTokenIdentifier":"MTIzNDU2Nzg5MDEyMzQ1Njc4OTA",
		"autonomousSystemNumber":8075,"crossTenantAccessType":"none","isTenantRestricted":false,
		"flaggedForReview":false,"sessionLifetimePolicies":[],"authenticationProtocol":"none",
		"incomingTokenType":"none","signInTokenProtectionStatus":"none","globalSecureAccessIpAddress":"",
		"managedServiceIdentity":{"msiType":"none","associatedResourceId":"","federatedTokenId":""}}`
	more := treeOf(gjson.Parse(extra))
	n.names = append(append(n.names[:5:5], more.names...), n.names[5:]...)
	n.values = append(append(n.values[:5:5], more.values...), n.values[5:]...)
	for i, name := range n.names {
		switch name {
		case `"createdDateTime"`:
			n.values[i].scalar = strings.Replace(n.values[i].scalar, `Z"`, `.0000000Z"`, 1)
		case `"appliedConditionalAccessPolicies"`:
			for _, policy := range n.values[i].values {
				policy.names = append(policy.names, `"authenticationStrength"`, `"includeRulesSatisfied"`)
				policy.values = append(policy.values, &tree{kind: 's', scalar: "null"}, &tree{kind: '['})
			}
		}
	}
	rich = n.render(false)
	require.True(t, entra.Enriches(poor, rich), "%s and %s", poor, rich)
	return poor, rich
}

func BenchmarkEnriches(b *testing.B) {
	for _, policies := range []int{0, 6, 12} {
		g := madeUp(policies)
		var poor, rich [200][]byte
		poorSize, richSize := 0, 0
		for i := range poor {
			poor[i], rich[i] = bothForms(b, g.Append(nil, logs.SignInsInteractiveUser, i))
			poorSize, richSize = poorSize+len(poor[i]), richSize+len(rich[i])
		}
		b.Run(fmt.Sprintf("%dAnd%dBytes", poorSize/len(poor), richSize/len(rich)), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64((poorSize + richSize) / len(poor)))
			for i := 0; b.Loop(); i++ {
				if !entra.Enriches(poor[i%len(poor)], rich[i%len(poor)]) {
					b.Fatal("not richer")
				}
			}
		})
	}
}

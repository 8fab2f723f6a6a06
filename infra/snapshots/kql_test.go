package snapshots_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// row is a row of a table by column: texts, truths, times, nil if there is none.
type row = map[string]any

// kql evaluates a query, as far as the alerts' queries go; whether a query is valid KQL,
// Microsoft's language service checks (tools/kql). It panics on what it does not know.
type kql struct {
	tokens []string
	tables map[string][]row
	lets   map[string]any
	now    time.Time
}

var kqlTokens = regexp.MustCompile(`"[^"]*"|[A-Za-z_]\w*|\d+[dhm]|==|=~|!contains|\S`)

// answer gives the rows that a query gives at a time.
func answer(query string, tables map[string][]row, now time.Time) (rows []row, err error) {
	k := &kql{tokens: append(kqlTokens.FindAllString(query, -1), ""), tables: tables, lets: map[string]any{}, now: now}
	defer func() {
		if said := recover(); said != nil {
			err = fmt.Errorf("%v, before %q of the query %s", said, strings.Join(k.tokens, " "), query)
		}
	}()
	for k.skip("let") {
		name := k.next()
		if k.want("="); k.skip("toscalar") {
			for _, v := range k.pipeline()[0] {
				k.lets[name] = v
			}
		} else {
			k.lets[name] = k.pipeline()
		}
		k.want(";")
	}
	rows = k.pipeline()
	k.want("")
	return rows, nil
}

func (k *kql) next() string {
	token := k.tokens[0]
	k.tokens = k.tokens[1:]
	return token
}

func (k *kql) skip(token string) bool {
	isNext := k.tokens[0] == token
	if isNext {
		k.next()
	}
	return isNext
}

func (k *kql) want(tokens ...string) {
	for _, token := range tokens {
		if !k.skip(token) {
			panic("no " + token)
		}
	}
}

// list reads elements in brackets, with commas between.
func (k *kql) list(begin, end string, element func()) {
	for k.want(begin); !k.skip(end); k.skip(",") {
		element()
	}
}

// pipeline is a table and what is done with it.
func (k *kql) pipeline() []row {
	rows := slices.Clone(k.source())
	for k.skip("|") {
		switch operator := k.next(); operator {
		case "where":
			holds := k.condition()
			rows = slices.DeleteFunc(rows, func(r row) bool { return holds(r) != true })
		case "project":
			name := k.next()
			k.want("=")
			value := k.primary()
			for i, r := range rows {
				rows[i] = row{name: value(r)}
			}
		case "summarize":
			rows = k.summarize(rows)
		case "join":
			k.want("kind", "=", "leftanti")
			others := k.lets[k.next()].([]row)
			k.want("on")
			column := k.next()
			rows = slices.DeleteFunc(rows, func(r row) bool {
				return slices.ContainsFunc(others, func(other row) bool { return other[column] == r[column] })
			})
		default:
			panic("no operator " + operator)
		}
	}
	return rows
}

// source is a table: by its name, of rows of one column that are written out, or of several tables.
func (k *kql) source() (rows []row) {
	name := k.next()
	switch let, isTable := k.lets[name].([]row); {
	case isTable:
		return let
	case name == "(":
		rows = k.pipeline()
		k.want(")")
	case name == "materialize":
		return k.source()
	case name == "datatable":
		var columns []string
		k.list("(", ")", func() {
			columns = append(columns, k.next())
			k.want(":")
			k.next()
		})
		k.list("[", "]", func() { rows = append(rows, row{columns[0]: strings.Trim(k.next(), `"`)}) })
	case name == "union":
		isFuzzy := k.skip("isfuzzy")
		if isFuzzy {
			k.want("=", "true")
		}
		for first := true; first || k.skip(","); first = false {
			if _, there := k.tables[k.tokens[0]]; !there && isFuzzy && k.tokens[0] != "(" {
				k.next() // a table that is not there yet
			} else {
				rows = append(rows, k.source()...)
			}
		}
	case k.tables[name] == nil:
		panic("no table " + name)
	}
	return append(rows, k.tables[name]...)
}

// summarize keeps the earliest of each group; without groups there is one row.
func (k *kql) summarize(rows []row) (out []row) {
	name, by := "min_", ""
	if k.tokens[0] != "min" {
		name = k.next()
		k.want("=")
	}
	k.want("min", "(")
	column := k.next()
	if k.want(")"); k.skip("by") {
		by = k.next()
	} else {
		out = []row{{name: nil}}
	}
	for _, r := range rows {
		i := slices.IndexFunc(out, func(group row) bool { return by == "" || group[by] == r[by] })
		if i < 0 {
			i, out = len(out), append(out, row{by: r[by], name: nil})
		}
		if earliest, isTime := out[i][name].(time.Time); !isTime || r[column].(time.Time).Before(earliest) {
			out[i][name] = r[column]
		}
	}
	return out
}

type valueOf func(row) any

func (k *kql) condition() valueOf {
	return k.chain("or", func() valueOf { return k.chain("and", k.comparison) })
}

// chain is one part, or several with a word between: or, and.
func (k *kql) chain(word string, part func() valueOf) valueOf {
	parts := []valueOf{part()}
	for k.skip(word) {
		parts = append(parts, part())
	}
	return func(r row) any {
		decides := word == "or" // what one part that is so makes of the whole
		return slices.ContainsFunc(parts, func(v valueOf) bool { return (v(r) == true) == decides }) == decides
	}
}

func (k *kql) comparison() valueOf {
	if k.skip("(") {
		defer k.want(")")
		return k.condition()
	}
	left := k.primary()
	if k.skip("in") {
		var list []valueOf
		k.list("(", ")", func() { list = append(list, k.primary()) })
		return func(r row) any { return slices.ContainsFunc(list, func(v valueOf) bool { return v(r) == left(r) }) }
	}
	compare := comparisons[k.next()]
	right := k.primary()
	return func(r row) any { return compare(left(r), right(r)) }
}

// Comparisons of texts ignore case, except for ==. has matches whole words.
var comparisons = map[string]func(a, b any) bool{
	"==":        func(a, b any) bool { return a == b },
	"=~":        func(a, b any) bool { return strings.EqualFold(a.(string), b.(string)) },
	"contains":  func(a, b any) bool { return matches("%s", a, b) },
	"!contains": func(a, b any) bool { return !matches("%s", a, b) },
	"has":       func(a, b any) bool { return matches(`(^|[^a-z0-9])%s($|[^a-z0-9])`, a, b) },
	"<": func(a, b any) bool {
		earlier, isTime := a.(time.Time)
		return isTime && earlier.Before(b.(time.Time))
	},
}

func matches(form string, a, b any) bool {
	return regexp.MustCompile(fmt.Sprintf("(?i)"+form, regexp.QuoteMeta(b.(string)))).MatchString(a.(string))
}

func (k *kql) primary() valueOf {
	token := k.next()
	value, isKnown := k.lets[token]
	switch {
	case token == "true" || token == "false":
		value, isKnown = token == "true", true
	case token[0] == '"':
		value, isKnown = strings.Trim(token, `"`), true
	case token == "ago":
		k.want("(")
		value, isKnown = k.now.Add(-span(k.next())), true
		k.want(")")
	}
	return func(r row) any {
		column, there := r[token]
		switch {
		case isKnown:
			return value
		case !there:
			panic("no column " + token)
		}
		return column
	}
}

// span is a length of time as queries write it: 40h.
func span(text string) time.Duration {
	n, err := strconv.Atoi(text[:len(text)-1])
	if err != nil {
		panic(err)
	}
	return time.Duration(n) * map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour,
		'm': time.Minute}[text[len(text)-1]]
}

func TestQueriesAreEvaluated(t *testing.T) {
	now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	tables := map[string][]row{"T": {{"A": "Handler ended", "B": true, "At": now.Add(-time.Hour)}, {"A": "handlers",
		"B": false, "At": now.Add(-3 * time.Hour)}}}
	for query, n := range map[string]int{
		`T`:                              2,
		`T | where B == true`:            1,
		`T | where A has "handler"`:      1,
		`T | where A contains "HANDLER"`: 2,
		`T | where A == "Handlers"`:      0,
		`T | where A =~ "HANDLERS" or A has "ended" and B == false`:                                  1,
		`T | where (A =~ "HANDLERS" or A has "ended") and A !contains "s"`:                           1,
		`T | where A in ("handlers", "x")`:                                                           1,
		`T | where At < ago(2h)`:                                                                     1,
		`T | project X = A | where X has "ended"`:                                                    1,
		`union isfuzzy=true (datatable(A: string)[]), T, NotThere`:                                   2,
		`union (T | where B == true), (T | where B == true)`:                                         2,
		`datatable(A: string)["a", "b"] | where A == "a"`:                                            1,
		`let t = materialize(T | summarize First = min(At) by A); t | where First < ago(2h)`:         1,
		`let t = T | where B == true; T | join kind=leftanti t on A`:                                 1,
		`let f = toscalar(T | summarize min(At)); datatable(A: string)["a"] | where f < ago(2h)`:     1,
		`let f = toscalar(T | where A == "" | summarize min(At)); T | where f < ago(2h)`:             0,
		`let f = toscalar(T | summarize min(At)); datatable(A: string)["a"] | where f < ago(1d)`:     0,
		`T | summarize First = min(At) by B`:                                                         2,
		`union isfuzzy=true (datatable(A: string)["a"]), T | where A == "a" or A == "Handler ended"`: 2,
	} {
		rows, err := answer(query, tables, now)
		require.NoError(t, err)
		require.Len(t, rows, n, query)
	}
	for _, wrong := range []string{`X`, `union T, X`, `T | take 1`, `T | where C == true`, `T | where A == "a" B`,
		`T | where A == 'a'`, `T | summarize max(At)`} {
		_, err := answer(wrong, tables, now)
		require.Error(t, err, wrong)
	}
}

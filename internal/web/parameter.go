package web

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Kind is what a parameter's value is.
type Kind int

// The kinds of parameters.
const (
	KindText    Kind = iota // whatever was given
	KindInt                 // a whole number from Least to Most
	KindChoice              // one of Accepted
	KindWords               // one or several of Accepted, with commas between
	KindTime                // a date or a time, or Word
	KindInstant             // a time
	KindSince               // what an answer gave, a date, a time, or Word
	KindOrder               // one of Accepted, and asc or desc after it
	KindFormat              // json or csv
	KindID                  // one of Accepted, eq, and a text in single quotes
)

// Parameter is declared once: what it accepts is checked before the function sees the request, and
// what is said of it in the docs and the connector is made from it.
type Parameter struct {
	Name string
	Text string // what it means, without a full stop
	Note string // what the docs say beyond that, and how it is read; empty: nothing
	Kind Kind

	Accepted    []string
	Least, Most int
	Word        string // that means a moment
	Default     string
	Number      bool // the words are whole numbers
	Strict      bool // nothing but a comma stands between words

	Required bool
	Refused  bool   // the function refuses it with its own message; it is not documented
	Repeated bool   // it may be given several times
	Wants    string // what a refusal says is accepted; empty: what the kind says
}

// Text declares a parameter that the function itself understands.
func Text(name, text string) Parameter { return Parameter{Name: name, Text: text} }

// Whole declares a whole number.
func Whole(name string, preset, least, most int, text string) Parameter {
	return Parameter{Name: name, Text: text, Kind: KindInt, Least: least, Most: most, Default: strconv.Itoa(preset)}
}

// Choice declares one of several words. preset is the default; empty: none.
func Choice(name, preset, text string, accepted ...string) Parameter {
	return Parameter{Name: name, Text: text, Kind: KindChoice, Accepted: accepted, Default: preset}
}

// Flag declares true, false or all.
func Flag(name, text string) Parameter { return Choice(name, "all", text, "true", "false", "all") }

// Words declares one or several words.
func Words(name, preset, text string, accepted ...string) Parameter {
	return Parameter{Name: name, Text: text, Kind: KindWords, Accepted: accepted, Default: preset}
}

// Moment declares a date or a time. word means one; empty: there is no such word.
func Moment(name, word, text string) Parameter {
	return Parameter{Name: name, Text: text, Kind: KindTime, Word: word}
}

// FromTo declares a range of times, which Request.Range reads.
func FromTo(from, to string) []Parameter {
	return []Parameter{{Name: "from", Text: from, Kind: KindInstant}, {Name: "to", Text: to, Kind: KindInstant}}
}

// longestCursor bounds what a caller may give as a cursor.
const longestCursor = 4000

// Since declares the parameters of a list that tells what is new, which Query.Since reads.
func Since() []Parameter {
	since := Parameter{Name: "newSince", Kind: KindSince, Word: "previous",
		Text: "Only what is new since an answer (its nextCursor), a moment (2026-11-14T07:00:00Z), " +
			"or the snapshot before this one (previous)",
		Note: "[New](#what-is-new) is what came into the answer since then, for whatever reason"}
	return []Parameter{since, Text("reader", "Instead of newSince: the name under which the app keeps the cursor")}
}

// Format declares that a list is given as a file, too.
func Format() Parameter {
	return Parameter{Name: "$format", Text: "The rows as a file", Kind: KindFormat, Accepted: []string{"json", "csv"}}
}

// ByID declares that a row of a list is asked for by its id, which can have characters that no
// address takes along its way. property is the row's own name of it; Query.ID reads it.
func ByID(property string) Parameter {
	p := Parameter{Name: "$filter", Kind: KindID, Accepted: []string{"id"}, Wants: property + " eq '...'",
		Text: "One row by its id, as " + property + " eq '...'",
		Note: "Of any id, also of one that [can't be part of an address](#long-addresses-and-odd-ids). " +
			"A quote within it is written twice"}
	if property != "id" {
		p.Accepted = append(p.Accepted, property)
		p.Note = "`id` is taken, too. " + p.Note
	}
	return p
}

const defaultTop = 100

// Refusing declares parameters of which the function refuses some in its own words.
func Refusing(all []Parameter, names ...string) []Parameter {
	out := slices.Clone(all)
	for i := range out {
		out[i].Refused = slices.Contains(names, out[i].Name)
	}
	return out
}

// Top declares how many rows a page has.
func Top(most int, text string) Parameter { return Whole("$top", defaultTop, 1, most, text) }

// Select declares the properties that are wanted. accepted are all of them; nil: they depend on
// what is asked for.
func Select(accepted []string) Parameter {
	p := Text("$select", "Properties that are wanted, with commas between")
	if accepted != nil {
		p.Kind, p.Accepted = KindWords, accepted
	}
	return p
}

// Count declares whether all rows are counted.
func Count() Parameter { return Choice("$count", "", "Whether to count all rows", "true", "false") }

// Job declares the part of the path that names a job.
func Job() Parameter {
	return Text("job", "What follows the last slash of Location, a header of the answer with 202")
}

// UntilDone says when an operation is asked that goes on with a job.
const UntilDone = "Ask it where nothing follows Location by itself, again and again until the answer is 200."

// SkipToken declares where a page begins.
func SkipToken() Parameter {
	return Text(skipToken, "Taken from @odata.nextLink; never made by hand")
}

// ListParameters declares what every list accepts beside its own filters. fields are the accepted
// properties, orders those that it is ordered by.
func ListParameters(mostTop int, fields, orders []string) []Parameter {
	order := Parameter{Name: "$orderby", Kind: KindOrder, Accepted: orders,
		Text: "One of " + strings.Join(orders, ", ") + ", and asc or desc after it"}
	return []Parameter{Top(mostTop, "Rows of a page"), Select(fields), order, Count(), Format(), SkipToken()}
}

// check refuses a value that the parameter does not accept.
func (p Parameter) check(value string) error {
	fits := true
	switch p.Kind {
	case KindInt:
		n, err := strconv.Atoi(value)
		fits = err == nil && n >= p.Least && n <= p.Most
	case KindChoice:
		fits = slices.Contains(p.Accepted, value)
	case KindWords:
		return p.checkWords(value)
	case KindTime:
		_, fits = readTime(value)
		fits = fits || p.Word != "" && value == p.Word
	case KindInstant:
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			return badRange(p.Name, value, wantsInstant)
		}
	case KindSince:
		_, fits = readTime(value)
		fits = fits || value == p.Word || isCursor(value)
	case KindOrder:
		fits = p.orders(value)
	case KindID:
		_, fits = p.readID(value)
	case KindFormat:
		if value != "" && !slices.Contains(p.Accepted, value) {
			return &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: p.Name + " is " +
				strconv.Quote(value),
				Remedy: "accepted are " + strings.Join(p.Accepted, " and ")}
		}
	}
	if fits {
		return nil
	}
	return p.refuse(value, p.wants())
}

// isCursor tells whether a text may be a cursor: letters, digits, - and _, of which no date is made.
func isCursor(text string) bool {
	return len(text) <= longestCursor && len(text) > len("2026-11-21T14:00:00") &&
		strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

func (p Parameter) checkWords(value string) error {
	words := listed(value)
	if p.Strict {
		words = strings.Split(value, ",")
	}
	for _, word := range words {
		if !slices.Contains(p.Accepted, word) {
			if p.Strict {
				word = value
			}
			return p.refuse(word, p.wants())
		}
	}
	if len(words) == 0 {
		return p.refuse(value, p.wants())
	}
	return nil
}

// readID reads a comparison of an id.
func (p Parameter) readID(value string) (id string, ok bool) {
	m := oneID.FindStringSubmatch(value)
	if m == nil || !slices.Contains(p.Accepted, m[1]) || m[2] == "" {
		return "", false
	}
	return strings.ReplaceAll(m[2], "''", "'"), true
}

// oneID is a comparison of a property with a text of OData, in which a quote is written twice.
var oneID = regexp.MustCompile(`^\s*([A-Za-z]+)\s+eq\s+'((?:[^']|'')*)'\s*$`)

func (p Parameter) orders(value string) bool {
	words := strings.Fields(value)
	return len(words) > 0 && len(words) <= 2 && slices.Contains(p.Accepted, words[0]) &&
		(len(words) == 1 || words[1] == "asc" || words[1] == "desc")
}

// wants says what is accepted.
func (p Parameter) wants() string {
	words := strings.Join(p.Accepted, ", ")
	switch {
	case p.Wants != "":
		return p.Wants
	case p.Kind == KindInt:
		return fmt.Sprintf("a whole number from %d to %d", p.Least, p.Most)
	case p.Kind == KindWords:
		return "one or several of " + words + ", with commas between"
	case p.Kind == KindOrder:
		return "one of " + words + ", and asc or desc after it"
	case p.Kind == KindSince:
		return "nextCursor as an answer gave it, a date such as 2026-11-21, " +
			"or a time with its zone such as 2026-11-21T14:00:00Z (write + as %2B)"
	case p.Kind == KindTime:
		return "a date such as 2026-11-21, or a time such as 2026-11-21T14:00:00Z (write + as %2B)"
	}
	return "one of " + words
}

// longestShown bounds what a refusal repeats of a value.
const longestShown = 200

func (p Parameter) refuse(value, accepted string) error {
	if len(value) > longestShown {
		value = value[:longestShown] + "..."
	}
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query",
		Why:    fmt.Sprintf("%s is %q", p.Name, value),
		Remedy: "accepted is " + accepted}
}

package runs

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/importing"
)

// maxExamples bounds the refused entries that a summary names, and maxNames the names that it
// lists.
const (
	maxExamples = 10
	maxNames    = 100
)

// Reading is what was found in a file.
type Reading struct {
	Entries int64 `json:"entries"` // of any kind
	Records int64 `json:"records"` // that can be imported
	// of those: not byte for byte as they are in the file
	Converted int64                      `json:"converted,omitempty"`
	Refused   map[importing.Reason]int64 `json:"refused,omitempty"`
	Examples  []Example                  `json:"examples,omitempty"` // of the refused entries, the first ones
	LeftOut   map[string]int64           `json:"leftOut,omitempty"`  // columns without a place in Graph's record
	Cut       *CutAt                     `json:"cut,omitempty"`      // where a file that is not whole ends
}

// Example is a refused entry.
type Example struct {
	At     int64            `json:"at"`
	Reason importing.Reason `json:"reason"`
	Detail string           `json:"detail,omitempty"`
}

// CutAt is where a file that is not whole ends.
type CutAt struct {
	At   int64  `json:"at"`
	Unit string `json:"unit"`
	Why  string `json:"why"`
}

func (r *Reading) refuse(at int64, reason importing.Reason, detail string) {
	if r.Refused == nil {
		r.Refused = map[importing.Reason]int64{}
	}
	r.Refused[reason]++
	if len(r.Examples) < maxExamples {
		r.Examples = append(r.Examples, Example{at, reason, entra.Clip(detail, 200)})
	}
}

func (r *Reading) leftOut(name string) {
	if r.LeftOut == nil {
		r.LeftOut = map[string]int64{}
	}
	name = entra.Clip(name, 80)
	if _, ok := r.LeftOut[name]; ok || len(r.LeftOut) < maxNames {
		r.LeftOut[name]++
	}
}

// Month is what became of the records of one log and month.
type Month struct {
	Log     entra.Stream `json:"log"`
	Month   string       `json:"month"`
	Added   int64        `json:"added"`
	Present int64        `json:"present"`
	NotKept int64        `json:"notKept,omitempty"`
	Large   int64        `json:"tooLarge,omitempty"`
	Why     string       `json:"why,omitempty"` // of NotKept
}

// Summary is what became of a file.
type Summary struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256,omitempty"`
	Bytes  int64  `json:"bytes"`
	Reading
	Added   int64   `json:"added"`
	Present int64   `json:"present"` // there already, or more than once in the file
	Months  []Month `json:"months,omitempty"`
	Error   string  `json:"error,omitempty"` // why it was not imported, or not to its end
}

// count adds what became of some records of one hour.
func (s *Summary) count(d hourDone) {
	month := d.Hour.Format("2006-01")
	at, found := slices.BinarySearchFunc(s.Months, Month{Log: d.Stream, Month: month}, func(a, b Month) int {
		return strings.Compare(string(a.Log)+" "+a.Month, string(b.Log)+" "+b.Month)
	})
	if !found {
		s.Months = slices.Insert(s.Months, at, Month{Log: d.Stream, Month: month})
	}
	m := &s.Months[at]
	m.Added, m.Present = m.Added+int64(d.Added), m.Present+int64(d.Present)
	m.NotKept, m.Large = m.NotKept+int64(d.Refused), m.Large+int64(d.Large)
	if d.Why != "" {
		m.Why = d.Why
	}
	s.Added, s.Present = s.Added+int64(d.Added), s.Present+int64(d.Present)
	for reason, n := range map[importing.Reason]int{NotKept: d.Refused, TooLarge: d.Large} {
		if n == 0 {
			continue
		}
		if s.Refused == nil {
			s.Refused = map[importing.Reason]int64{}
		}
		s.Refused[reason] += int64(n)
	}
}

// Whole reports whether everything of the file is in the archive.
func (s Summary) Whole() bool { return len(s.Refused) == 0 && s.Cut == nil && s.Error == "" }

// Print writes the summary for people.
func (s Summary) Print(out io.Writer) {
	fmt.Fprintf(out, "%s: %d bytes, SHA-256 %s\n", s.File, s.Bytes, s.SHA256)
	if s.Error != "" {
		fmt.Fprintf(out, "  not imported: %s\n", s.Error)
	}
	fmt.Fprintf(out, "  %d entries, %d records (%d converted): %d added, %d present\n", s.Entries, s.Records,
		s.Converted,
		s.Added, s.Present)
	for _, m := range s.Months {
		fmt.Fprintf(out, "  %-28s %s: %d added, %d present", m.Log, m.Month, m.Added, m.Present)
		if m.NotKept > 0 {
			fmt.Fprintf(out, ", %d refused: %s", m.NotKept, m.Why)
		}
		if m.Large > 0 {
			fmt.Fprintf(out, ", %d too large to be stored whole", m.Large)
		}
		fmt.Fprintln(out)
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Refused)) {
		fmt.Fprintf(out, "  refused, %s: %d\n", reason, s.Refused[reason])
	}
	for _, e := range s.Examples {
		fmt.Fprintf(out, "    at %d: %s %s\n", e.At, e.Reason, e.Detail)
	}
	if len(s.LeftOut) > 0 {
		fmt.Fprintf(out, "  left out, as Graph's record has no place for them: %s\n",
			strings.Join(slices.Sorted(maps.Keys(s.LeftOut)), ", "))
	}
	if s.Cut != nil {
		fmt.Fprintf(out, "  NOT WHOLE: up to %s %d it is, and not after: %s\n", s.Cut.Unit, s.Cut.At, s.Cut.Why)
	}
}

// Totals are the sums over files.
type Totals struct {
	Files   int   `json:"files"`
	Failed  int   `json:"failed"`
	Records int64 `json:"records"`
	Added   int64 `json:"added"`
	Present int64 `json:"present"`
	Refused int64 `json:"refused"`
	Cut     int   `json:"cut"` // files that are not whole
}

// Sum sums up files.
func Sum(all []Summary) Totals {
	out := Totals{Files: len(all)}
	for _, s := range all {
		out.Records, out.Added, out.Present = out.Records+s.Records, out.Added+s.Added, out.Present+s.Present
		for _, n := range s.Refused {
			out.Refused += n
		}
		if s.Error != "" {
			out.Failed++
		}
		if s.Cut != nil {
			out.Cut++
		}
	}
	return out
}

func (t Totals) String() string {
	return fmt.Sprintf("%d files, %d records: %d added, %d present, %d entries refused; %d files not whole, %d failed",
		t.Files, t.Records, t.Added, t.Present, t.Refused, t.Cut, t.Failed)
}

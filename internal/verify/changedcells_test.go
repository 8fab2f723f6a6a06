package verify_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/verify"
)

// decidesNothing are the cells of which a change is not always named, with the reason. Each change
// that is not named has to be of one of them, and has to leave every answer as it was.
var decidesNothing = map[string]string{
	"hour.Passes": "how often the hour was read is history: nothing that is stored tells it; 1 or " +
		"more is asked for",
	"hour.FirstReadAt": "history: nothing but the coverage answer shows it",
	"hour.LastReadAt":  "history: that it is not before PassedAt and not after the last run is compared",
	"hour.PassedAt": "an earlier one has Graph asked once more; that it is not later than " +
		"LastReadAt is compared",
	"hour.ColumnSet": "a lower one has records compared more closely; that no row is of a " +
		"lower set is compared",
	"hour.SealedRevision": "none is of a version before that wrote the row again; of an hour that is settled " +
		"or purged State says the same",
	"hour.Enriched": "without it, it is what is missing from the sum, which is compared",
	"hour.Revision": "of an hour that was never sealed it says nothing",
	"hour.Sum": "of an hour that holds nothing, whose count says so, it may be absent; of " +
		"others it is named",
	"quarantine.Parts":  "a record of one row needs none",
	"quarantine.Reason": "words: why the bytes could not be filed",
	"quarantine.LastSeen": "history: from then on the retention of the bytes counts, which are " +
		"proved by their key",
	"quarantine!dropped.": "it excuses a count of the quarantine until the next run; without it the " +
		"count is compared",
	"index day.":            "the index is not asked of a day that it does not know",
	"index day.Check":       "a row without one is of a version before",
	"indexed.":              "the index is not asked then",
	"indexed.Check":         "a row without one is of a version before",
	"lease.Fence":           "the next holder's is one more, whatever it is",
	"lease.Holder":          "who had the stream last, for those who wait",
	"lease.Work":            "likewise",
	"lease.Seconds":         "a lease ends two minutes after its Timestamp at most, which the service sets",
	"progress.BackfilledAt": "history: it decides when the timer fails for a stream that stands still",
	"progress.SteppedAt":    "likewise",
	"progress.LastRunAt": "history, for the status; that no later one is told than a run can " +
		"have had is compared",
	"progress.LastSuccessAt": "likewise",
	"progress.EnrichedTo":    "an earlier one has Graph asked once more",
	"progress.FrontierBegin": "a later one has the hours before it read once more",
	"progress.Backfilled":    "an earlier one has the hours after it read once more",
	"progress.Passed": "an earlier one has Graph asked once more; a later one than the last run could " +
		"have reached is named",
	"progress.Heads":              "a lower one has the head written once more",
	"progress.Quarantined":        "every run counts what is in quarantine anew",
	"progress.Lateness":           "statistics of how late Graph showed records",
	"progress.Recounted":          "without it the next run makes all totalOf anew",
	"progress.Run":                "who wrote the row last",
	"progress.Stream":             "a version before wrote none",
	"progress.Tenant":             "each run compares it with the app's token, and fails where they differ",
	"progress.LostFrom":           "a wider span holds the same hours",
	"progress.LostTo":             "likewise",
	"progress.UnsealedFrom":       "likewise",
	"progress.UnsealedTo":         "likewise",
	"progress.ClockOffsetSeconds": "the clock of the last run's machine",
	"leaves.Dates":                "a bit of a compressed frame that changes nothing of what it holds",
	"leaves.Record":               "likewise",
	"signinsinteractive.Record":   "likewise",
	"directoryaudits.Record":      "likewise",
	"revision.Commit":             "only the run that wrote it looks at it, to know its own commit",
	"index.Check": "a row without one is of a version before, and its hours are " +
		"compared with the records",
}

// TestEveryChangedCellIsNamed: a random cell of a sealed archive is changed, deleted or given
// another type, or its row is deleted. verify names the place, or the cell decides nothing and
// every answer is the same as before.
func TestEveryChangedCellIsNamed(t *testing.T) {
	lab.InAt(t, lab.November.Add(5*time.Hour), func(l *lab.Lab) {
		restore := proven(l)
		sound := verifyAll(l, l.Store)
		require.Empty(l, sound.Findings)
		answers := answers(l, l.Store)
		random := rand.New(rand.NewPCG(14, 2026))
		f := &fuzzing{Lab: l, random: random, tables: append(filledTables(l), lab.CoverageTable, lab.CoverageTable),
			sound: sound, answers: answers}
		rounds := 1000
		if n, err := strconv.Atoi(os.Getenv("VERIFYFUZZ")); err == nil {
			rounds = n
		}
		for range rounds {
			restore()
			f.round()
		}
		restore()
		require.Greater(l, f.named, rounds/2)
		l.Logf("%d named, %d decide nothing: %v", f.named, rounds-f.named, f.quiet)
		require.Empty(l, f.missed, "%s", strings.Join(f.missed, "\n"))
	})
}

// filledTables are the tables that have a row.
func filledTables(l *lab.Lab) []string {
	return slices.DeleteFunc(l.Service.TableNames(), func(name string) bool { return len(l.Service.Rows(name)) == 0 })
}

type fuzzing struct {
	*lab.Lab
	random  *rand.Rand
	tables  []string
	sound   verify.Verification
	answers string
	named   int
	quiet   map[string]int
	missed  []string
}

// cellChange is what was done to a row.
type cellChange struct {
	table    string
	row      memstorage.Row
	column   string // empty: the row was deleted
	how      string
	from, to string
}

func (c cellChange) String() string {
	return fmt.Sprintf("%s %s %s: %s %s %.60s -> %.60s", c.table, c.row.Partition, c.row.Key, c.column, c.how, c.from,
		c.to)
}

func (f *fuzzing) round() {
	c := f.tamper()
	v := verifyAll(f.Lab, f.process2())
	place := ""
	for _, d := range v.Findings {
		if d.Difference.IsTampering() && c.names(d) {
			f.named++
			return
		}
		place = fmt.Sprint(d)
	}
	kind := c.kind()
	_, ok := decidesNothing[kind+"."+c.column]
	if kind == "views" { // a row of a view is believed by its check, or made again: internal/lastseen
		ok = true
	}
	if ok && answers(f.Lab, f.process2()) == f.answers &&
		fmt.Sprint(v.Findings) == fmt.Sprint(f.sound.Findings) && fmt.Sprint(v.Counts) == fmt.Sprint(f.sound.Counts) {
		if f.quiet == nil {
			f.quiet = make(map[string]int)
		}
		f.quiet[kind+"."+c.column]++
		return
	}
	f.missed = append(f.missed, kind+" "+c.String()+" | "+place)
}

// kind is the kind of the row.
func (c cellChange) kind() string {
	switch {
	case strings.HasPrefix(c.table, "index") && strings.HasPrefix(c.row.Key, "day!"):
		return "index day"
	case c.row.Key == "!dropped":
		return "quarantine!dropped"
	case c.table != lab.CoverageTable:
		return strings.TrimRight(c.table, "0123456789")
	case strings.HasPrefix(c.row.Key, "seal!"):
		return "seal"
	case strings.HasPrefix(c.row.Key, "revision!"):
		return "revision"
	case c.row.Key == "progress" || c.row.Key == "indexed" || strings.HasPrefix(c.row.Key, "lease"):
		return c.row.Key
	}
	return "hour"
}

// totalOf are the totals by which a change of a column of an hour shows.
var totalOf = map[string]string{"Revision": "Unsealed", "SealedRevision": "Unsealed", "Form": "Thin",
	"Doubt": "Doubts", "Reads": "Awaits", "State": "Windows"}

// names reports whether a finding is about the row that was changed.
func (c cellChange) names(d verify.Finding) bool {
	hour := c.row.Key[:min(len(c.row.Key), 13)]
	of := strings.HasPrefix(c.table, "signins") || strings.HasPrefix(c.table, "directoryaudits")
	switch {
	case of: // the row, or the hour if the row cannot be identified
		return strings.HasPrefix(c.row.Key, d.Row) || strings.HasPrefix(d.Row, strings.Split(c.row.Key, "!")[0]) ||
			d.Row == "" && d.Hour.Format(entra.HourFormat) == c.row.Partition
	case c.kind() == "hour":
		total := cmp.Or(totalOf[c.column], c.column)
		return d.Table == lab.CoverageTable && (d.Row == hour || d.Row == "progress" &&
			strings.Contains(d.Detail, total)) ||
			d.Hour.Format(entra.HourFormat) == hour
	case c.column == "Quarantined" && d.Table == "quarantine":
		return true
	case c.kind() == "progress", c.kind() == "lease", c.kind() == "indexed", c.kind() == "revision":
		return d.Table == lab.CoverageTable
	case c.kind() == "seal":
		return d.Table == lab.CoverageTable && d.Row == c.row.Key || d.Difference == verify.DiffLog
	}
	return d.Table == c.table
}

// process2 is a store of a process that has read nothing yet.
func (f *fuzzing) process2() interface {
	verify.Evidence
	records.Reader
} {
	store, _ := f.Process()
	return store
}

// tamper changes a random cell of a random row of a random table.
func (f *fuzzing) tamper() cellChange {
	table := f.tables[f.random.IntN(len(f.tables))]
	rows := f.Service.Rows(table)
	row := rows[f.random.IntN(len(rows))]
	if table == lab.CoverageTable { // most rows there are hours
		of := map[string][]memstorage.Row{}
		for _, r := range rows {
			k := cellChange{table: table, row: r}.kind()
			of[k] = append(of[k], r)
		}
		kinds := slices.Sorted(maps.Keys(of))
		row = of[kinds[f.random.IntN(len(kinds))]][0]
		if all := of[(cellChange{table: table, row: row}).kind()]; len(all) > 1 {
			row = all[f.random.IntN(len(all))]
		}
	}
	c := cellChange{table: table, row: row}
	e := get(f.Lab, table, row.Partition, row.Key)
	columns := e.Columns()
	if f.random.IntN(20) == 0 || len(columns) == 0 {
		drop(f.Lab, table, row.Partition, row.Key)
		c.how = "row dropped"
		return c
	}
	c.column = columns[f.random.IntN(len(columns))]
	c.from = string(e[c.column])
	switch n := f.random.IntN(10); {
	case n == 0:
		c.how = "removed"
		set(f.Lab, table, e.With(c.column, nil))
	case n == 1:
		c.how = "another type"
		set(f.Lab, table, f.otherType(e, c.column))
	default:
		c.how = "changed"
		changed := f.changed(e, c.column)
		for string(changed[c.column]) == c.from {
			changed = f.changed(e, c.column)
		}
		c.to = string(changed[c.column])
		set(f.Lab, table, changed)
	}
	return c
}

func (f *fuzzing) otherType(e lab.Entity, column string) lab.Entity {
	if text, ok := text(e, column); ok && text != "true" {
		return e.With(column, true)
	}
	return e.With(column, "text")
}

// changed is the row with another value of the same type.
func (f *fuzzing) changed(e lab.Entity, column string) lab.Entity {
	var edmType, text string
	_ = json.Unmarshal(e[column+"@odata.type"], &edmType)
	switch isText := json.Unmarshal(e[column], &text) == nil; {
	case edmType == "Edm.Int64":
		n, _ := strconv.ParseInt(text, 10, 64)
		return typed(e, column, edmType, strconv.FormatInt(n+[]int64{1, 2, 7, -1}[f.random.IntN(4)], 10))
	case edmType == "Edm.DateTime":
		at, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(f, err)
		by := []time.Duration{time.Hour, -time.Hour, -9 * time.Hour, 24 * time.Hour, 400 * lab.Days, -40 * lab.Days}
		return typed(e, column, edmType, at.Add(by[f.random.IntN(len(by))]).Format("2006-01-02T15:04:05.0000000Z"))
	case edmType == "Edm.Binary":
		data, err := base64.StdEncoding.DecodeString(text)
		require.NoError(f, err)
		data = slices.Clone(data)
		data[f.random.IntN(len(data))] ^= 1 << f.random.IntN(8)
		return typed(e, column, edmType, base64.StdEncoding.EncodeToString(data))
	case edmType == "Edm.Guid":
		return typed(e, column, edmType, strings.Map(func(r rune) rune {
			if r == '1' {
				return '2'
			}
			return r
		}, "1"+text[1:]))
	case isText:
		at := f.random.IntN(len(text) + 1)
		return e.With(column, text[:at]+string(rune('a'+f.random.IntN(26)))+text[min(at+f.random.IntN(2), len(text)):])
	case string(e[column]) == "true":
		return e.With(column, false)
	}
	n, err := strconv.Atoi(string(e[column]))
	require.NoError(f, err, "%s", column)
	return e.With(column, n+1+f.random.IntN(3))
}

package tables

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// TestEveryColumnOfTheLedgerIsOfAKnownKind: of all that is read of a row, the filled value that the
// kinds are made of has the column.
func TestEveryColumnOfTheLedgerIsOfAKnownKind(t *testing.T) {
	for _, c := range []struct {
		kinds rows.Kinds
		row   any
	}{{coverageKinds, coverageRow{}}, {progressKinds, progressRow{}}, {sealKinds, sealRow{}}, {leaseKinds,
		leaseRow{}}} {
		for field := range reflect.TypeOf(c.row).Fields() {
			if name := field.Name; name != "RowKey" && name != "Timestamp" {
				require.Contains(t, c.kinds, name)
			}
		}
	}
}

// TestEveryColumnHasItsPlaceInTheTableOfProofs: docs/proof.md says of each column whether it is
// proved, recomputed or derived, or decides nothing.
func TestEveryColumnHasItsPlaceInTheTableOfProofs(t *testing.T) {
	body, err := os.ReadFile("../../docs/proof.md")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(body), "<!-- columns -->")
	require.True(t, found)
	text, _, _ = strings.Cut(text, "<!-- end of columns -->")
	documented := make(map[string]map[string]bool)
	for _, line := range strings.Split(text, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.Contains(cells[2], "`") {
			continue
		}
		require.Regexp(t, `^(proved|recomputed|derived|decides nothing)`, strings.TrimSpace(cells[3]), "%s", line)
		table := strings.TrimSpace(cells[1])
		if documented[table] == nil {
			documented[table] = make(map[string]bool)
		}
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
			documented[table][name[1]] = true
		}
	}
	records := make(map[string]bool)
	for _, name := range []string{"Record", "Codec", "Hash", "FirstSeen", "Superseded", "Came", "Spells", "Id",
		"Parts", "Origin"} {
		records[name] = true
	}
	for _, s := range logs.Streams() {
		for _, c := range logs.Of(s).Columns {
			require.Contains(t, text, "the promoted columns", "%s", c.Name)
		}
	}
	list := slices.DeleteFunc(slices.Collect(maps.Keys(listKinds)),
		func(name string) bool { return strings.HasPrefix(name, "Record") && name != "Record" })
	for table, want := range map[string][]string{
		"coverage, hours":        slices.Collect(maps.Keys(coverageKinds)),
		"coverage, `progress`":   slices.Collect(maps.Keys(progressKinds)),
		"coverage, `lease`":      slices.Collect(maps.Keys(leaseKinds)),
		"coverage, `lease!wish`": slices.Collect(maps.Keys(requestKinds)),
		"coverage, `revision!`":  slices.Collect(maps.Keys(revisionKinds)),
		"coverage, `seal!`":      slices.Collect(maps.Keys(sealKinds)),
		"leaves":                 list, "records": slices.Collect(maps.Keys(records)),
	} {
		for _, name := range want {
			require.True(t, documented[table][name], "docs/proof.md has no line for column %s of %s", name, table)
		}
		for name := range documented[table] {
			require.Contains(t, want, name, "docs/proof.md has a column of %s that nobody writes", table)
		}
	}
}

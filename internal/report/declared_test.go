package report_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/report"
	"github.com/entraledger/entraledger/internal/search"
)

func TestEveryReportIsDeclaredWhole(t *testing.T) {
	names := map[string]bool{}
	for _, r := range report.All() {
		t.Run(r.Name, func(t *testing.T) {
			require.Regexp(t, `^[A-Za-z0-9-]+$`, r.Name)
			require.False(t, names[strings.ToLower(r.Name)], "its name is another's, too")
			names[strings.ToLower(r.Name)] = true
			require.NotEqual(t, "legacy", strings.ToLower(r.Name), "that is the list's")
			require.NotEmpty(t, r.Text)
			require.NotEmpty(t, r.Source)
			require.False(t, strings.HasSuffix(r.Text, "."))

			ways := 0
			for _, is := range []bool{r.Each != nil, r.Daily != nil, r.Whole != nil, r.Snapshots != nil, r.Gone != "",
				r.Unknown != "", r.NoData != "" && len(r.From) == 0} {
				if is {
					ways++
				}
			}
			require.Equal(t, 1, ways, "it is made in one way, or says why it is not")
			require.Equal(t, r.Discloses != nil || r.Withheld != "", r.Withheld != "")

			columns := map[string]bool{}
			for _, c := range r.Columns {
				require.False(t, columns[c.Name], c.Name)
				columns[c.Name] = true
				require.NotEmpty(t, c.Text, c.Name)
			}
			if r.Each != nil {
				require.True(t, columns["id"] && columns["eventTime"], "an altered record is a row with both")
			}
			streams := map[entra.Stream]bool{}
			for _, f := range append(append([]report.From{}, r.From...), r.Merges...) {
				require.False(t, streams[f.Stream], "%s is read twice", f.Stream)
				streams[f.Stream] = true
				shape, err := odata.ShapeOf(f.Stream)
				require.NoError(t, err)
				_, err = search.New(f.Stream, shape, f.Filter)
				require.NoError(t, err)
			}
		})
	}
	require.Len(t, report.Legacy(), 32)
	require.Equal(t, "auditEvents", report.Find("AUDITevents", true).Name)
	require.Nil(t, report.Find("auditEvent", true))
}

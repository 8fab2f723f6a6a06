package logs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
)

func TestStreamsAreKnownByTheirExactNames(t *testing.T) {
	for _, s := range logs.Streams() {
		got, err := logs.Parse(string(s))
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
	_, err := logs.Parse("signins.interactiveuser")
	require.ErrorContains(t, err, "signIns.interactiveUser")
	require.NotContains(t, logs.DefaultStreams(), logs.CustomSecurityAttributeAudits)
}

// TestWhatIsStoredForEverKeepsItsName: names of streams and tables are part of every archive.
func TestWhatIsStoredForEverKeepsItsName(t *testing.T) {
	got := map[entra.Stream]string{}
	for _, l := range logs.All() {
		got[l.Stream] = l.Table
	}
	require.Equal(t, map[entra.Stream]string{
		"directoryAudits": "directoryaudits", "signIns.interactiveUser": "signinsinteractive",
		"signIns.nonInteractiveUser": "signinsnoninteractive",
		"signIns.servicePrincipal":   "signinsserviceprincipal", "signIns.managedIdentity": "signinsmanagedidentity",
		"provisioning": "provisioning", "customSecurityAttributeAudits": "customsecurityattributeaudits",
		"identityManager": "identitymanager",
	}, got)
}

func TestADescriptionIsWhole(t *testing.T) {
	tables, types, unfiltered := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, l := range logs.All() {
		t.Run(string(l.Stream), func(t *testing.T) {
			require.NotEmpty(t, l.Title)
			require.Equal(t, l.Delivered, l.Permission == "")
			require.Equal(t, l.Delivered, len(l.Forms) == 0)
			require.False(t, l.Delivered && !l.OptIn, "nobody collects it")
			require.Subset(t, []string{entra.FormBeta, entra.FormV1}, l.Forms)
			if !l.Delivered {
				require.Equal(t, l.Forms[0], l.Form())
			}
			require.Regexp(t, regexp.MustCompile(`^[a-z]{3,40}$`), l.Table)
			require.False(t, tables[l.Table], "a table of another log")
			tables[l.Table] = true
			require.Equal(t, l.Collection == "signIns", l.EventType != "")
			require.False(t, l.EventType != "" && types[l.EventType])
			types[l.EventType] = true
			if l.Unfiltered {
				require.False(t, unfiltered[l.Collection], "another log is what the collection gives without a filter")
				unfiltered[l.Collection] = true
			}
			shape, err := odata.ShapeOf(l.Stream)
			require.NoError(t, err)
			require.Equal(t, odata.KindTime, shape.Fields[l.TimeProperty].Kind)
			columns := map[string]bool{}
			for _, c := range l.Columns {
				top, _, _ := strings.Cut(c.Path, "/")
				require.Contains(t, shape.Fields, top)
				require.Regexp(t, regexp.MustCompile(`^[A-Z][A-Za-z]+$`), c.Name)
				require.False(t, columns[c.Name])
				columns[c.Name] = true
			}
			require.NotEmpty(t, l.IndexedColumns())
		})
	}
	for _, l := range logs.All() {
		require.True(t, unfiltered[l.Collection], "GET /auditLogs/%s has no log without a filter", l.Collection)
	}
}

func TestAnUnknownStreamIsNotConfusedWithAnother(t *testing.T) {
	const unknown entra.Stream = "auditlogs"
	require.Equal(t, &logs.Log{Stream: unknown, Source: logs.MicrosoftGraph()}, logs.Of(unknown))
	_, err := logs.ParseRecord(unknown, []byte(`{"id":"a","activityDateTime":"2026-11-21T00:00:00Z","createdDateTime":"2026-11-21T00:00:00Z"}`))
	require.ErrorIs(t, err, entra.ErrNoTime)
	_, err = odata.ShapeOf(unknown)
	require.ErrorContains(t, err, "no such log")
}

func TestOfTwoFormsThePoorerOneCounts(t *testing.T) {
	log := logs.Of(logs.SignInsInteractiveUser)
	require.Equal(t, entra.FormV1, log.Poorer(entra.FormBeta, entra.FormV1))
	require.Equal(t, entra.FormV1, log.Poorer(entra.FormV1, entra.FormBeta))
	require.Equal(t, entra.FormBeta, log.Poorer(entra.FormBeta, entra.FormBeta))
	require.Equal(t, "v0.9", log.Poorer(entra.FormV1, "v0.9"), "what nobody knows is poorer than all")
	require.Equal(t, "v0.9", log.Poorer("v0.9", entra.FormV1))
}

func TestEveryLogSaysWhereItComesFromAndWhatIsPromisedOfIt(t *testing.T) {
	for _, l := range logs.All() {
		require.NotEmpty(t, l.Source.Name, l.Stream)
		require.NotEmpty(t, l.Source.Title, l.Stream)
		require.Equal(t, !l.Delivered, l.Source.Lag > 0, l.Stream)
		require.Positive(t, l.Source.KeepsLeast, l.Stream)
		require.GreaterOrEqual(t, l.Source.KeepsMost, l.Source.KeepsLeast, l.Stream)
	}
}

package export_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/export"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestFilesHaveThePortalsNames: programs that read the portal's files tell them by these names, some
// with regard to case. Former names are asked for by callers for ever.
func TestFilesHaveThePortalsNames(t *testing.T) {
	var names []string
	for _, f := range export.Files() {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{
		"AuditLogs",
		"InteractiveSignIns", "InteractiveSignIns_AuthDetails", "InteractiveSignIns_ConditionalAccess",
		"NonInteractiveSignIns", "NonInteractiveSignIns_AuthDetails", "NonInteractiveSignIns_ConditionalAccess",
		"ApplicationSignIns", "ApplicationSignIns_ConditionalAccess",
		"MSISignIns", "MSISignIns_ConditionalAccess",
		"ProvisioningLogs", "ProvisioningLogs_ProvisioningSteps", "ProvisioningLogs_ModifiedProperties",
		"IdentityManagerRequests", // ours
	}, names)
	for asked, want := range map[string]string{
		"InteractiveSignIns":                 "InteractiveSignIns",
		"InteractiveSignins":                 "InteractiveSignIns",
		"interactivesignins_authdetails":     "InteractiveSignIns_AuthDetails",
		"InteractiveSignInsAuthDetails":      "InteractiveSignIns_AuthDetails",
		"noninteractivesigninsAuthDetails":   "NonInteractiveSignIns_AuthDetails",
		"ProvisioningLogs_Steps":             "ProvisioningLogs_ProvisioningSteps",
		"provisioninglogs_provisioningsteps": "ProvisioningLogs_ProvisioningSteps",
		"MSISignins_ConditionalAccess":       "MSISignIns_ConditionalAccess",
	} {
		f, ok := export.Find(asked)
		require.True(t, ok, asked)
		require.Equal(t, want, f.Name, asked)
	}
	for _, asked := range []string{"", "Steps", "InteractiveSignIns_", "SignIns", "InteractiveSignIns.csv"} {
		_, ok := export.Find(asked)
		require.False(t, ok, asked)
	}
}

func TestNoNameIsThatOfTwoFiles(t *testing.T) {
	for _, f := range export.Files() {
		for _, name := range append([]string{f.Name}, f.Former...) {
			got, ok := export.Find(name)
			require.True(t, ok)
			require.Equal(t, f.Name, got.Name, name)
		}
	}
}

func TestAFileNameHasTheFirstDayAndTheLast(t *testing.T) {
	f := export.File{Stream: logs.Provisioning, File: logs.File{Name: "ProvisioningLogs_ProvisioningSteps"}}
	for _, c := range []struct{ from, to, want string }{
		{"2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-10-01_2026-10-31"},
		{"2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", "2026-10-01_2026-10-01"},
		{"2026-10-01T23:00:00Z", "2026-10-02T00:00:00.0000001Z", "2026-10-01_2026-10-02"},
		{"2026-10-02T01:00:00+02:00", "2026-10-03T01:00:00+02:00", "2026-10-01_2026-10-02"},
		{"2026-10-02T00:00:00Z", "2026-10-02T00:00:00Z", "2026-10-02_2026-10-02"},
	} {
		from, err := time.Parse(time.RFC3339, c.from)
		require.NoError(t, err)
		to, err := time.Parse(time.RFC3339, c.to)
		require.NoError(t, err)
		require.Equal(t, "ProvisioningLogs_ProvisioningSteps_"+c.want+".csv", f.FileName(from, to, "csv"))
	}
}

// TestEachPolicyOfASignInIsARow: also those that only report, and those that a poorer form has.
func TestEachPolicyOfASignInIsARow(t *testing.T) {
	f, ok := export.Find("InteractiveSignIns_ConditionalAccess")
	require.True(t, ok)
	for name, c := range map[string]struct {
		policies string
		want     [][]string // policy, result, grant controls, conditions that are not satisfied, rules
	}{
		"no property": {"", nil},
		"null":        {`,"appliedConditionalAccessPolicies":null`, nil},
		"none":        {`,"appliedConditionalAccessPolicies":[]`, nil},
		"enforced": {policies(`{"id":"p","displayName":"A","result":"failure","enforcedGrantControls":["Mfa","Block"]}`),
			[][]string{{"A", "failure", "Mfa, Block", "", ""}}},
		"v1.0's": {policies(`{"displayName":"A","result":"notApplied","enforcedGrantControls":[]}`),
			[][]string{{"A", "notApplied", "", "", ""}}},
		"beta's": {policies(`{"displayName":"A","result":"reportOnlyFailure","conditionsNotSatisfied":"location",` +
			`"includeRulesSatisfied":[{"ruleSatisfied":"allUsers"}]}`),
			[][]string{{"A", "reportOnlyFailure", "", "location", `{"ruleSatisfied":"allUsers"}`}}},
		"nulls": {policies(`{"displayName":null,"result":null,"enforcedGrantControls":null}`),
			[][]string{{"", "", "", "", ""}}},
		"several": {policies(`{"displayName":"A","result":"success"},{"displayName":"B","result":"reportOnlySuccess"},` +
			`{"displayName":"C","result":"reportOnlyInterrupted"},{"displayName":"D","result":"notEnabled"}`),
			[][]string{{"A", "success", "", "", ""}, {"B", "reportOnlySuccess", "", "", ""},
				{"C", "reportOnlyInterrupted", "", "", ""}, {"D", "notEnabled", "", "", ""}}},
		"a result to come": {policies(`{"displayName":"A","result":"unknownFutureValue"}`),
			[][]string{{"A", "unknownFutureValue", "", "", ""}}},
	} {
		var got [][]string
		record := `{"id":"s","createdDateTime":"2026-11-21T10:00:00Z"` + c.policies + `}`
		require.NoError(t, f.Rows(gjson.Parse(record), func(cells []string) error {
			require.Equal(t, []string{"s", "2026-11-21T10:00:00Z"}, cells[:2], name)
			got = append(got, []string{cells[3], cells[4], cells[5], cells[11], cells[12]})
			return nil
		}))
		require.Equal(t, c.want, got, name)
	}
}

func policies(list string) string { return `,"appliedConditionalAccessPolicies":[` + list + `]` }

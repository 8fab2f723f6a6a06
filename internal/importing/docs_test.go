package importing

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/logs"
)

// TestTheDocumentationNamesEveryRule that changes what a file has.
func TestTheDocumentationNamesEveryRule(t *testing.T) {
	body, err := os.ReadFile("../../docs/import.md")
	require.NoError(t, err)
	page := string(body)
	names := []string{noise, "userType", "conditionsSatisfied", "conditionsNotSatisfied", "/Date("}
	for name, s := range categories() {
		if name != "AADProvisioningLogs" { // its rows have no time of the activity
			names = append(names, "`"+name+"`")
		}
		for column, property := range columnsOf(s) {
			if property != "" && property != "category" {
				names = append(names, "`"+column+"`", "`"+property+"`")
			}
		}
	}
	for i, name := range conditions() {
		names = append(names, []string{"1", "2", "4", "8", "16"}[i]+" `"+name+"`")
	}
	for _, r := range rulesOf(logs.Provisioning) {
		names = append(names, "`"+r.To+"`")
	}
	for _, f := range Formats() {
		names = append(names, "`"+string(f)+"`")
	}
	for _, r := range []Reason{NotJSON, TooLong, UnknownShape, OtherFormat, UnknownLog, NoID, NoTime} {
		names = append(names, "`"+string(r)+"`")
	}
	for _, name := range names {
		require.Contains(t, page, name)
	}
}

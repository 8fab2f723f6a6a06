package reference_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/reference"
)

func TestMicrosoftsApplicationsAreEachThereOnce(t *testing.T) {
	guid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	owners := []string{"", "f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72f988bf-86f1-41af-91ab-2d7cd011db47",
		"cdc5aeea-15c5-4db6-b079-fcadd2505dc2"}
	seen := make(map[string]bool)
	for _, a := range reference.Applications() {
		require.Regexp(t, guid, a.AppID)
		require.False(t, seen[a.AppID], a.AppID)
		seen[a.AppID] = true
		require.Contains(t, owners, a.OwnerTenantID, a.AppID)
		require.Contains(t, []string{"graph", "learn"}, a.NameSource)
		if a.NameSource == "graph" {
			require.NotEmpty(t, a.OwnerTenantID, "Graph said so")
		}
		require.NotContains(t, a.Name, "Community", "only what Microsoft says")
	}
	for _, id := range []string{"00000003-0000-0000-c000-000000000000", "00000002-0000-0ff1-ce00-000000000000",
		"00000002-0000-0000-c000-000000000000", "98db8bd6-0cc0-4e67-9de5-f187f1cd1b41"} {
		require.True(t, seen[id], id)
	}
}

func TestProvisioningCodesAreEachThereOnce(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range reference.ProvisioningErrorCodes() {
		require.Regexp(t, `^[A-Z][A-Za-z0-9]+$`, c.Code)
		require.False(t, seen[c.Code], c.Code)
		seen[c.Code] = true
	}
	for _, code := range []string{"Conflict", "EntryConflict", "DuplicateTargetEntries", "AzureActiveDirectoryForbidden"} {
		require.True(t, seen[code], code)
	}
}

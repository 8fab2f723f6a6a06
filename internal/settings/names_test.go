package settings_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/settings"
)

// check looks at names as they are in an environment that tells cases apart.
func check(names ...string) ([]string, error) {
	environ := []string{"PATH=/usr/bin", "HTTP_PROXY=http://127.0.0.1:3128", "AZURE_CLOUD=AzureCloud", "=C:=x"}
	for _, name := range names {
		environ = append(environ, name+"=x")
	}
	return settings.CheckNames(environ, func(name string) string {
		for _, variable := range environ {
			if value, ok := strings.CutPrefix(variable, name+"="); ok {
				return value
			}
		}
		return ""
	})
}

func TestANameWithinTwoLettersOfASettingStopsTheStartWithTheRightOne(t *testing.T) {
	for name, meant := range map[string]string{
		"ARCHIVE_HOLDS":                    "ARCHIVE_HOLD",
		"ARCHIVE_RETENTON":                 "ARCHIVE_RETENTION",
		"ARCHIVE_RETENTOIN":                "ARCHIVE_RETENTION", // two letters swapped are one
		"RACHIVE_HLOD":                     "ARCHIVE_HOLD",      // and twice are two
		"ARCHIVE_STREMS":                   "ARCHIVE_STREAMS",
		"ARCHIVE-HOLD":                     "ARCHIVE_HOLD",
		"archive_hold":                     "ARCHIVE_HOLD",
		"Archive_Holds":                    "ARCHIVE_HOLD",
		"ARCHIVEHOLD":                      "ARCHIVE_HOLD",
		"ARCHIVE_STORAGE_tableServiceUri":  "ARCHIVE_STORAGE__tableServiceUri",
		"ARCHIVE_STORAGE__tableserviceurl": "ARCHIVE_STORAGE__tableServiceUri",
		"ARCHIVE_SCHEDULES":                "ARCHIVE_SCHEDULE",
		"SNAPSHOT_GROUP":                   "SNAPSHOT_GROUPS",
		"HTTP_AUTHORISATION":               "HTTP_AUTHORIZATION",
		"HTTP_ATTRIBUTES_AUDIT":            "HTTP_ATTRIBUTE_AUDITS",
		"GRAPH_REQUESTS_PER_10":            "GRAPH_REQUESTS_PER_10S",
		"PUBLIC_BASE_URI":                  "PUBLIC_BASE_URL",
		"AZURE_CLOUDS":                     "AZURE_CLOUD",
	} {
		unknown, err := check(name)
		require.ErrorContains(t, err, "setting "+name+" ", name)
		require.ErrorContains(t, err, " "+meant+";", name)
		require.NotContains(t, err.Error(), "\n", name)
		require.Empty(t, unknown, name)
	}
	_, err := check("ARCHIVE_HOLDS", "ARCHIVE_RETENTON", "ARCHIVE_NEW")
	require.Len(t, strings.Split(err.Error(), "\n"), 2, "every one is named at once")
}

func TestAnyOtherUnknownSettingOfOursOnlyWarns(t *testing.T) {
	unknown, err := check("SNAPSHOT_GRACE_AFTER_RESTORE", "ARCHIVE_RETENXXXON", "ARCHIVE_STORAGE__blobServiceUri",
		"PURGE_DRY_RUN", "INDEX_DAYS", "GRAPH_TIMEOUT", "ARCHIVE_")
	require.NoError(t, err)
	require.Equal(t, []string{"ARCHIVE_", "ARCHIVE_RETENXXXON", "ARCHIVE_STORAGE__blobServiceUri", "GRAPH_TIMEOUT",
		"INDEX_DAYS", "PURGE_DRY_RUN", "SNAPSHOT_GRACE_AFTER_RESTORE"}, unknown)
}

func TestWhatIsNoSettingOfOursIsNobodysBusiness(t *testing.T) {
	unknown, err := check("APPSETTING_ARCHIVE_HOLDS", "HTTPS_PROXY", "HTTP_HOST", "HTTP_PLATFORM_PORT",
		"HTTP_PROXY_USER",
		"AZURE_CLIENT_ID", "AZURE_TENANT_ID",
		"AzureWebJobsStorage__accountName", "FUNCTIONS_WORKER_RUNTIME", "WEBSITE_AUTH_ENABLED", "IDENTITY_ENDPOINT",
		"A", "")
	require.NoError(t, err)
	require.Empty(t, unknown)
}

func TestAPlatformThatDoesNotTellCasesApartReadsTheSetting(t *testing.T) {
	unknown, err := settings.CheckNames([]string{"Archive_Hold=x"}, func(name string) string {
		return map[string]string{"ARCHIVE_HOLD": "x"}[strings.ToUpper(name)]
	})
	require.NoError(t, err)
	require.Empty(t, unknown)
}

// TestEverySettingIsReadAndNoneIsAlmostAnother: a newer release's must not stop an older one.
func TestEverySettingIsReadAndNoneIsAlmostAnother(t *testing.T) {
	for _, all := range [][]settings.Setting{settings.All(), settings.Schedules(), settings.Platform()} {
		for _, s := range all {
			unknown, err := check(s.Name)
			require.NoError(t, err, s.Name)
			require.Empty(t, unknown, s.Name)
			if s.Name == "AZURE_CLIENT_ID" || strings.HasPrefix(s.Name, "IDENTITY_") ||
				s.Name == "WEBSITE_AUTH_ENABLED" {
				continue
			}
			var others []string
			for _, o := range append(settings.All(), settings.Schedules()...) {
				if o.Name != s.Name {
					others = append(others, o.Name)
				}
			}
			require.Greater(t, settings.Letters(s.Name, others), 2, s.Name)
		}
	}
}

func TestAnUnknownNameWithThePrefixOfAnySettingWarns(t *testing.T) {
	for _, name := range []string{"INACTIVE_GRACE", "INACTIVE_GRACE_DAYS", "INACTIVE_GRACE_AFTER_ENABLE", "PUBLIC_URL",
		"HTTP_AUTH", "HTTP_ALLOWED_ORIGINS"} {
		unknown, err := check(name)
		require.NoError(t, err, name)
		require.Equal(t, []string{name}, unknown, name)
	}
}

// What Azure and its SDKs set stops no start.
func TestSettingsOfThePlatformStopNothing(t *testing.T) {
	_, err := check("AzureWebJobsStorage", "AzureWebJobsStorage__accountName", "FUNCTIONS_EXTENSION_VERSION",
		"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_HTTPWORKER_PORT", "FUNCTIONS_CUSTOMHANDLER_WORKER_ID",
		"FUNCTIONS_CUSTOMHANDLER_REQUEST_ID", "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_AUTH_ENABLED",
		"WEBSITE_AUTH_ENCRYPTION_KEY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "HTTP_PLATFORM_PORT", "AZURE_CLIENT_ID",
		"AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_AUTHORITY_HOST", "IDENTITY_ENDPOINT", "IDENTITY_HEADER",
		"MSI_ENDPOINT", "PORT", "APPSETTING_ARCHIVE_HOLD", "CUSTOMCONNSTR_ARCHIVE_STORAGE", "PUBLIC_URL",
		"AZURE_CLOUD_NAME",
		"ASPNETCORE_URLS", "GRAPH_ENDPOINT__x", "WEBSITE_TIME_ZONE", "APPLICATIONINSIGHTS_CONNECTION_STRING",
		"SCALE_CONTROLLER_LOGGING_ENABLED", "ARCHIVE_STORAGE__credential", "ARCHIVE_STORAGE__clientId",
		"ARCHIVE_STORAGE__queueServiceUri", "AzureWebJobs.archivelogs.Disabled", "AzureFunctionsJobHost__logging__x")
	require.NoError(t, err)
}

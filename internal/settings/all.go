package settings

import (
	"strings"

	"github.com/entraledger/entraledger/internal/logs"
)

// Setting describes one setting for people. docs/settings.md is made of them.
type Setting struct {
	Name    string
	Meaning string
	Accepts string
	Default string // as text; empty: none
	Secret  bool   // its value is never shown
	Without string // what holds where it is not set, where Default does not say it
	read    func(*Settings, string) error
}

// All describes every setting that the handler reads, in the order in which a person would meet
// them.
func All() []Setting { return append(ofArchive(), ofSurroundings()...) }

// ofArchive are the settings of what is stored and when, and for how long.
func ofArchive() []Setting {
	return []Setting{
		{Name: "ARCHIVE_STORAGE__tableServiceUri",
			Meaning: "Table endpoint of the archive's storage account, used with the managed identity",
			Accepts: "https://<account>.table.core.windows.net", read: readStorageURI},
		{Name: "ARCHIVE_STORAGE", Meaning: "instead: a connection string, for Azurite and tests",
			Accepts: "UseDevelopmentStorage=true, or AccountName=...;AccountKey=...;...", Secret: true,
			read: func(s *Settings, v string) error { s.StorageConnection = v; return nil }},
		{Name: "ARCHIVE_STORAGE__clientId", Meaning: "client id of a user-assigned identity for the storage account",
			Accepts: "a client id", Without: "the app's identity",
			read: func(s *Settings, v string) error { s.StorageClientID = v; return nil }},
		{Name: "ARCHIVE_STREAMS", Meaning: "which streams are collected. One that is taken out stays " +
			"readable, verifiable " +
			"and under retention",
			Accepts: "with commas between: " + names(logs.Streams()),
			Default: names(logs.DefaultStreams()), read: readStreams},
		{Name: "ARCHIVE_BACKFILL", Meaning: "how far back the first run reaches; later changes of it change nothing",
			Accepts: "0 to 7300d, as 30d or 36h", Default: "30d", read: readBackfill},
		{Name: "ARCHIVE_PASSES", Meaning: "ages at which every hour is read again, for what Graph shows " +
			"late or changes; " +
			"after the last one the hour is settled. " +
			"Where the tenant keeps its logs for 7 days, the last is made at 6",
			Accepts: "up to 8 lengths of time from 1h to 29d with commas between, each longer than the one before",
			Default: "3h,24h,7d", read: readPasses},
		{Name: "ARCHIVE_RETENTION", Meaning: "how long the archive keeps a month before `purgearchive` drops it; for " +
			"single streams behind it",
			Accepts: "forever, or 35d to 36500d; then, with commas between, <stream>=<the same>: " +
				"forever,signIns.nonInteractiveUser=400d",
			Default: "forever", read: readRetention},
		{Name: "ARCHIVE_HOLD", Meaning: "legal hold: what is never dropped, whatever `ARCHIVE_RETENTION` says",
			Accepts: "<stream or *>=<first day>/<last day>, with commas between: *=2026-01-01/2026-03-31",
			read:    readHolds},
		{Name: "ARCHIVE_ALERT_AFTER", Meaning: "how far behind the archive may be before the timer's " +
			"invocation fails, so " +
			"that an alert on failed invocations fires. " +
			"Likewise how long the directory snapshot in work may make no step, and, beyond 24 hours, how " +
			"long there may be " +
			"no whole one",
			Accepts: "30m to 30d", Default: "3h", read: readAlertAfter},
		{Name: "ARCHIVE_RUN_BUDGET", Meaning: "how long one run asks Graph for pages; keep it well below " +
			"`functionTimeout` " +
			"in `host.json`",
			Accepts: "10s to 20m, as 8m", Default: "8m", read: readBudget},
		{Name: "SNAPSHOT_GROUPS", Meaning: "groups whose members (of nested groups, too) are noted with " +
			"each snapshot, so " +
			"that `exclude=` can leave them out: break-glass and service accounts",
			Accepts: "up to 20 object ids with commas between", read: readGroups},
		{Name: "INACTIVE_GRACE_AFTER_RESTORE", Meaning: "for how long a user counts as active after being restored " +
			"or enabled, as the audits in the archive say; 0: not at all",
			Accepts: "0, or 1d to 90d", Default: "14d", read: readGrace},
	}
}

// ofSurroundings are the settings of what the app talks to, and who talks to it.
func ofSurroundings() []Setting {
	return []Setting{
		{Name: "AZURE_CLOUD", Meaning: "which of Microsoft's clouds; decides the Graph endpoint, the " +
			"token's scope and the " +
			"sign-in authority",
			Accepts: "AzureCloud, AzureUSGovernment, AzureChinaCloud", Default: "AzureCloud", read: readCloud},
		{Name: "GRAPH_ENDPOINT", Meaning: "address of Microsoft Graph, where `AZURE_CLOUD` does not say it: " +
			"https://dod-graph.microsoft.us for a DoD tenant. " +
			"The token is asked for this address, if it is one of Microsoft's",
			Accepts: "https://<host>, or http://127.0.0.1:<port>", Without: "by `AZURE_CLOUD`", read: readEndpoint},
		{Name: "GRAPH_REQUESTS_PER_10S",
			Meaning: "this app's shares of Graph's ceiling of 5 reporting requests in 10 seconds: archive, " +
				"directory snapshot",
			Accepts: "two whole numbers of at least 1", Default: "4,1", read: readShares},
		{Name: "HTTP_AUTHORIZATION", Meaning: "what callers of HTTP functions need beside a function " +
			"key: nothing, or " +
			"(where `infra/` put Microsoft Entra authentication in front) a token with an app role, " +
			"`Ledger.Read` to ask, `Ledger.Operate` to make the app work", Accepts: "key, entra", Default: "key",
			read: readAuthorization},
		{Name: "HTTP_ATTRIBUTE_AUDITS", Meaning: "whether a function key alone opens the audits of custom " +
			"security attributes (`customSecurityAttributeAudits`), which Microsoft keeps apart from all other " +
			"logs. With `HTTP_AUTHORIZATION=entra` it changes nothing: they take the app role " +
			"`Ledger.ReadAttributes`, beside `Ledger.Read` or `Ledger.Operate`",
			Accepts: "deny, allow", Default: "deny", read: readAttributeAudits},
		{Name: partsKey, Meaning: "encrypts parts of Identity Manager's requests while they wait for the others: a " +
			"phone number may begin in one and end in the next. Without it, parts are refused, and whole requests " +
			"are taken. Have it as a reference to a secret in Key Vault ([how](mim.md#the-key-for-parts))",
			Accepts: "32 random bytes in base64", Without: "parts are refused", Secret: true, read: readPartsKey},
		{Name: "PUBLIC_BASE_URL", Meaning: "base of absolute links in answers, where the forwarded host is not it",
			Accepts: "https://<host>", Without: "from `X-Forwarded-Host`", read: readBaseURL},
		{Name: "FUNCTIONS_CUSTOMHANDLER_PORT", Meaning: "port to listen on, on 127.0.0.1; the Functions host sets it",
			Accepts: "1 to 65535", Default: "8080", read: readPort},
	}
}

// Schedules describes the settings that function.json files name and the Functions host reads.
// Default is what infra/ sets: without a value, the host does not start the function.
func Schedules() []Setting {
	const accepted = "NCRONTAB of six fields, UTC"
	return []Setting{
		{Name: "ARCHIVE_SCHEDULE", Meaning: "when `archivelogs` runs", Accepts: accepted, Default: "0 */5 * * * *"},
		{Name: "SNAPSHOT_SCHEDULE", Meaning: "when `snapshotdirectory` runs. The first run of a night " +
			"begins a snapshot, " +
			"the others go on with it until it is whole, so let it fire several times a night",
			Accepts: accepted, Default: "0 */10 1-6 * * *"},
		{Name: "INDEX_SCHEDULE", Meaning: "when `indexarchive` runs", Accepts: accepted, Default: "0 20 * * * *"},
		{Name: "PURGE_SCHEDULE", Meaning: "when `purgearchive` runs", Accepts: accepted, Default: "0 30 3 * * *"},
	}
}

// Platform describes what the platform sets, or infra/ for the Azure SDK.
func Platform() []Setting {
	return []Setting{
		{Name: "AZURE_CLIENT_ID", Meaning: "client id of the user-assigned identity that asks for tokens",
			Accepts: "a client id", Without: "the app's own identity"},
		{Name: authEnabled, Meaning: "whether App Service's authentication stands in front of the app; " +
			"the platform sets " +
			"it. With `HTTP_AUTHORIZATION=entra` and without it, every HTTP function answers 503 " +
			"`authenticationOff`; " +
			"timers run on. " +
			"Set it by hand only where the platform answers a call without a token with 401",
			Accepts: "true (in any case), 1", Without: "off"},
		{Name: "IDENTITY_ENDPOINT", Meaning: "where the managed identity's tokens are had; the platform " +
			"sets it. Without " +
			"it, the handler uses whatever you are signed in with (`az login`, environment variables, ...)",
			Accepts: "an address"},
		{Name: "IDENTITY_HEADER", Meaning: "what the token endpoint wants to see; the platform sets it",
			Accepts: "a text"},
	}
}

// Markdown is a table of settings.
func Markdown(settings []Setting) string {
	var b strings.Builder
	b.WriteString("| setting | meaning | accepted | default |\n| --- | --- | --- | --- |\n")
	for _, s := range settings {
		standard := s.Without
		if s.Default != "" {
			standard = "`" + s.Default + "`"
		}
		if standard == "" {
			standard = "-"
		}
		accepts := strings.NewReplacer("<", "&lt;", ">", "&gt;", "|", "\\|", "*", "\\*").Replace(s.Accepts)
		b.WriteString("| `" + s.Name + "` | " + s.Meaning + " | " + accepts + " | " + standard + " |\n")
	}
	return b.String()
}

package main

import (
	"slices"
	"strings"
)

// handlerSettings are the app settings of a local run.
type handlerSettings struct {
	storage        string // connection string
	graph          string // address of the simulated tenant
	identity       string // address of its token endpoint
	identityHeader string
	backfill       string
}

// requestShares lift the handler's own limit: the simulated tenant has no ceiling by default.
const requestShares = "2000,2000"

// schedule is when the timer fires while a local run serves.
const schedule = "0 */5 * * * *"

// nightly is when snapshots of the directory are made while a local run serves.
const nightly = "0 */10 1-6 * * *"

// indexing is when sealed days are indexed while a local run serves.
const indexing = "0 20 * * * *"

// purging is when months that are past the archive's retention are dropped while a local run
// serves.
const purging = "0 30 3 * * *"

// list are the settings of the local run, NAME=value.
func (s handlerSettings) list() []string {
	return []string{
		"ARCHIVE_BACKFILL=" + s.backfill,
		"ARCHIVE_SCHEDULE=" + schedule,
		"ARCHIVE_STORAGE=" + s.storage,
		"GRAPH_ENDPOINT=" + s.graph,
		"GRAPH_REQUESTS_PER_10S=" + requestShares,
		"IDENTITY_ENDPOINT=" + s.identity,
		"IDENTITY_HEADER=" + s.identityHeader,
		"INDEX_SCHEDULE=" + indexing,
		"PURGE_SCHEDULE=" + purging,
		"SNAPSHOT_SCHEDULE=" + nightly,
	}
}

// environment is the handler's environment: ours without what names another tenant or another
// storage account, and with the settings of the local run.
func (s handlerSettings) environment(ours []string) []string {
	foreign := []string{"ARCHIVE_STORAGE", "AZURE_", "AzureWebJobs", "FUNCTIONS_", "GRAPH_", "HTTP_A",
		"IDENTITY_", "MSI_", "PUBLIC_BASE_URL"}
	settings := s.list()
	env := slices.DeleteFunc(slices.Clone(ours), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		isOurs := slices.ContainsFunc(settings, func(setting string) bool {
			return strings.HasPrefix(setting, name+"=")
		})
		return isOurs || slices.ContainsFunc(foreign, func(prefix string) bool {
			return strings.HasPrefix(name, prefix)
		})
	})
	return append(env, settings...)
}

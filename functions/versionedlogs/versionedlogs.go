// Package versionedlogs names the addresses at which functions/logs answers as well: clients of Microsoft Graph put a version
// before the path. Such a client's base address is this app's, with /api behind it.
package versionedlogs

// Versions are the segments that stand before auditLogs. Both give the same: the records as they were received.
func Versions() []string { return []string{"v1.0", "beta"} }

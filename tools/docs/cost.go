package main

import (
	"fmt"
	"strings"
)

// What was measured (make bench, "a day of archiving", on a Wednesday with 1,000 and 10,000 users): requests grow with the records from
// what a run every five minutes costs anyway.
const (
	recordsPerUser = 30.7 // a day: 4 interactive and 25 non-interactive sign-ins, the rest audits, provisioning and workloads
	receivedBytes  = 4433.0
	storedBytes    = 970.0

	graphBase, graphPerRecord = 2_380.0, 0.00356 // requests a day; a record
	tableBase, tablePerRecord = 17_150.0, 0.0224

	cpuPer100k = 4.7 // CPU seconds of the pipeline for 100,000 records, read four times
)

// How the app runs by default.
const (
	runsPerDay       = 288.0 // archivelogs, every five minutes
	requestsPer10s   = 4.0   // its share of Graph's ceiling: what a run waits for
	otherRunsPerDay  = 24 + 1 + 36.0
	otherSeconds     = 5.0 // of a run that has little to do
	usersPerPage     = 500.0
	snapshotSeconds  = 10.0 // a request of the snapshot's share
	instanceGB       = 0.5
	logGBPerMonth    = 0.3 // the app's own logs and metrics
	daysPerMonth     = 30.4
	monthsPerYear    = 12.0
	bytesPerGB       = 1 << 30
	snapshotRowBytes = 1_200.0
	keptSnapshots    = 3.0
)

// Prices in US dollars that the model assumes: list prices of the regions US East and West Europe as they were known when this was written.
// Nobody here can ask Azure; look them up before you budget.
type price struct {
	what   string
	dollar float64
	per    string
}

var (
	tableGB       = price{"Table Storage, locally redundant (ZRS: 1.25 times)", 0.045, "GB and month"}
	tableRequests = price{"requests to Table Storage", 0.00036, "10,000"}
	gbSeconds     = price{"Flex Consumption, on demand", 0.000026, "GB-second; 100,000 a month are free"}
	executions    = price{"executions", 0.40, "million; 250,000 a month are free"}
	analyticsGB   = price{"Log Analytics, ingestion", 2.30, "GB, the first 31 days' retention included"}
	analyticsKeep = price{"Log Analytics, interactive retention beyond that", 0.10, "GB and month"}
	exportGB      = price{"diagnostic settings, export to a storage account", 0.25, "GB"}
	blobGB        = price{"Blob Storage, cool, locally redundant", 0.01, "GB and month"}
)

func prices() string {
	var b strings.Builder
	b.WriteString("| what | US dollars | for a |\n| --- | --- | --- |\n")
	for _, p := range []price{tableGB, tableRequests, gbSeconds, executions, analyticsGB, analyticsKeep, exportGB, blobGB} {
		fmt.Fprintf(&b, "| %s | %v | %s |\n", p.what, plain(p.dollar), p.per)
	}
	return b.String()
}

func plain(v float64) string { return strings.TrimRight(fmt.Sprintf("%.6f", v), "0") }

// volume is what a tenant's day comes to.
type volume struct {
	users                      float64
	records, received, stored  float64 // a day, bytes
	graphRequests, tableReqs   float64 // a day
	executions, secondsRunning float64 // a day
}

func volumeOf(users float64) volume {
	v := volume{users: users, records: users * recordsPerUser}
	v.received, v.stored = v.records*receivedBytes, v.records*storedBytes
	v.graphRequests = graphBase + v.records*graphPerRecord
	// Each request to Graph takes its turn through one to the tables.
	v.tableReqs = tableBase + v.records*tablePerRecord + v.graphRequests
	v.executions = runsPerDay + otherRunsPerDay
	v.secondsRunning = max(v.graphRequests*10/requestsPer10s, v.records/1e5*cpuPer100k*4) + otherRunsPerDay*otherSeconds + users/usersPerPage*snapshotSeconds
	return v
}

var sizes = []float64{1_000, 10_000, 100_000}

func row(b *strings.Builder, name string, value func(volume) string) {
	fmt.Fprintf(b, "| %s |", name)
	for _, users := range sizes {
		fmt.Fprintf(b, " %s |", value(volumeOf(users)))
	}
	b.WriteString("\n")
}

func head(b *strings.Builder, title string) {
	fmt.Fprintf(b, "| %s | 1,000 users | 10,000 users | 100,000 users |\n| --- | --- | --- | --- |\n", title)
}

func volumes() string {
	var b strings.Builder
	head(&b, "a day")
	row(&b, "records", func(v volume) string { return grouped(v.records) })
	row(&b, "received from Graph, MB", func(v volume) string { return grouped(v.received / 1e6) })
	row(&b, "stored, MB", func(v volume) string { return grouped(v.stored / 1e6) })
	row(&b, "requests to Graph (the share allows 34,560)", func(v volume) string { return grouped(v.graphRequests) })
	row(&b, "requests to Table Storage", func(v volume) string { return grouped(v.tableReqs) })
	row(&b, "executions of timers", func(v volume) string { return grouped(v.executions) })
	row(&b, "seconds that an instance runs", func(v volume) string { return grouped(v.secondsRunning) })
	row(&b, "**archive after a year, GB**", func(v volume) string { return "**" + decimals(v.yearGB()) + "**" })
	return b.String()
}

func (v volume) yearGB() float64 {
	return (v.stored*365 + v.users*snapshotRowBytes*keptSnapshots) / bytesPerGB
}

// Costs in dollars a month, at the end of the first year, when a year of records is kept.
func (v volume) storage() float64 { return v.yearGB() * tableGB.dollar }
func (v volume) requests() float64 {
	return v.tableReqs * daysPerMonth / 10_000 * tableRequests.dollar
}
func (v volume) compute() float64 {
	return max(0, v.secondsRunning*daysPerMonth*instanceGB-100_000)*gbSeconds.dollar + max(0, v.executions*daysPerMonth-250_000)/1e6*executions.dollar
}
func (v volume) logs() float64    { return logGBPerMonth * analyticsGB.dollar }
func (v volume) ledger() float64  { return v.storage() + v.requests() + v.compute() + v.logs() }
func (v volume) monthGB() float64 { return v.received * daysPerMonth / bytesPerGB }
func (v volume) analytics() float64 {
	return v.monthGB() * (analyticsGB.dollar + (monthsPerYear-1)*analyticsKeep.dollar)
}
func (v volume) export() float64 {
	return v.monthGB() * (exportGB.dollar + monthsPerYear*blobGB.dollar)
}

func costs() string {
	var b strings.Builder
	head(&b, "US dollars a month, with a year kept")
	money := func(f func(volume) float64) func(volume) string {
		return func(v volume) string { return fmt.Sprintf("%.2f", f(v)) }
	}
	row(&b, "Entra Ledger: storage", money(volume.storage))
	row(&b, "Entra Ledger: requests to it", money(volume.requests))
	row(&b, "Entra Ledger: Flex Consumption", money(volume.compute))
	row(&b, "Entra Ledger: the app's own logs", money(volume.logs))
	row(&b, "**Entra Ledger**", func(v volume) string { return fmt.Sprintf("**%.2f**", v.ledger()) })
	row(&b, "diagnostic settings to a storage account", money(volume.export))
	row(&b, "diagnostic settings to Log Analytics", money(volume.analytics))
	return b.String()
}

func decimals(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return grouped(v)
}

func grouped(v float64) string {
	text := fmt.Sprintf("%.0f", v)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

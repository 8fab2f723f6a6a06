// Package cost reckons what a tenant's logs cost a month: in this archive, and where diagnostic
// settings would send them. It is pure: volumes go in, gigabytes and US dollars come out. The
// prices are the only list of them; docs/cost.md is made of it.
package cost

import "time"

// AsOf is the month in which the prices were last looked up.
const AsOf = "2026-11"

// Price is one list price in US dollars.
type Price struct {
	Name string // as answers have it
	What string
	USD  float64
	Per  string
	Seen bool // public pages say the same; otherwise it was written from memory
}

// List prices, of regions such as East US. GB of storage are 2^30 bytes, of Azure Monitor 10^9.
const (
	tableGB         = 0.045
	tableRequests   = 0.00036 // for 10,000
	blobGB          = 0.0208
	blobWrites      = 0.05 // for 10,000
	flexGBSeconds   = 0.000026
	flexExecutions  = 0.40 // for a million
	analyticsGB     = 2.30
	analyticsKeptGB = 0.10
	exportGB        = 0.25
	hubUnitHour     = 0.015
	hubEvents       = 0.028 // for a million
)

// Prices lists them all, in the order in which a person would meet them.
func Prices() []Price {
	return []Price{
		{"tableStorage", "Table Storage, LRS", tableGB, "GiB and month", true},
		{"tableRequests", "requests to Table Storage", tableRequests, "10,000", false},
		{"flexConsumption", "Flex Consumption, on demand", flexGBSeconds, "GB-second; 100,000 a month are free", true},
		{"flexExecutions", "executions", flexExecutions, "million; 250,000 a month are free", false},
		{"logAnalyticsIngestion", "Log Analytics, ingestion", analyticsGB, "GB, the first 31 days' retention included", true},
		{"logAnalyticsRetention", "Log Analytics, interactive retention beyond that", analyticsKeptGB, "GB and month", true},
		{"export", "diagnostic settings, export to a storage account or an Event Hub", exportGB, "GB", false},
		{"blobStorage", "Blob Storage, hot, LRS", blobGB, "GiB and month", false},
		{"blobWrites", "writes to it", blobWrites, "10,000", false},
		{"eventHubUnit", "Event Hubs, Basic, a throughput unit (Standard: twice)", hubUnitHour, "hour", true},
		{"eventHubEvents", "Event Hubs, ingress of up to 64 KB", hubEvents, "million", true},
	}
}

// FreeGBSeconds and FreeExecutions are Flex Consumption's free grants a month. All apps of a
// subscription share them.
const (
	FreeGBSeconds  = 100_000.0
	FreeExecutions = 250_000.0
)

const (
	gb  = 1e9     // as Azure Monitor counts: learn.microsoft.com/azure/azure-monitor/logs/cost-logs
	gib = 1 << 30 // as Azure Storage counts, whose reservations are of TiB and PiB

	daysPerMonth  = 365.0 / 12
	hoursPerMonth = 730.0

	// IncludedDays is how long Log Analytics keeps what it took without a price for it.
	IncludedDays = 31
)

// Redundancy says how many copies a storage account keeps, and where.
type Redundancy string

// The redundancies that infra/ takes, without "Standard_".
const (
	LRS    Redundancy = "LRS"
	ZRS    Redundancy = "ZRS"
	GRS    Redundancy = "GRS"
	RAGRS  Redundancy = "RAGRS"
	GZRS   Redundancy = "GZRS"
	RAGZRS Redundancy = "RAGZRS"
)

// Redundancies lists them, the default of infra/ first.
func Redundancies() []Redundancy { return []Redundancy{ZRS, LRS, GRS, RAGRS, GZRS, RAGZRS} }

// Times are the multiples of the price of LRS: of tables, of blobs. They are from memory.
func (r Redundancy) Times() (tables, blobs float64) {
	switch r {
	case ZRS:
		return 1.25, 1.25
	case GRS:
		return 1.33, 2.20
	case RAGRS:
		return 1.67, 2.75
	case GZRS:
		return 2.25, 2.25
	case RAGZRS:
		return 2.81, 2.81
	}
	return 1, 1
}

// Week is how many whole days a forecast looks back.
const Week = 7

const day = 24 * time.Hour

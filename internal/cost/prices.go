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
	analyticsLongGB = 0.02
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
		{"logAnalyticsIngestion", "Log Analytics, ingestion", analyticsGB,
			"GB, the first 31 days' retention included", true},
		{"logAnalyticsRetention", "Log Analytics, interactive retention beyond that, up to 24 months",
			analyticsKeptGB, "GB and month", true},
		{"logAnalyticsLongTerm", "Log Analytics, long-term retention beyond that, up to 144 months",
			analyticsLongGB, "GB and month", true},
		{"export", "diagnostic settings, export to a storage account or an Event Hub", exportGB, "GB", false},
		{"blobStorage", "Blob Storage, hot, LRS", blobGB, "GiB and month", true},
		{"blobWrites", "writes to it, LRS", blobWrites, "10,000", true},
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

	// IncludedDays is how long Log Analytics keeps ingested data at no extra price.
	IncludedDays = 31
	// InteractiveMonths is how long it keeps at most what can be queried, and AnalyticsMonths how
	// long it keeps anything. Source:
	// learn.microsoft.com/azure/azure-monitor/logs/data-retention-configure.
	InteractiveMonths, AnalyticsMonths = 24, 144
)

// Redundancy says how many copies a storage account keeps, and where.
type Redundancy string

// The redundancies that infra/ accepts, without "Standard_".
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

// Times are how many times the price of LRS something costs.
type Times struct {
	Tables     float64 // a GB in a table; requests to it cost the same everywhere
	Blobs      float64 // a GB in blobs
	BlobWrites float64 // a write to a blob
}

// Times are the multiples of the redundancy. Public pages have blobs and writes of ZRS, and writes
// of GRS and RAGRS; the rest is from memory.
func (r Redundancy) Times() Times {
	switch r {
	case ZRS:
		return Times{1.25, 1.25, 1.25}
	case GRS:
		return Times{1.33, 2.20, 2.00}
	case RAGRS:
		return Times{1.67, 2.75, 2.00}
	case GZRS:
		return Times{2.25, 2.25, 2.25}
	case RAGZRS:
		return Times{2.81, 2.81, 2.25}
	}
	return Times{1, 1, 1}
}

// Week is how many whole days a forecast looks back.
const Week = 7

const day = 24 * time.Hour

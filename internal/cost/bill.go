package cost

import (
	"fmt"
	"math"
)

// Destination is where logs are kept, or sent.
type Destination string

// The destinations: this archive, and those of Microsoft Entra's diagnostic settings.
const (
	Archive        Destination = "archive"
	StorageAccount Destination = "storageAccount"
	LogAnalytics   Destination = "logAnalytics"
	EventHub       Destination = "eventHub"
)

// Destinations lists them.
func Destinations() []Destination {
	return []Destination{Archive, StorageAccount, LogAnalytics, EventHub}
}

// Plan is how long what is kept, and how safely.
type Plan struct {
	Months     int // for which everything is kept; a bill is of a month after that
	Redundancy Redundancy
}

// Bill is what a destination costs a month.
type Bill struct {
	GB     float64 // that come in a month, in the destination's own gigabytes
	KeptGB float64 // after the plan's months; 0: it keeps nothing
	USD    float64
}

// Add sums up two logs.
func (b Bill) Add(o Bill) Bill { return Bill{b.GB + o.GB, b.KeptGB + o.KeptGB, b.USD + o.USD} }

const (
	// BesideRecord is how many bytes of seals and index a record adds to its row. Measured with the
	// benchmark's day of 100 and of 1,000 users.
	BesideRecord = 66

	ledgerPerDay   = 305_000 // bytes of the ledger's rows, however many records there are; likewise
	tablePerRecord = 0.0224  // requests; likewise, with 1,000 and 10,000 users

	// BilledShare is what Log Analytics bills of a record's JSON: on average a quarter less.
	// Source: learn.microsoft.com/azure/azure-monitor/logs/cost-logs.
	BilledShare = 0.75

	batchesPerDay = 288.0     // of a log: diagnostic settings write one each five minutes
	hubEvent      = 64 << 10  // bytes that are billed as one event
	hubUnit       = 1_000_000 // bytes a second of one throughput unit
	peakOverMean  = 3.0       // of the busiest minutes; assumed
)

// Refusal says in a sentence why a destination can't keep what the plan says; empty: it can.
func (p Plan) Refusal(d Destination) string {
	if d == LogAnalytics && p.Months > AnalyticsMonths {
		return fmt.Sprintf("Log Analytics keeps records for %d months (%d years) at most, and %d are asked for",
			AnalyticsMonths, AnalyticsMonths/12, p.Months)
	}
	return ""
}

// Of is what logs cost at a destination, without what they share there. Several logs together cost
// what each costs. What Refusal refuses costs nothing that could be said.
func (p Plan) Of(d Destination, v Volume) Bill {
	if p.Refusal(d) != "" {
		return Bill{}
	}
	months, times := float64(p.Months), p.Redundancy.Times()
	received := v.Received * daysPerMonth / gb
	batches := v.Logs * batchesPerDay * daysPerMonth
	switch d {
	case StorageAccount:
		kept := v.Received * daysPerMonth * months / gib
		return Bill{received, kept,
			received*exportGB + kept*blobGB*times.Blobs + batches/1e4*blobWrites*times.BlobWrites}
	case LogAnalytics:
		billed := received * BilledShare
		interactive := max(0, min(months, InteractiveMonths)-IncludedDays/daysPerMonth)
		longTerm := max(0, months-InteractiveMonths)
		return Bill{billed, billed * months,
			billed * (analyticsGB + interactive*analyticsKeptGB + longTerm*analyticsLongGB)}
	case EventHub:
		// Of each batch, the last 64 KB that it has begun are billed whole.
		events := batches + v.Received*daysPerMonth/hubEvent
		return Bill{received, 0, received*exportGB + events/1e6*hubEvents}
	}
	month := (v.Stored + v.Records*BesideRecord) * daysPerMonth
	kept := month * months / gib
	return Bill{month / gib, kept, kept*tableGB*times.Tables + v.Records*tablePerRecord*daysPerMonth/1e4*tableRequests}
}

// Held is what an archive costs a month in which nothing is added: rows of records, and how many
// records those are.
func (p Plan) Held(stored, records int64) Bill {
	kept := (float64(stored) + float64(records)*BesideRecord) / gib
	return Bill{0, kept, kept * tableGB * p.Redundancy.Times().Tables}
}

// Part is a cost that the logs of a destination share.
type Part struct {
	Name string // as answers have it
	USD  float64
}

// Shared is what the logs share at a destination, whose volumes sum up to v. The app is what keeps
// the archive.
func (p Plan) Shared(d Destination, v Volume, app App) []Part {
	switch d {
	case Archive:
		does := app.Day(v.Records)
		ledger := ledgerPerDay * daysPerMonth * float64(p.Months) / gib * tableGB * p.Redundancy.Times().Tables
		requests := does.sharedRequests() * daysPerMonth / 1e4 * tableRequests
		return []Part{{"ledger", ledger}, {"tableRequests", requests},
			{"flexConsumption", does.Compute()}, {"appLogs", does.Logs()}}
	case EventHub:
		units := max(1, math.Ceil(v.Received/day.Seconds()*peakOverMean/hubUnit))
		return []Part{{"throughputUnits", units * hubUnitHour * hoursPerMonth}}
	}
	return []Part{}
}

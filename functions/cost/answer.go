package cost

import (
	"fmt"
	"math"

	"github.com/entraledger/entraledger/internal/cost"
	"github.com/entraledger/entraledger/internal/entra"
)

// forecast is what the answer says of all logs.
type forecast struct {
	From            string          `json:"startDateTime" text:"First of the days that it goes by"`
	To              string          `json:"endDateTime" text:"End of the days that it goes by"`
	Currency        string          `json:"currency" text:"USD"`
	PricesAsOf      string          `json:"pricesAsOf" text:"Month in which the prices were looked up"`
	RetentionMonths int             `json:"retentionMonths"`
	RetentionFrom   string          `json:"retentionFrom"`
	Redundancy      cost.Redundancy `json:"redundancy" text:"Of the storage accounts"`
	Multiples       multiples       `json:"redundancyMultiples"`
	MemoryMB        int             `json:"instanceMemoryMB" text:"Memory of an instance of the app"`
	Destinations    []destination   `json:"destinations" text:"All logs together, by destination"`
	Prices          []price         `json:"prices" text:"List prices that it reckons with"`
	Notes           []string        `json:"notes" text:"What the amounts rest on, and what is not in them"`
}

// Texts are those that are too long for their line.
func (forecast) Texts() map[string]string {
	return map[string]string{
		"retentionMonths":     "For how many months logs are kept that ARCHIVE_RETENTION does not name",
		"retentionFrom":       "query (asked for), setting (ARCHIVE_RETENTION), assumed (it is kept for ever)",
		"redundancyMultiples": "How much more the redundancy costs than LRS, of which the prices are",
	}
}

// multiples say how much more the redundancy costs than LRS, of which the prices are.
type multiples struct {
	Tables     float64 `json:"tableStorage" text:"Of the price of Table Storage"`
	Blobs      float64 `json:"blobStorage" text:"Of the price of Blob Storage"`
	BlobWrites float64 `json:"blobWrites" text:"Of the price of writes to it"`
}

// bill is what a month costs. What is not known, or not kept, is left out.
type bill struct {
	GB     *float64 `json:"gbPerMonth,omitempty" always:"true" text:"What comes in, in the destination's own gigabytes"`
	KeptGB *float64 `json:"keptGB,omitempty" text:"What is kept after the months of the log; absent where nothing is kept"`
	USD    *float64 `json:"usdPerMonth,omitempty" always:"true" text:"US dollars"`
}

// destination sums up the logs, and what they share.
type destination struct {
	Destination cost.Destination `json:"destination" text:"archive, storageAccount, logAnalytics, eventHub"`
	Status      string           `json:"status"`
	Reason      string           `json:"reason,omitempty" text:"Why it is not known, or what is left out"`
	*bill
	Shared  []part         `json:"shared" text:"What all logs share there"`
	Without []entra.Stream `json:"withoutStreams"`
}

// Texts are those that are too long for their line.
func (destination) Texts() map[string]string {
	return map[string]string{
		"status": "measured, partial (some hours or logs are left out), unknown (no amount is given), " +
			"notOffered (no logs are kept there for so long: no amount is given)",
		"withoutStreams": "Logs that are left out, because no day of them is known or they can't be kept " +
			"there for so long",
	}
}

type part struct {
	Name string  `json:"name" text:"As flexConsumption"`
	USD  float64 `json:"usdPerMonth" text:"US dollars"`
}

type price struct {
	Name   string  `json:"name" text:"As logAnalyticsIngestion"`
	What   string  `json:"what" text:"Of what"`
	USD    float64 `json:"usd" text:"US dollars"`
	Per    string  `json:"per" text:"For how much"`
	Source string  `json:"source" text:"publicPages, memory"`
}

// row is a log. Keys without a value are left out.
type row struct {
	Stream          entra.Stream `json:"stream" text:"Which log"`
	Collected       bool         `json:"collected"`
	Status          string       `json:"status"`
	Reason          string       `json:"reason,omitempty" text:"Why it is not known, or what is left out"`
	RetentionMonths int          `json:"retentionMonths" text:"For how many months it is kept"`
	RetentionFrom   string       `json:"retentionFrom"`
	WholeDays       *int         `json:"daysCounted,omitempty" text:"Whole days of which every hour counts"`
	There           *int         `json:"windowsCounted,omitempty" text:"Hours that count"`
	Awaiting        *int         `json:"windowsAwaiting,omitempty" text:"Hours that await a second read"`
	Missing         *int         `json:"windowsMissing,omitempty"`
	Lost            *int         `json:"windowsLost,omitempty" text:"Hours that are lost for good, whole or in part"`
	RecordsPerDay   *float64     `json:"recordsPerDay,omitempty" text:"Records a day"`
	BytesPerRecord  *int64       `json:"bytesPerRecord,omitempty"`
	StoredPerRecord *int64       `json:"storedBytesPerRecord,omitempty" text:"Bytes of its row in Table Storage"`
	BytesFrom       string       `json:"bytesFrom,omitempty" text:"Where the bytes are from: ledger"`
	HeldGB          *float64     `json:"heldGB,omitempty" text:"What the archive has of it now, seals and index included"`
	Archive         *bill        `json:"archive,omitempty" text:"What it costs here"`
	StorageAccount  *bill        `json:"storageAccount,omitempty" text:"What it costs in a storage account"`
	LogAnalytics    *bill        `json:"logAnalytics,omitempty" text:"What it costs in Log Analytics"`
	EventHub        *bill        `json:"eventHub,omitempty" text:"What it costs at an Event Hub"`
}

// Texts are those that are too long for their line.
func (row) Texts() map[string]string {
	return map[string]string{
		"collected":      "Whether it is still read from the tenant: ARCHIVE_STREAMS names it",
		"status":         "measured, partial (some hours are left out), unknown (no amount is given), notCollected",
		"retentionFrom":  "query (asked for), setting (ARCHIVE_RETENTION), assumed (it is kept for ever)",
		"windowsMissing": "Hours that were not read, are in doubt, or of which the ledger counts what can't be",
		"bytesPerRecord": "Bytes that Graph sends for a record or an earlier version of one",
	}
}

func billOf(b cost.Bill, keeps bool) *bill {
	out := &bill{GB: new(gigabytes(b.GB)), USD: new(dollars(b.USD))}
	if keeps {
		out.KeptGB = new(gigabytes(b.KeptGB))
	}
	return out
}

// gigabytes and dollars keep so many decimals that the logs of a small tenant are not all 0.
func gigabytes(v float64) float64 { return math.Round(v*1e6) / 1e6 }

func dollars(v float64) float64 { return math.Round(v*1e4) / 1e4 }

func prices() []price {
	var out []price
	for _, p := range cost.Prices() {
		source := "memory"
		if p.Seen {
			source = "publicPages"
		}
		out = append(out, price{p.Name, p.What, p.USD, p.Per, source})
	}
	return out
}

// notes are the assumptions of the amounts, beside the hours.
func notes() []string {
	return []string{
		"Forecast for a month in which every day is like the mean of the last seven whole days (UTC), " +
			"after the months in which everything was kept. Bytes are sums of the ledger, not a sample.",
		"List prices in US dollars of regions such as East US, as known in " + cost.AsOf + ": " +
			"source says whether public pages have the same, or memory alone. Look yours up: " +
			"azure.microsoft.com/pricing.",
		fmt.Sprintf("Free grants of Flex Consumption (%.0f GB-seconds and %.0f executions a month, "+
			"which all apps of the "+
			"subscription share) are taken off. The free GB that some accounts have of Log Analytics are not.",
			cost.FreeGBSeconds, cost.FreeExecutions),
		"Reckoned with a run every five minutes. Not in it: the directory's snapshot (10 seconds a " +
			"night for 500 users), " +
			"HTTP calls, alerts, private endpoints, auditArchiveAccess.",
		"Storage is counted in GB of 2^30 bytes, Azure Monitor and Event Hubs in GB of 10^9. " +
			"An Event Hub keeps nothing: what reads it and keeps it costs extra.",
		fmt.Sprintf("Diagnostic settings are reckoned with the bytes that Graph sends, Log Analytics with "+
			"%.0f %% of them. "+
			"Microsoft's own example has 2 KB for an audit and 11.5 KB for a sign-in.", 100*cost.BilledShare),
		fmt.Sprintf("Log Analytics keeps records that can be queried for %d months at most, which is "+
			"reckoned with first, "+
			"and for %d months in all: what is beyond is found by search jobs only, whose price is not in it.",
			cost.InteractiveMonths, cost.AnalyticsMonths),
	}
}

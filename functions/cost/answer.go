package cost

import (
	"fmt"
	"math"

	"github.com/entraledger/entraledger/internal/cost"
	"github.com/entraledger/entraledger/internal/entra"
)

// forecast is the answer of /api/cost.
type forecast struct {
	Context         string          `json:"@odata.context"`
	AsOf            string          `json:"asOfDateTime"`
	From            string          `json:"startDateTime"` // of the days that it goes by
	To              string          `json:"endDateTime"`
	Currency        string          `json:"currency"`
	PricesAsOf      string          `json:"pricesAsOf"`
	RetentionMonths int             `json:"retentionMonths"` // of logs that the setting does not name
	RetentionFrom   string          `json:"retentionFrom"`
	Redundancy      cost.Redundancy `json:"redundancy"`
	Multiples       multiples       `json:"redundancyMultiples"`
	MemoryMB        int             `json:"instanceMemoryMB"`
	Destinations    []destination   `json:"destinations"`
	Prices          []price         `json:"prices"`
	Notes           []string        `json:"notes"`
	Count           int             `json:"@odata.count"`
	Value           []row           `json:"value"`
}

// multiples say how much more the redundancy costs than LRS, of which the prices are.
type multiples struct {
	Tables     float64 `json:"tableStorage"`
	Blobs      float64 `json:"blobStorage"`
	BlobWrites float64 `json:"blobWrites"`
}

// bill is what a month costs. What is not known, or not kept, is left out.
type bill struct {
	GB     *float64 `json:"gbPerMonth,omitempty"`
	KeptGB *float64 `json:"keptGB,omitempty"`
	USD    *float64 `json:"usdPerMonth,omitempty"`
}

// destination sums up the logs, and what they share.
type destination struct {
	Destination cost.Destination `json:"destination"`
	Status      string           `json:"status"`
	Reason      string           `json:"reason,omitempty"`
	*bill
	Shared  []part         `json:"shared"`
	Without []entra.Stream `json:"withoutStreams"`
}

type part struct {
	Name string  `json:"name"`
	USD  float64 `json:"usdPerMonth"`
}

type price struct {
	Name   string  `json:"name"`
	What   string  `json:"what"`
	USD    float64 `json:"usd"`
	Per    string  `json:"per"`
	Source string  `json:"source"`
}

// row is a log. Keys without a value are left out.
type row struct {
	Stream          entra.Stream `json:"stream"`
	Collected       bool         `json:"collected"`
	Status          string       `json:"status"`
	Reason          string       `json:"reason,omitempty"`
	RetentionMonths int          `json:"retentionMonths"`
	RetentionFrom   string       `json:"retentionFrom"`
	WholeDays       *int         `json:"daysCounted,omitempty"`
	There           *int         `json:"windowsCounted,omitempty"`
	Awaiting        *int         `json:"windowsAwaiting,omitempty"`
	Missing         *int         `json:"windowsMissing,omitempty"`
	Lost            *int         `json:"windowsLost,omitempty"`
	RecordsPerDay   *float64     `json:"recordsPerDay,omitempty"`
	BytesPerRecord  *int64       `json:"bytesPerRecord,omitempty"`
	StoredPerRecord *int64       `json:"storedBytesPerRecord,omitempty"`
	BytesFrom       string       `json:"bytesFrom,omitempty"`
	HeldGB          *float64     `json:"heldGB,omitempty"` // that the archive has of it now
	Archive         *bill        `json:"archive,omitempty"`
	StorageAccount  *bill        `json:"storageAccount,omitempty"`
	LogAnalytics    *bill        `json:"logAnalytics,omitempty"`
	EventHub        *bill        `json:"eventHub,omitempty"`
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

// notes say what the amounts rest on, beside the hours.
func notes() []string {
	return []string{
		"Forecast for a month in which every day is like the mean of the last seven whole days (UTC), " +
			"after the months in which everything was kept. Bytes are sums of the ledger, not a sample.",
		"List prices in US dollars of regions such as East US, as known in " + cost.AsOf + ": " +
			"source says whether public pages have the same, or memory alone. Look yours up: azure.microsoft.com/pricing.",
		fmt.Sprintf("Free grants of Flex Consumption (%.0f GB-seconds and %.0f executions a month, which all apps of the "+
			"subscription share) are taken off. The free GB that some accounts have of Log Analytics are not.",
			cost.FreeGBSeconds, cost.FreeExecutions),
		"Reckoned with a run every five minutes. Not in it: the directory's snapshot (10 seconds a night for 500 users), " +
			"HTTP calls, alerts, private endpoints, auditArchiveAccess.",
		"Storage is counted in GB of 2^30 bytes, Azure Monitor and Event Hubs in GB of 10^9. " +
			"An Event Hub keeps nothing: what reads it and keeps it costs extra.",
		fmt.Sprintf("Diagnostic settings are reckoned with the bytes that Graph sends, Log Analytics with %.0f %% of them. "+
			"Microsoft's own example has 2 KB for an audit and 11.5 KB for a sign-in.", 100*cost.BilledShare),
		fmt.Sprintf("Log Analytics keeps records that can be queried for %d months at most, which is reckoned with first, "+
			"and for %d months in all: what is beyond is found by search jobs only, whose price is not in it.",
			cost.InteractiveMonths, cost.AnalyticsMonths),
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/entraledger/entraledger/internal/cost"
)

// What a user leaves in the logs, as assumed, and what was measured of it (make bench, "a day of
// archiving", on a Wednesday with 1,000 and 10,000 users).
const (
	// A day: 4 interactive and 25 non-interactive sign-ins, the rest audits, provisioning and
	// workloads.
	recordsPerUser = 30.7
	recordLogs     = 6.0 // that they are in
	receivedBytes  = 5_765.0
	storedBytes    = 1_070.0

	usersPerPage     = 500.0
	snapshotSeconds  = 10.0 // a request of the snapshot's share
	snapshotRowBytes = 1_200.0
	keptSnapshots    = 3.0
	requestsPer10s   = 4.0 // the archive's share of Graph's ceiling
	keptMonths       = 12
)

// What Microsoft reckons with, in learn.microsoft.com/entra/identity/monitoring-health:
// concept-log-monitoring-integration-options-considerations.
const (
	theirEvents = 15.0 // a user and day: 1.5 million of 100,000 users
	theirAudit  = 2_000.0
	theirSignIn = 11_500.0
)

// deployment is a tenant's size, and what was deployed for it.
type deployment struct {
	users      float64
	parameters string // file, or empty: the template's defaults
	memoryMB   float64
	redundancy cost.Redundancy
	minutes    float64 // from run to run
}

// deployments reads what infra/ deploys: by each parameter file, and by itself.
func deployments(root string) ([]deployment, error) {
	var template struct {
		Parameters map[string]struct{ DefaultValue any }
	}
	if err := readJSON(filepath.Join(root, "infra", "azuredeploy.json"), &template); err != nil {
		return nil, err
	}
	out := []deployment{
		{users: 1_000, parameters: "small.json"},
		{users: 10_000},
		{users: 100_000, parameters: "large.json"},
	}
	for i := range out {
		values := map[string]string{}
		for _, name := range []string{"instanceMemoryMB", "archiveRedundancy", "archiveSchedule"} {
			values[name] = fmt.Sprint(template.Parameters[name].DefaultValue)
		}
		if err := out[i].read(root, values); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readJSON(file string, into any) error {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}

var everyMinutes = regexp.MustCompile(`^0 \*/(\d+) \* \* \* \*$`)

// read reads the values of the template's parameters, except those that the file has.
func (d *deployment) read(root string, values map[string]string) error {
	if d.parameters != "" {
		var file struct {
			Parameters map[string]struct{ Value any }
		}
		if err := readJSON(filepath.Join(root, "infra", "parameters", d.parameters), &file); err != nil {
			return err
		}
		for name := range values {
			if p, ok := file.Parameters[name]; ok {
				values[name] = fmt.Sprint(p.Value)
			}
		}
	}
	var err error
	if d.memoryMB, err = strconv.ParseFloat(values["instanceMemoryMB"], 64); err != nil {
		return fmt.Errorf("read instanceMemoryMB: %w", err)
	}
	d.redundancy = cost.Redundancy(strings.TrimPrefix(values["archiveRedundancy"], "Standard_"))
	found := everyMinutes.FindStringSubmatch(values["archiveSchedule"])
	if found == nil {
		return fmt.Errorf("archiveSchedule is %q: the model knows runs every so many minutes only",
			values["archiveSchedule"])
	}
	d.minutes, err = strconv.ParseFloat(found[1], 64)
	return err
}

func (d deployment) plan() cost.Plan { return cost.Plan{Months: keptMonths, Redundancy: d.redundancy} }

func (d deployment) volume() cost.Volume {
	records := d.users * recordsPerUser
	return cost.Volume{Logs: recordLogs, Records: records, Received: records * receivedBytes,
		Stored: records * storedBytes}
}

func (d deployment) app() cost.App {
	return cost.App{Runs: 24 * 60 / d.minutes, MemoryMB: d.memoryMB, RequestsPer10s: requestsPer10s,
		SnapshotSeconds: d.users / usersPerPage * snapshotSeconds}
}

func (d deployment) does() cost.AppDay { return d.app().Day(d.volume().Records) }

// storage is the archive after a year: records, ledger, and the snapshots of the directory.
func (d deployment) storage() (gb, usd float64) {
	records := d.plan().Of(cost.Archive, cost.Volume{Stored: d.volume().Stored + d.volume().Records*cost.BesideRecord})
	snapshots := d.plan().Held(int64(d.users*snapshotRowBytes*keptSnapshots), 0)
	return records.KeptGB + snapshots.KeptGB, records.USD + snapshots.USD + d.shared("ledger")
}

func (d deployment) shared(name string) float64 {
	for _, p := range d.plan().Shared(cost.Archive, d.volume(), d.app()) {
		if p.Name == name {
			return p.USD
		}
	}
	return 0
}

func (d deployment) ledger() float64 {
	_, storage := d.storage()
	return storage + d.does().Requests() + d.does().Compute() + d.does().Logs()
}

// elsewhere is what the same logs cost at a destination of diagnostic settings.
func (d deployment) elsewhere(to cost.Destination, v cost.Volume) float64 {
	usd := d.plan().Of(to, v).USD
	for _, p := range d.plan().Shared(to, v, d.app()) {
		usd += p.USD
	}
	return usd
}

func (d deployment) name() string {
	what := "defaults"
	if d.parameters != "" {
		what = "`" + d.parameters + "`"
	}
	return grouped(d.users) + " users, " + what
}

// costTables are the tables of docs/cost.md.
type costTables struct{ of []deployment }

func (t costTables) row(b *strings.Builder, name string, value func(deployment) string) {
	fmt.Fprintf(b, "| %s |", name)
	for _, d := range t.of {
		fmt.Fprintf(b, " %s |", value(d))
	}
	b.WriteString("\n")
}

func (t costTables) head(b *strings.Builder, title string) {
	t.row(b, title, deployment.name)
	b.WriteString("| --- |" + strings.Repeat(" ---: |", len(t.of)) + "\n")
}

func (t costTables) volumes() string {
	var b strings.Builder
	t.head(&b, "a day")
	number := func(name string, f func(deployment) float64) {
		t.row(&b, name, func(d deployment) string { return grouped(f(d)) })
	}
	t.row(&b, "redundancy of the archive", func(d deployment) string { return string(d.redundancy) })
	number("memory of an instance, MB", func(d deployment) float64 { return d.memoryMB })
	number("minutes from run to run", func(d deployment) float64 { return d.minutes })
	number("records", func(d deployment) float64 { return d.volume().Records })
	number("received from Graph, MB", func(d deployment) float64 { return d.volume().Received / 1e6 })
	number("rows of records, MB", func(d deployment) float64 { return d.volume().Stored / 1e6 })
	number("requests to Graph (the share allows 34,560)", func(d deployment) float64 { return d.does().GraphRequests })
	number("requests to Table Storage", func(d deployment) float64 { return d.does().TableRequests })
	number("executions of timers", func(d deployment) float64 { return d.does().Executions })
	number("seconds that an instance runs", func(d deployment) float64 { return d.does().Seconds })
	t.row(&b, "**archive after a year, GiB**", func(d deployment) string {
		gb, _ := d.storage()
		return "**" + decimals(gb) + "**"
	})
	return b.String()
}

func (t costTables) costs() string {
	var b strings.Builder
	t.head(&b, "US dollars a month, with a year kept")
	money := func(name string, f func(deployment) float64) {
		t.row(&b, name, func(d deployment) string { return fmt.Sprintf("%.2f", f(d)) })
	}
	elsewhere := func(name string, to cost.Destination) {
		money("diagnostic settings to "+name, func(d deployment) float64 { return d.elsewhere(to, d.volume()) })
	}
	money("Entra Ledger: storage", func(d deployment) float64 { _, usd := d.storage(); return usd })
	money("Entra Ledger: requests to it", func(d deployment) float64 { return d.does().Requests() })
	money("Entra Ledger: Flex Consumption", func(d deployment) float64 { return d.does().Compute() })
	money("Entra Ledger: the app's own logs", func(d deployment) float64 { return d.does().Logs() })
	t.row(&b, "**Entra Ledger**", func(d deployment) string { return fmt.Sprintf("**%.2f**", d.ledger()) })
	elsewhere("a storage account", cost.StorageAccount)
	elsewhere("Log Analytics", cost.LogAnalytics)
	elsewhere("an Event Hub, which keeps nothing", cost.EventHub)
	return b.String()
}

// beside puts the model's volumes beside Microsoft's own example, for the template's defaults.
func (t costTables) beside() string {
	d := t.of[1]
	volumes := []struct {
		name          string
		events, bytes float64 // of a user and day; of an event
	}{
		{"this model", recordsPerUser, receivedBytes},
		{"Microsoft's example, all of it sign-ins", theirEvents, theirSignIn},
		{"Microsoft's example, all of it audits", theirEvents, theirAudit},
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| %s users | events a user and day | bytes an event | GB a month | to a storage account "+
		"| to Log Analytics | to an Event Hub |\n", grouped(d.users))
	b.WriteString("| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, v := range volumes {
		of := cost.Volume{Logs: recordLogs, Records: d.users * v.events, Received: d.users * v.events * v.bytes}
		fmt.Fprintf(&b, "| %s | %v | %s | %s | %.2f | %.2f | %.2f |\n",
			v.name, v.events, grouped(v.bytes), decimals(d.plan().Of(cost.EventHub, of).GB),
			d.elsewhere(cost.StorageAccount, of), d.elsewhere(cost.LogAnalytics, of), d.elsewhere(cost.EventHub, of))
	}
	return b.String()
}

// appLogs says what the app's own logs are made of, for the template's defaults.
func (t costTables) appLogs() string {
	does := t.of[1].does()
	var b strings.Builder
	b.WriteString("| a day, a run every five minutes | rows | KB | measured of it |\n| --- | ---: | ---: | --- |\n")
	rows, bytes := 0.0, 0.0
	for _, p := range does.LogParts() {
		measured := p.Measured
		if measured == "" {
			measured = "nothing: assumed"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", p.What, grouped(p.Rows), grouped(p.Bytes/1e3), measured)
		rows, bytes = rows+p.Rows, bytes+p.Bytes
	}
	fmt.Fprintf(&b, "| **all: %.2f GB a month** | **%s** | **%s** | |\n",
		bytes*365/12/1e9, grouped(rows), grouped(bytes/1e3))
	return b.String()
}

func prices() string {
	var b strings.Builder
	b.WriteString("| what | US dollars | for a | as known from |\n| --- | ---: | --- | --- |\n")
	for _, p := range cost.Prices() {
		source := "memory"
		if p.Seen {
			source = "public pages, " + cost.AsOf
		}
		fmt.Fprintf(&b, "| %s | %v | %s | %s |\n", p.What, plain(p.USD), p.Per, source)
	}
	return b.String()
}

// redundancies says what copies cost, in multiples of LRS.
func redundancies() string {
	var b strings.Builder
	b.WriteString("| redundancy | Table Storage | Blob Storage | writes to blobs |\n| --- | ---: | ---: | ---: |\n")
	for _, r := range cost.Redundancies() {
		times := r.Times()
		fmt.Fprintf(&b, "| %s | %.2f | %.2f | %.2f |\n", r, times.Tables, times.Blobs, times.BlobWrites)
	}
	return b.String()
}

func plain(v float64) string { return strings.TrimRight(fmt.Sprintf("%.6f", v), "0") }

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

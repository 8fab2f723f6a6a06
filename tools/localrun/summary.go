package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	tenantlogs "github.com/entraledger/entraledger/internal/logs"
)

// summary is what a person reads when the run has finished.
type summary struct {
	streams   []streamState
	directory directoryState
	failure   string
	took      time.Duration
	base      string   // of the public addresses
	tables    []string // that exist, in order
	tablePort int
	storage   string // connection string
	serving   bool
}

// emulatorPort is where Storage Explorer's "Emulator - Default Ports" looks for tables.
const emulatorPort = 10002

func (s summary) print(w io.Writer) {
	var total, versions int64
	for _, st := range s.streams {
		total, versions = total+st.Records, versions+st.Versions
	}
	fmt.Fprintf(w, "\n%s\n", s.streamTable())
	for _, st := range s.streams {
		if st.LastError != nil {
			fmt.Fprintf(w, "%s: %s: %s\n", st.Stream, st.LastError.Code, st.LastError.Message)
		}
	}
	verdict := "Archived"
	if s.failure != "" {
		fmt.Fprintf(w, "The run failed: %s\n", s.failure)
		verdict = "Nevertheless archived"
	}
	fmt.Fprintf(w, "%s %s records and %s earlier versions of them in %v.\n", verdict, grouped(total), grouped(versions),
		s.took.Round(100*time.Millisecond))
	if d := s.directory; d.failure == "" {
		fmt.Fprintf(w,
			"Snapshot of the directory: %s users, of whom %s have been inactive for 90 days; %s credentials, of "+
				"which %s expire within 30 days.\n",
			grouped(d.users), grouped(d.inactive), grouped(d.credentials), grouped(d.expiring))
	}
	if !s.serving {
		return
	}
	fmt.Fprintf(w, "\nLook at it: %s/api/ui (the key is %s)\n", s.base, functionKey)
	fmt.Fprintf(w, "\nTry:\n  curl -s -H 'x-functions-key: %s' '%s/api/coverage'\n", functionKey, s.base)
	fmt.Fprintf(w, "  curl -s -H 'x-functions-key: %s' '%s/api/coverage/%s?$top=24'\n", functionKey, s.base,
		s.fullest())
	fmt.Fprintf(w, "  curl -s -H 'x-functions-key: %s' '%s/api/inactive-users?days=90&enabled=true&$top=5'\n",
		functionKey, s.base)
	fmt.Fprintf(w, "  curl -s -H 'x-functions-key: %s' '%s/api/expiring-credentials?withinDays=30&$top=5'\n",
		functionKey, s.base)
	fmt.Fprintf(w,
		"  curl -s -H 'x-functions-key: %s' -G '%s/api/auditLogs/signIns' --data-urlencode "+
			"'$filter=status/errorCode ne 0' --data-urlencode '$top=2'\n", functionKey, s.base)
	fmt.Fprintf(w, "  curl -s -H 'x-functions-key: %s' -o audits.csv '%s/api/downloads/AuditLogs'\n", functionKey,
		s.base)
	fmt.Fprintf(w,
		"  curl -i -X POST -H 'x-functions-key: %s' -H 'Content-Type: application/json' -d '{\"input\":\"\"}' "+
			"'%s/admin/functions/archivelogs'\n", masterKey, s.base)
	s.printExplorer(w)
	fmt.Fprintln(w,
		"\nServing; the timer fires every 5 minutes; the handler's log is .local/handler.log. Ctrl-C stops everything.")
}

func (s summary) streamTable() string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"stream", "from", "watermark", "windows", "missing", "records", "versions", "raw MB",
		"stored MB", "ratio", "quarantined", "last error"})
	numbers := []table.ColumnConfig{}
	for column := 4; column <= 11; column++ {
		numbers = append(numbers, table.ColumnConfig{Number: column, Align: text.AlignRight,
			AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(numbers)
	for _, st := range s.streams {
		code := ""
		if st.LastError != nil {
			code = st.LastError.Code
		}
		t.AppendRow(table.Row{st.Stream, shortTime(st.Begin), shortTime(st.Watermark), grouped(st.Done),
			grouped(st.Missing), grouped(st.Records), grouped(st.Versions),
			megabytes(st.Bytes), megabytes(st.StoredBytes), ratio(st.Bytes, st.StoredBytes), grouped(st.Quarantined),
			code})
	}
	return t.Render()
}

// fullest is the stream with the most records: the one worth a look.
func (s summary) fullest() string {
	if len(s.streams) == 0 {
		return string(tenantlogs.DirectoryAudits)
	}
	return slices.MaxFunc(s.streams, func(a, b streamState) int { return int(a.Records - b.Records) }).Stream
}

func (s summary) printExplorer(w io.Writer) {
	fmt.Fprint(w, "\nLook into the tables with Azure Storage Explorer: ")
	if s.tablePort == emulatorPort {
		fmt.Fprint(w, "Local & Attached > Storage Accounts > (Emulator - Default Ports) > Tables")
	} else {
		fmt.Fprintf(w, "connect with this connection string:\n  %s\n ", s.storage)
	}
	if names := s.examples(); len(names) > 0 {
		fmt.Fprintf(w, ", for example %s", strings.Join(names, " and "))
	}
	fmt.Fprintln(w, ".")
}

// examples are two tables that exist: the newest month of the interactive sign-ins, and the
// coverage.
func (s summary) examples() []string {
	var names []string
	ofSignIns := tenantlogs.Of(tenantlogs.SignInsInteractiveUser).Table
	months := slices.DeleteFunc(slices.Clone(s.tables),
		func(name string) bool { return !strings.HasPrefix(name, ofSignIns) })
	if len(months) > 0 {
		names = append(names, months[len(months)-1])
	}
	for _, name := range append([]string{"coverage"}, s.tables...) {
		if len(names) < 2 && slices.Contains(s.tables, name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// shortTime cuts a time of the archive to its minute.
func shortTime(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return at.UTC().Format("2006-01-02 15:04")
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/1e6) }

// ratio is the number of raw bytes for each stored byte.
func ratio(raw, stored int64) string {
	if stored <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(raw)/float64(stored))
}

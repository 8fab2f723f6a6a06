package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// The aims, as the project states them.
const (
	aimCPURatio = 20.0  // obvious / pipeline, against the discarding server
	aimPeakMB   = 100.0 // the pipeline's, and flat from 10,000 to 1,000,000 records
	aimFlat     = 1.5   // most that the largest run may need over the smallest
	aimFloor    = 75.0  // percent of the pipeline's processor time that the floor explains
)

// figure is one measured run.
type figure struct {
	Competitor    string  `json:"competitor"`
	Tables        string  `json:"tables"`
	Asked         int     `json:"asked"` // records that the tenant holds
	GraphRequests int64   `json:"graphRequests"`
	StoredBytes   float64 `json:"storedBytesPerRecord,omitempty"`
	outcome
}

// recordsPerSecond and cpuPer100k put runs of any length side by side.
func (f figure) recordsPerSecond() float64 { return ratio(float64(f.Records), f.Seconds) }
func (f figure) cpuPer100k() float64       { return ratio(f.CPUSeconds*1e5, float64(f.Records)) }

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// aim is one aim beside what was measured.
type aim struct {
	What     string  `json:"what"`
	Wanted   string  `json:"wanted"`
	Measured float64 `json:"measured"`
	Met      bool    `json:"met"`
}

// report is everything that a run of the benchmark found out.
type report struct {
	At        time.Time  `json:"at"`
	Machine   string     `json:"machine"`
	Seed      uint64     `json:"seed"`
	Records   int        `json:"records"`
	Figures   []figure   `json:"figures"`
	Flat      []figure   `json:"flat"`
	Floor     floor      `json:"floor"`
	Schedules []schedule `json:"schedules"`
	Days      []day      `json:"days"`
	Sealing   []sealing  `json:"sealing"`
	Past      []past     `json:"past"`
	Columns   []rowSize  `json:"columns"`

	Reading  []readTime      `json:"reading"`
	Download *downloadTime   `json:"download,omitempty"`
	Readback []readback      `json:"readback,omitempty"`
	Answers  []answerTime    `json:"answers"`
	Load     []load          `json:"load,omitempty"`
	Files    []fileTime      `json:"files,omitempty"`
	Snapshot *snapshotFigure `json:"snapshot,omitempty"`

	Aims []aim `json:"aims"`
}

func machine() string {
	return fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

func (r report) find(competitor, tables string) (figure, bool) {
	for _, f := range r.Figures {
		if f.Competitor == competitor && f.Tables == tables && f.Records > 0 {
			return f, true
		}
	}
	return figure{}, false
}

// floorPer100k is the floor in processor seconds for 100,000 records.
func (r report) floorPer100k() float64 {
	return ratio(r.Floor.CPUSeconds()*1e5, float64(r.Floor.Records))
}

// judge compares what was measured with the aims. What was not measured is not judged.
func (r report) judge() []aim {
	aims := append(r.judgeReadback(), r.judgeLoad()...)
	ours, ok := r.find("pipeline", "discard")
	if !ok {
		return append(aims, r.judgeDirectory()...)
	}
	if theirs, ok := r.find("obvious", "discard"); ok {
		times := ratio(theirs.cpuPer100k(), ours.cpuPer100k())
		aims = append(aims, aim{"CPU of the obvious program / the pipeline's", fmt.Sprintf(">= %.0f", aimCPURatio),
			times, times >= aimCPURatio})
	}
	peak, least := ours.PeakMB, ours.PeakMB
	for _, f := range r.Flat {
		peak, least = max(peak, f.PeakMB), min(least, f.PeakMB)
	}
	aims = append(aims, aim{"peak memory of the pipeline, MB", fmt.Sprintf("< %.0f", aimPeakMB), peak,
		peak < aimPeakMB})
	if len(r.Flat) > 1 {
		growth := ratio(peak, least)
		what := fmt.Sprintf("memory from %s to %s records, most / least", grouped(int64(r.Flat[0].Asked)),
			grouped(int64(r.Flat[len(r.Flat)-1].Asked)))
		aims = append(aims, aim{what, fmt.Sprintf("<= %.2f", aimFlat), growth, growth <= aimFlat})
	}
	if r.Floor.Records > 0 {
		share := 100 * ratio(r.floorPer100k(), ours.cpuPer100k())
		aims = append(aims, aim{"floor / the pipeline's CPU, %", fmt.Sprintf(">= %.0f", aimFloor), share,
			share >= aimFloor})
	}
	if len(r.Schedules) > 0 {
		cost := r.Schedules[0].Per1000
		aims = append(aims, aim{"Graph requests per 1,000 records, all passes", fmt.Sprintf("<= %.0f", aimPer1000),
			cost, cost <= aimPer1000})
	}
	aims = append(aims, r.judgeColumns()...)
	return append(aims, r.judgeDirectory()...)
}

// judgeDirectory compares snapshot and answers with their aims.
func (r report) judgeDirectory() []aim {
	var aims []aim
	if n := len(r.Answers); n > 0 {
		worst := 0.0
		for _, a := range r.Answers {
			worst = max(worst, a.Own)
		}
		growth := ratio(r.Answers[n-1].Millis, r.Answers[0].Millis)
		aims = append(aims, aim{"our own time for a page of 100 users, ms", fmt.Sprintf("<= %.0f", aimOwnMS), worst,
			worst <= aimOwnMS},
			aim{"a page at 1,000,000 users / at 1,000", fmt.Sprintf("<= %.2f", aimGrowth), growth, growth <= aimGrowth})
	}
	if s := r.Snapshot; s != nil {
		aims = append(aims, aim{"peak memory of a snapshot, MB", fmt.Sprintf("< %.0f", aimSnapshotMB), s.PeakMB,
			s.PeakMB < aimSnapshotMB})
	}
	return aims
}

// print writes the tables that people read.
func (r report) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s interactive sign-ins, seed %d, on %s\n\n", grouped(int64(r.Records)), r.Seed, machine())
	if len(r.Figures) > 0 {
		r.printFigures(out)
	}
	r.printRatios(out)
	r.printFlat(out)
	r.printSchedules(out)
	r.printDays(out)
	r.printSealing(out)
	r.printPast(out)
	r.printColumns(out)
	r.printReading(out)
	r.printReadback(out)
	r.printAnswers(out)
	r.printLoad(out)
	r.printFiles(out)
	r.printSnapshot(out)
	r.printAims(out)
}

func newTable(out io.Writer, title string, header ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.SetTitle(title)
	t.AppendHeader(header)
	configs := make([]table.ColumnConfig, 0, len(header))
	for i := 2; i <= len(header); i++ {
		configs = append(configs, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(configs)
	return t
}

func (r report) printFigures(out io.Writer) {
	t := newTable(out, "Side by side", "program -> tables", "records", "records/s", "CPU s per 100,000", "peak MB",
		"bytes stored", "of raw", "Graph requests", "table requests")
	raw := ratio(float64(r.Floor.RawBytes), float64(r.Floor.Records))
	for _, f := range r.Figures {
		stored, share := "-", "-"
		if f.StoredBytes > 0 {
			stored = fmt.Sprintf("%.0f", f.StoredBytes)
			if raw > 0 {
				share = fmt.Sprintf("%.0f %%", 100*f.StoredBytes/raw)
			}
		}
		t.AppendRow(table.Row{f.Competitor + " -> " + f.Tables, grouped(f.Records),
			grouped(int64(f.recordsPerSecond())),
			fmt.Sprintf("%.2f", f.cpuPer100k()), fmt.Sprintf("%.0f", f.PeakMB), stored, share, grouped(f.GraphRequests),
			countOrDash(f.TableRequests)})
	}
	if n := float64(r.Floor.Records); n > 0 {
		t.AppendRow(table.Row{"floor (scan + compress)", grouped(r.Floor.Records), "",
			fmt.Sprintf("%.2f", r.floorPer100k()), "",
			fmt.Sprintf("%.0f", float64(r.Floor.CompressedBytes)/n),
			fmt.Sprintf("%.0f %%", 100*ratio(float64(r.Floor.CompressedBytes), float64(r.Floor.RawBytes))), "", ""})
	}
	t.Render()
	if r.Floor.Records > 0 {
		fmt.Fprintf(out, "A record has %.0f bytes on average. Floor: scan %.2f s + compress %.2f s.\n", raw,
			r.Floor.ScanSeconds, r.Floor.CompressSeconds)
	}
	for _, f := range r.Figures {
		if f.Records > int64(f.Asked) {
			fmt.Fprintf(out, "%s -> %s: %s records were read twice, where one walk ends and the next begins; a "+
				"server that forgets can't tell.\n",
				f.Competitor, f.Tables, grouped(f.Records-int64(f.Asked)))
		}
		if f.Stopped != "" || f.Refused > 0 {
			fmt.Fprintf(out, "%s -> %s: %s; %d records were refused by the tables.\n", f.Competitor, f.Tables,
				orText(f.Stopped, "ran to its end"), f.Refused)
		}
	}
	fmt.Fprintln(out)
}

func (r report) printRatios(out io.Writer) {
	t := newTable(out, "The obvious program / the pipeline", "tables", "time", "CPU", "peak memory", "bytes stored",
		"Graph requests", "table requests")
	rows := 0
	for _, where := range []string{"discard", "azurite"} {
		ours, ok := r.find("pipeline", where)
		theirs, also := r.find("obvious", where)
		if !ok || !also {
			continue
		}
		rows++
		t.AppendRow(table.Row{where, times(ratio(ours.recordsPerSecond(), theirs.recordsPerSecond())),
			times(ratio(theirs.cpuPer100k(), ours.cpuPer100k())),
			times(ratio(theirs.PeakMB, ours.PeakMB)), times(ratio(theirs.StoredBytes, ours.StoredBytes)),
			times(perRecord(theirs.GraphRequests, theirs, ours.GraphRequests, ours)),
			times(perRecord(theirs.TableRequests, theirs, ours.TableRequests, ours))})
	}
	if rows > 0 {
		t.Render()
		fmt.Fprintln(out)
	}
}

// perRecord is the ratio of two counts, each for as many records as its program got through.
func perRecord(a int64, of figure, b int64, than figure) float64 {
	return ratio(ratio(float64(a), float64(of.Records)), ratio(float64(b), float64(than.Records)))
}

func (r report) printFlat(out io.Writer) {
	if len(r.Flat) == 0 {
		return
	}
	t := newTable(out, "Memory of the pipeline -> discard", "records", "peak MB", "records/s", "CPU s per 100,000",
		"Graph requests")
	for _, f := range r.Flat {
		t.AppendRow(table.Row{grouped(f.Records), fmt.Sprintf("%.0f", f.PeakMB), grouped(int64(f.recordsPerSecond())),
			fmt.Sprintf("%.2f", f.cpuPer100k()), grouped(f.GraphRequests)})
	}
	t.Render()
	fmt.Fprintln(out)
}

func (r report) printAims(out io.Writer) {
	if len(r.Aims) == 0 {
		return
	}
	t := newTable(out, "Aims", "aim", "wanted", "measured", "")
	for _, a := range r.Aims {
		verdict := "missed"
		if a.Met {
			verdict = "ok"
		}
		t.AppendRow(table.Row{a.What, a.Wanted, fmt.Sprintf("%.2f", a.Measured), verdict})
	}
	t.Render()
}

// write saves the report as JSON.
func (r report) write(path string) error {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := os.WriteFile(path, append(body, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func times(n float64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f x", n)
}

func countOrDash(n int64) string {
	if n == 0 {
		return "-"
	}
	return grouped(n)
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

package cost

// App is how the app runs.
type App struct {
	Runs            float64 // of the timer archivelogs a day
	MemoryMB        float64 // of an instance
	RequestsPer10s  float64 // the archive's share of Graph's ceiling, which a run waits for
	SnapshotSeconds float64 // a night, for the directory
}

// Measured with the benchmark's day of archiving: 1,000 and 10,000 users with a run every five
// minutes, 1,000 users with one every fifteen, on a Wednesday, over six streams, three passes,
// seals.
const (
	graphPerDay, graphPerRun, graphPerRecord = 365.0, 7.0, 0.00356
	tablePerDay, tablePerRun                 = 3_590.0, 42.1
	cpuPerRecord                             = 4 * 4.7e-5 // seconds; a record is read four times

	outLines, outBytes = 2.0, 462.0 // of standard output for a run
	answerBytes        = 87.0       // of the line that a run answers
	hostLines          = 3.0        // of the host for a run: that it begins, that answer, that it ended
	hostBytes          = 200.0      // of the two of them that are its own
)

// Assumed.
const (
	otherRuns    = 24 + 1 + 36.0 // a day: indexarchive, purgearchive, snapshotdirectory
	otherSeconds = 5.0           // of such a run

	aroundRow     = 900.0   // bytes of a row's other columns
	requestRow    = 1_100.0 // bytes of the row of a request
	metricRows    = 6.0     // for a run
	metricRow     = 700.0
	counterRows   = 4.0 // performance counters of a minute
	counterRow    = 600.0
	startsPerDay  = 50.0 // of instances
	linesPerStart = 80.0 // seen on the real host
	lineOfStart   = 1_000.0
)

// AppDay is what the app does a day.
type AppDay struct {
	app           App
	GraphRequests float64
	TableRequests float64 // each request to Graph waits for its turn through one, too
	Executions    float64
	Seconds       float64 // that instances work
	records       float64
}

// Day is what the app does on a day with so many new records.
func (a App) Day(records float64) AppDay {
	d := AppDay{app: a, records: records, Executions: a.Runs + otherRuns}
	d.GraphRequests = graphPerDay + a.Runs*graphPerRun + records*graphPerRecord
	d.TableRequests = tablePerDay + a.Runs*tablePerRun + records*tablePerRecord + d.GraphRequests
	// A run is billed for a second at least, and waits for its turns most of the time.
	archiving := max(a.Runs, d.GraphRequests*10/a.RequestsPer10s, records*cpuPerRecord)
	d.Seconds = archiving + otherRuns*otherSeconds + a.SnapshotSeconds
	return d
}

// sharedRequests are those that don't grow with a log's own records.
func (d AppDay) sharedRequests() float64 { return d.TableRequests - d.records*tablePerRecord }

// Requests is what the requests to the tables cost a month.
func (d AppDay) Requests() float64 {
	return d.TableRequests * daysPerMonth / 1e4 * tableRequests
}

// Compute is what Flex Consumption costs a month, after the free grants.
func (d AppDay) Compute() float64 {
	gbSeconds := d.Seconds * daysPerMonth * d.app.MemoryMB / 1024
	executions := d.Executions * daysPerMonth
	return max(0, gbSeconds-FreeGBSeconds)*flexGBSeconds + max(0, executions-FreeExecutions)/1e6*flexExecutions
}

// Logs is what the app's own logs cost a month in Log Analytics.
func (d AppDay) Logs() float64 {
	bytes := 0.0
	for _, part := range d.LogParts() {
		bytes += part.Bytes
	}
	return bytes * daysPerMonth / gb * analyticsGB
}

// LogPart is a kind of row that the app's logs have in Log Analytics.
type LogPart struct {
	What     string
	Rows     float64 // a day
	Bytes    float64 // a day
	Measured string  // what of it was measured; empty: nothing
}

// LogParts lists the rows of a day. None is left out by sampling: host.json excludes traces,
// requests and exceptions from it.
func (d AppDay) LogParts() []LogPart {
	n, minutes := d.Executions, 24*60.0
	if d.app.Runs < 144 { // an instance may be gone ten minutes after a run
		minutes = d.app.Runs * 10
	}
	return []LogPart{
		// A text is in its row twice: as the message, and as the format of it.
		{"lines of standard output", n * outLines, n * (2*outBytes + outLines*aroundRow), "lines, and their bytes"},
		{"the host's lines about a run", n * hostLines, n * (2*(hostBytes+answerBytes) + hostLines*aroundRow),
			"lines, and the answer's bytes"},
		{"requests", n, n * requestRow, "how many"},
		{"metrics of runs", n * metricRows, n * metricRows * metricRow, ""},
		{"performance counters", minutes * counterRows, minutes * counterRows * counterRow, ""},
		{"starts of instances", startsPerDay * linesPerStart, startsPerDay * linesPerStart * lineOfStart,
			"lines of a start"},
	}
}

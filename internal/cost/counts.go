package cost

// Counts is what the ledger counts of an hour, or of a whole log.
type Counts struct {
	Records  int64 // distinct ones
	Versions int64 // earlier contents of records
	Arrived  int64 // contents that were imported or delivered, and not read
	Received int64 // bytes of all contents, as they came
	Stored   int64 // bytes of their rows, as Table Storage counts them
}

// What an archive can hold at most, with room: Graph's ceiling lets no app read more than 43
// million records a day, and no content is stored that has more than 256 MiB.
const (
	mostOfAnHour, mostBytesOfAnHour = 1_000_000_000, 1_000_000_000_000_000
	mostOfALog, mostBytesOfALog     = 10_000_000_000_000, 1_000_000_000_000_000_000

	mostOfAContent = 256 << 20
)

// OfAnHour reports whether one hour of a log can have these counts. If not, they were altered or
// miscounted.
func (c Counts) OfAnHour() bool { return c.within(mostOfAnHour, mostBytesOfAnHour) }

// OfALog reports whether a log can have these counts, however long it was archived.
func (c Counts) OfALog() bool { return c.within(mostOfALog, mostBytesOfALog) }

func (c Counts) within(contents, bytes int64) bool {
	can := func(n, most int64) bool { return n >= 0 && n <= most }
	if !can(c.Records, contents) || !can(c.Versions, contents) || !can(c.Arrived, contents) ||
		!can(c.Received, bytes) || !can(c.Stored, bytes) {
		return false
	}
	// Contents that no read of Graph has met have bytes and are not counted, so an hour of them
	// alone is possible.
	least := max(1, c.contents())
	return c.Received/mostOfAContent < least && c.Stored/mostOfAContent < least
}

func (c Counts) contents() int64 { return c.Records + c.Versions + c.Arrived }

// read are the bytes of what was read: an import does not come again every day. Which of an hour's
// bytes are of arrivals is not counted, so all contents are taken for equally large.
func (c Counts) read() (received, stored float64) {
	received, stored = float64(c.Received), float64(c.Stored)
	if c.Arrived > 0 {
		share := float64(c.Records+c.Versions) / float64(c.contents())
		received, stored = received*share, stored*share
	}
	return received, stored
}

// add sums up two hours. Both have passed OfAnHour, so a week of them does not overflow.
func (c Counts) add(o Counts) Counts {
	return Counts{c.Records + o.Records, c.Versions + o.Versions, c.Arrived + o.Arrived, c.Received + o.Received,
		c.Stored + o.Stored}
}

package derive

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/newest"
)

// The newest successful sign-in of each user: of a day from its records, of a month from its days.
// A day is made once it is settled, like the index; so each record is read for it once. Who asks
// over years reads a month of 100,000 users as 2.5 MB.

// Successes is the view that has, of each day of a log of sign-ins, each user's newest success,
// interactive or not as the log is. Its rows are lists of package newest.
func Successes() View {
	return View{Name: "successes", Version: 1, Unit: Day, When: Settled, Needs: Columns, Aside: true,
		Streams: signsIn, Of: timesOf(succeeded)}
}

// SuccessesByMonth is the view that has the same of each month. It is made of the days.
func SuccessesByMonth() View {
	return View{Name: "successesbymonth", Version: 1, Unit: Month, When: Settled, Aside: true,
		Streams: signsIn, Over: Successes, Of: joinTimes}
}

func signsIn(s entra.Stream) bool { return logs.Of(s).SignsIn }

// succeeded is the user of a sign-in that succeeded.
func succeeded(c Content) []string {
	user, ok := "", false
	for i := range c.Columns {
		switch col := &c.Columns[i]; col.Name {
		case "UserId":
			user = col.Text
		case "ErrorCode":
			ok = col.IsInt && col.Int == 0
		}
	}
	if !ok || user == "" {
		return nil
	}
	return []string{user}
}

// timesOf gives a View.Of that has the newest time of each user that some records are about. A
// record that can't be read says nothing, nor does one in whose place a later content came.
func timesOf(about func(Content) []string) func(Period, iter.Seq[Content]) ([]Row, error) {
	return func(_ Period, contents iter.Seq[Content]) ([]Row, error) {
		times := make(newest.Times)
		for c := range contents {
			if c.Version || c.Problem != "" {
				continue
			}
			for _, id := range about(c) {
				times.Add(strings.ToLower(id), c.Key.Time.Truncate(entra.Tick))
			}
		}
		return rowsOf(times), nil
	}
}

// joinTimes joins rows of days.
func joinTimes(_ Period, rows iter.Seq[Content]) ([]Row, error) {
	times := make(newest.Times)
	for row := range rows {
		if err := times.AddAll(row.Raw); err != nil {
			return nil, err
		}
	}
	return rowsOf(times), nil
}

// perRow is how many users a row has: about 400 kB, less than half of what an entity may have.
const perRow = 16_000

func rowsOf(times newest.Times) []Row {
	out := []Row{}
	for n, packed := range times.Pack(perRow) {
		out = append(out, Row{Key: fmt.Sprintf("%06d", n), Content: packed.Content})
	}
	return out
}

// AddTimes takes in what the rows of Successes, SuccessesByMonth or Restores say, as far as it is
// not before a time.
func AddTimes(to newest.Times, rows []Row, since time.Time) error {
	for _, row := range rows {
		for one, err := range newest.Each(row.Content) {
			if err != nil {
				return fmt.Errorf("read row %s of a view: %w", row.Key, err)
			}
			if !one.At.Before(since) {
				to.Add(one.ID, one.At)
			}
		}
	}
	return nil
}

package cost

import (
	"fmt"

	"github.com/entraledger/entraledger/internal/cost"
	"github.com/entraledger/entraledger/internal/entra"
)

// sum is what is said of all logs together at a destination.
type sum struct {
	to      cost.Destination
	bill    cost.Bill
	volume  cost.Volume
	longest cost.Plan // of the logs that count
	known   int       // logs of which there is an amount
	least   string    // status of the known ones
	refusal string    // why the destination can't keep some of them; empty: it can
	unknown bool      // of some no day is known
	without []entra.Stream
}

func newSum(to cost.Destination) *sum {
	return &sum{to: to, least: measured, without: []entra.Stream{}}
}

// add adds a log, of which the row has the status.
func (s *sum) add(l *ledgerOf, plan cost.Plan, status string) {
	switch {
	case !l.collected && s.to != cost.Archive: // nothing is sent there
	case status == unknown:
		s.unknown, s.without = true, append(s.without, l.stream)
	case status == notCollected:
		held, _ := l.held(plan)
		s.bill = s.bill.Add(held)
	case plan.Refusal(s.to) != "":
		s.refusal, s.without = plan.Refusal(s.to), append(s.without, l.stream)
	default:
		s.known++
		s.bill = s.bill.Add(plan.Of(s.to, l.expect.Day))
		s.volume = s.volume.Add(l.expect.Day)
		if plan.Months > s.longest.Months {
			s.longest = plan
		}
		if status == partial {
			s.least = partial
		}
	}
}

// destination is the answer's row. The app is what keeps the archive.
func (s *sum) destination(app cost.App) destination {
	out := destination{Destination: s.to, Status: s.least, Without: s.without, Shared: []part{}}
	switch {
	case s.known == 0 && s.refusal != "":
		out.Status, out.Reason = notOffered, s.refusal
		return out
	case s.known == 0:
		out.Status, out.Reason = unknown, "of no log that is collected a day is known yet: see the reasons in value"
		return out
	case s.unknown && s.refusal != "":
		out.Status = partial
		out.Reason = fmt.Sprintf("without %v: see the reasons in value", s.without)
	case s.unknown:
		out.Status = partial
		out.Reason = fmt.Sprintf("without %v, of which no day is known: see the reasons in value", s.without)
	case s.refusal != "":
		out.Status = partial
		out.Reason = fmt.Sprintf("without %v: %s", s.without, s.refusal)
	case s.least == partial:
		out.Reason = "some hours of some logs are not counted: see the reasons in value"
	}
	bill := s.bill
	for _, p := range s.longest.Shared(s.to, s.volume, app) {
		bill.USD += p.USD
		out.Shared = append(out.Shared, part{p.Name, dollars(p.USD)})
	}
	out.bill = billOf(bill, s.to != cost.EventHub)
	return out
}

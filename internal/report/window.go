package report

import (
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/odata"
)

// usual is how much of the time before its end a report has where no begin is asked for: what the
// first reports API kept.
const usual = 30 * 24 * time.Hour

// eventTime is the property of every row by which the time is asked for.
const eventTime = "eventTime"

const accepted = "accepted is eventTime gt 2026-11-01 and eventTime lt 2026-11-08T14:00:00Z, or one of the two"

// ReadWindow reads which time a filter asks for. Without a begin it is the last 30 days, and
// without an end all up to now. The only conditions are eventTime gt and eventTime lt, each once,
// as scripts for the first reports API have them (reports/auditEvents?$filter=eventTime gt
// 2015-05-20): any other is an error with entra.CodeBadRequest.
func ReadWindow(filter string, given bool, now time.Time) (Window, error) {
	w, open := Window{To: now}, true
	if given {
		from, to, err := bounds(filter)
		if err != nil {
			return w, err
		}
		w.From = from
		if !to.IsZero() {
			w.To, open = to, false
		}
	}
	if w.From.IsZero() {
		w.From = w.To.Add(-usual)
	}
	switch {
	case w.From.After(now.Add(24 * time.Hour)), open && !w.From.Before(now): // clocks need not agree
		return w, refuse("it begins in the future, of which nothing is archived")
	case !w.From.Before(w.To):
		return w, refuse("its end is not later than its begin")
	}
	return w, nil
}

func refuse(why string) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read $filter", Why: why, Remedy: accepted}
}

// bounds reads the begin and the end; zero: it has none.
func bounds(filter string) (from, to time.Time, err error) {
	if filter == "" {
		return from, to, refuse("it is empty")
	}
	shape, err := odata.ParseShape("", eventTime+":t")
	if err != nil {
		return from, to, err
	}
	n, err := odata.Parse(filter)
	if err == nil {
		err = odata.Check(n, shape)
	}
	if err != nil {
		return from, to, err
	}
	err = collect(n, func(c *odata.Compare) error {
		bound := &from
		switch {
		case c.Value.Kind != odata.Time || c.Path.Var != "" || c.Path.Fold != "":
			return refuse(fmt.Sprintf("%s is compared with what is no time", eventTime))
		case c.Op == "lt":
			bound = &to
		case c.Op != "gt":
			return refuse(fmt.Sprintf("%s %s is not known", eventTime, c.Op))
		}
		if !bound.IsZero() {
			return refuse(fmt.Sprintf("%s %s stands twice", eventTime, c.Op))
		}
		if *bound = c.Value.Time.UTC(); c.Op == "gt" {
			*bound = bound.Add(entra.Tick) // it is not part of the time
		}
		return nil
	})
	return from, to, err
}

// collect calls yield with the conditions of a chain of ands.
func collect(n odata.Node, yield func(*odata.Compare) error) error {
	switch n := n.(type) {
	case *odata.Compare:
		return yield(n)
	case *odata.Logical:
		if n.Or {
			break
		}
		if err := collect(n.L, yield); err != nil {
			return err
		}
		return collect(n.R, yield)
	}
	return refuse("it has more than conditions on " + eventTime + " that are joined by and")
}

package coverage

import (
	"context"

	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/mim"
	"github.com/entraledger/entraledger/internal/web"
)

// Deliveries tells what is known of servers that send a log.
type Deliveries interface {
	Computers(ctx context.Context) ([]mim.Computer, error)
}

// delivery is what is known of one server.
type delivery struct {
	Computer    string     `json:"computer" text:"The server"`
	First       string     `json:"firstDeliveryDateTime,omitempty" text:"When anything of it came first"`
	Last        string     `json:"lastDeliveryDateTime,omitempty" text:"When anything of it came last"`
	Newest      string     `json:"newestEventDateTime,omitempty" text:"Time of its newest event"`
	ReadUntil   string     `json:"readUntilDateTime,omitempty" text:"Its log was read to its end up to then"`
	RecordID    int64      `json:"greatestRecordId" text:"Greatest number of its present log; 0: none came"`
	Events      int64      `json:"events" text:"Events that came, repeated ones included"`
	Duplicates  int64      `json:"duplicates" text:"Events whose request was there"`
	Quarantined int64      `json:"quarantined" text:"Events that were put aside, repeated ones included"`
	Missing     int64      `json:"missing" text:"Numbers between others that did not come"`
	Altered     bool       `json:"altered,omitempty" text:"Its row is not what was written: nothing else is known"`
	Gaps        []numberOf `json:"missingRecordIds,omitempty" text:"Which these are; the oldest ones are only counted"`
}

// numberOf is a span of numbers.
type numberOf struct {
	From   int64  `json:"from" text:"First number"`
	To     int64  `json:"to" text:"Last number"`
	After  string `json:"afterDateTime,omitempty" text:"They were logged after it; absent where that is not known"`
	Before string `json:"beforeDateTime,omitempty" text:"And before it; likewise"`
}

// delivered says what came of a log that is sent: it is never complete, and the numbers of the
// servers' events are all that tells of what is missing.
func (cfg Config) delivered(ctx context.Context, row *stream) error {
	if cfg.Deliveries == nil || !logs.Of(row.Stream).Delivered {
		return nil
	}
	computers, err := cfg.Deliveries.Computers(ctx)
	for _, c := range computers {
		d := delivery{Computer: c.Name, First: web.Time(c.First), Last: web.Time(c.Last), Newest: web.Time(c.Newest),
			ReadUntil: web.Time(c.Read),
			RecordID:  c.Greatest(), Events: c.Events, Duplicates: c.Duplicates, Quarantined: c.Quarantined,
			Missing: c.Missing(), Altered: c.Altered}
		for _, g := range c.Gaps() {
			d.Gaps = append(d.Gaps, numberOf{g.From, g.To, web.Time(g.After), web.Time(g.Before)})
		}
		row.Deliveries = append(row.Deliveries, d)
	}
	return err
}

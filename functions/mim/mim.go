// Package mim is the HTTP function that takes the events of Identity Manager's servers.
package mim

import (
	"context"
	_ "embed"
	"errors"
	"net/http"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/mim/deliveries"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// MostBytes is how long a delivery may be.
const MostBytes = 1 << 20

// Taker takes a delivery, as deliveries.Config does.
type Taker interface {
	Take(ctx context.Context, body []byte, by string) (deliveries.Counts, error)
}

// New makes the function.
func New(take Taker) web.Function {
	f := function{take}
	return web.Function{Name: "mim", Trigger: trigger, Operations: []web.Operation{{
		Method: http.MethodPost, Summary: "Deliver events of Identity Manager",
		Text: "Takes events of the log Identity Manager Request Log: up to 1 MiB at once, as often as " +
			"you like. What is " +
			"there already is counted, and changes nothing.",
		Role: web.RoleIngest, Body: event{}, BodyTitle: "Event",
		BodyText: "Of each event of a JSON array, or of JSON lines; exports of Azure Monitor are taken, too",
		Answers:  web.Shape{Name: "delivered", Is: delivered{}}, Class: web.Long, Do: f.take,
	}}}
}

type function struct{ taker Taker }

// event describes one event of a delivery.
type event struct {
	EventID     int    `json:"EventId" text:"4121: a request; 4137: a part of one"`
	TimeCreated string `json:"TimeCreated" text:"When it was logged, in UTC" format:"date-time"`
	Computer    string `json:"Computer" text:"Whose log has it"`
	RecordID    int    `json:"RecordId" text:"Its number in that log"`
	Message     string `json:"Message" text:"Its text"`
}

// delivered is the answer.
type delivered struct {
	Context     string `json:"@odata.context" text:"What this is"`
	Received    int    `json:"received" text:"Events of the delivery: the sum of those below, but for the last two"`
	Accepted    int    `json:"accepted" text:"Events that are stored now"`
	Duplicate   int    `json:"duplicate" text:"Events whose request, or part, was there"`
	Quarantined int    `json:"quarantined" text:"Events that are no request, put aside with the reason"`
	Waiting     int    `json:"waiting" text:"Parts of requests that wait for the others"`
	Ignored     int    `json:"ignored" text:"Events that say that they are of another log"`
	Records     int    `json:"records" text:"Requests that are new in the archive"`
	Expired     int    `json:"expired"`
}

// Texts are those that are too long for their line.
func (delivered) Texts() map[string]string {
	return map[string]string{
		"expired": "Parts of earlier deliveries that waited for a day, and were put aside now",
	}
}

func (f function) take(ctx context.Context, r web.Request) (web.Answer, error) {
	body, err := r.ReadAll(MostBytes)
	if errors.Is(err, web.ErrBodyTooLong) {
		return web.Answer{}, &entra.Error{Code: entra.CodeBodyTooLarge, Doing: "read the events",
			Why: "the body has more than 1048576 bytes", Remedy: "send fewer events at once"}
	}
	if err != nil {
		return web.Answer{}, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the events",
			Why: "the body could not be read to its end", Remedy: "send it again", Err: err}
	}
	counts, err := f.taker.Take(ctx, body, r.Caller())
	if err != nil {
		return web.Answer{}, err
	}
	return web.Object(delivered{Context: r.Context("delivered"), Received: counts.Received, Accepted: counts.Accepted,
		Duplicate: counts.Duplicate, Quarantined: counts.Quarantined, Waiting: counts.Waiting, Ignored: counts.Ignored,
		Records: counts.Records, Expired: counts.Expired}), nil
}

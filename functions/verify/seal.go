package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/verify"
	"github.com/entraledger/entraledger/internal/web"
)

// entry is what the log of seals has of an hour.
type entry struct {
	Context string       `json:"@odata.context" text:"What this is"`
	Stream  entra.Stream `json:"stream" text:"Which log"`
	Start   string       `json:"startDateTime" text:"First moment of the hour"`
	Number  int64        `json:"entry" text:"Number of the entry, from 0"`
	Size    int64        `json:"logSize" text:"How many entries the log has"`
	Sealed  string       `json:"sealedDateTime" text:"When it was sealed"`
	Leaves  int64        `json:"leaves" text:"Contents that it is of: records and their earlier versions"`
	Root    string       `json:"rootHash" text:"Root of the tree over these"`
	Dates   string       `json:"datesRootHash,omitempty" text:"Root of the tree that has their dates, too"`
	Reason  string       `json:"reason,omitempty" text:"Why it was sealed again, or that it was purged"`
	Text    string       `json:"text"`
	Hash    string       `json:"entryHash" text:"Hash of the entry in the log"`
}

// Texts are those that are too long for their line.
func (entry) Texts() map[string]string {
	return map[string]string{"text": "The entry itself: seven lines, as docs/proof.md describes them"}
}

// sealOperation answers with the newest entry of one hour.
func (cfg Config) sealOperation() web.Operation {
	stream, hour := web.Text("stream", "The log"), web.Text("hour", "A moment of the hour, as 2026-11-21T14:00:00Z")
	stream.Required, hour.Required = true, true
	return web.Operation{Given: "job", Word: "seal", ID: "GetSeal", Summary: "The seal of one hour",
		Text: "The newest entry that the log of seals has of an hour; of a purged one it says that it was dropped.",
		Role: web.RoleRead, Parameters: []web.Parameter{stream, hour},
		Answers: web.Shape{Name: "seal", Is: entry{}}, Incomplete: cfg.noHour, Do: cfg.seal}
}

func (cfg Config) seal(ctx context.Context, r web.Request) (web.Answer, error) {
	asked, archived, err := cfg.asked(ctx, r)
	if err != nil {
		return web.Answer{}, err
	}
	when, err := entra.ParseTime(r.Query.Text("hour"))
	if err != nil || len(asked) != 1 {
		return web.Answer{}, noHour(archived)
	}
	s, size, err := verify.SealOf(ctx, cfg.Evidence, asked[0], when)
	if err != nil {
		return web.Answer{}, err
	}
	out := entry{Context: r.Context("seals/$entity"), Stream: s.Stream, Start: web.Time(s.Start), Number: s.Number,
		Size: size, Sealed: s.SealedAt.UTC().Format(time.RFC3339Nano), Leaves: s.Leaves, Root: s.Root.String(),
		Reason: s.Reason, Text: string(s.Text()), Hash: s.EntryHash().String()}
	if s.Dated {
		out.Dates = s.Dates.String()
	}
	return web.Object(out), nil
}

// noHour is the error of a question for a seal that does not say of which hour.
func (cfg Config) noHour(ctx context.Context, r web.Request) error {
	_, archived, err := cfg.asked(ctx, r)
	if err != nil {
		return err
	}
	return noHour(archived)
}

func noHour(archived []entra.Stream) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: "a seal is of one hour of one log",
		Remedy: fmt.Sprintf("give stream (one of %v) and hour, as 2026-11-21T14:00:00Z", archived)}
}

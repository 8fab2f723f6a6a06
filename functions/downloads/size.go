package downloads

import (
	"context"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/web"
)

const (
	// RecordsASecond is how many records a file gets in a second from an instance of 512 MB, which
	// has a quarter of a core: the slowest form, CSV with all columns, compressed, takes 109
	// microseconds of a whole one a record, which is 2,300 a second. make bench measures that ("A
	// file of all of it").
	RecordsASecond = 2_000
	// longestFile is how long a file may take by that.
	longestFile = 6 * time.Minute
	// MostRecords is how many records a file may have.
	MostRecords = int64(longestFile/time.Second) * RecordsASecond
)

// mostParts bounds the parts that an error names.
const mostParts = 100

// tooLong is the error of a file that would take too long, before its first byte; nil: it would not.
// Each of the parts that it names is a file that does not.
func (cfg Config) tooLong(ctx context.Context, r web.Request, q search.Question) error {
	most := cfg.MostRecords
	if most == 0 {
		most = MostRecords
	}
	hours, err := q.Hours(ctx, cfg.Archive, most)
	if err != nil {
		return err
	}
	all := search.Sum(hours)
	if all <= most {
		return nil
	}
	parts := search.Parts(q.From.UTC(), q.To.UTC(), hours, most)
	out := &web.TooLong{Failed: &entra.Error{Code: entra.CodeTooLong, Doing: "write the file",
		Why: fmt.Sprintf("about %d records have to be read for it, and one file may take %d, in about %s", all, most,
			longestFile),
		Remedy: fmt.Sprintf("ask for its %d parts, one after the other: error.details has their addresses", len(parts))}}
	for i, p := range parts {
		from, to := web.Time(p.From), web.Time(p.To)
		if i == mostParts {
			out.More = len(parts) - mostParts
			break
		}
		text := fmt.Sprintf("from %s to %s, about %d records", from, to, p.Records)
		out.Parts = append(out.Parts, web.Part{Text: text,
			Address: r.Link(map[string]string{"from": from, "to": to})})
	}
	return out
}

package downloads

import (
	"cmp"
	"context"

	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/web"
)

// tooLong is the error of a file that would take too long, before its first byte; nil: it would not.
// Each of the parts that it names is a file that does not.
func (cfg Config) tooLong(ctx context.Context, r web.Request, q search.Question) error {
	most := cmp.Or(cfg.MostRecords, search.MostRecords)
	hours, err := q.Hours(ctx, cfg.Archive, most)
	if err != nil {
		return err
	}
	if search.Sum(hours) <= most {
		return nil
	}
	var parts []web.Part
	named, rest := search.Named(search.Parts(q.From.UTC(), q.To.UTC(), hours, most))
	for _, p := range named {
		parts = append(parts, web.PartOf(r, p.From, p.To, p.Records,
			map[string]string{"from": web.Time(p.From), "to": web.Time(p.To)}))
	}
	return web.TooLongFile(search.Sum(hours), most, search.LongestFile, parts, rest)
}

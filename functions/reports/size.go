package reports

import (
	"cmp"
	"context"
	"fmt"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/web"
)

// tooLong is the error of a report whose file would take too long, before its first byte; nil: it
// would not. Each of the parts that it names is a file that does not.
func (a asked) tooLong(ctx context.Context, r web.Request) error {
	most := cmp.Or(a.cfg.MostRecords, search.MostRecords)
	hours, err := a.cfg.Sources.Hours(ctx, a.Question, most)
	if err != nil || search.Sum(hours) <= most {
		return err
	}
	var parts []web.Part
	named, rest := search.Named(search.Parts(a.Window.From.UTC(), a.Window.To.UTC(), hours, most))
	for _, p := range named {
		filter := fmt.Sprintf("eventTime gt %s and eventTime lt %s", web.Time(p.From.Add(-entra.Tick)), web.Time(p.To))
		parts = append(parts, web.PartOf(r, p.From, p.To, p.Records,
			map[string]string{"$filter": filter, "$format": "csv"})) // it may have been asked for by a header
	}
	return web.TooLongFile(search.Sum(hours), most, search.LongestFile, parts, rest)
}

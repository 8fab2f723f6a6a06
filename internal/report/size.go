package report

import (
	"context"

	"github.com/entraledger/entraledger/internal/search"
)

// Hours are those that have to be read for a question, as the ledger counts the records of its logs:
// none where each log has fewer than enough.
func (s *Sources) Hours(ctx context.Context, q Question, enough int64) ([]search.Hour, error) {
	of, err := s.logs(ctx, q)
	if err != nil {
		return nil, err
	}
	var all [][]search.Hour
	for _, l := range of {
		if !l.archived {
			continue
		}
		asked, err := s.asks(l, q.whole(), false)
		if err != nil {
			return nil, err
		}
		hours, err := asked.Hours(ctx, s.Archive, enough/int64(len(of)))
		if err != nil {
			return nil, err
		}
		all = append(all, hours)
	}
	return search.Together(all...), nil
}

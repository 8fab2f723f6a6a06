package cost

import (
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/purge"
)

// Where the months come from for which a log is kept.
const (
	fromQuery   = "query"   // retentionMonths
	fromSetting = "setting" // ARCHIVE_RETENTION
	fromNowhere = "assumed" // ARCHIVE_RETENTION keeps it forever, of which there is no month after
)

const (
	assumedMonths = 12
	mostMonths    = 1_200 // ARCHIVE_RETENTION accepts 36,500 days
)

// retention says for how long logs are kept.
type retention struct {
	asked int // months, for every log; 0: as the setting says
	rule  purge.Retention
}

// of returns for how many months a log is kept, and where that comes from. An empty stream means
// the logs that the setting does not name. Days become whole months, rounded up: what is dropped
// is whole months, when their last day is old enough.
func (r retention) of(s entra.Stream) (months int, from string) {
	if r.asked > 0 {
		return r.asked, fromQuery
	}
	days := int(r.rule.Of(s) / (24 * time.Hour))
	if days == 0 {
		return assumedMonths, fromNowhere
	}
	return (days*12 + 364) / 365, fromSetting
}

// note puts it in words.
func (r retention) note(logs []ledgerOf) string {
	if r.asked > 0 {
		return fmt.Sprintf("Everything is kept for %d months, as retentionMonths asks.", r.asked)
	}
	var forever []entra.Stream
	for _, l := range logs {
		if _, from := r.of(l.stream); from == fromNowhere {
			forever = append(forever, l.stream)
		}
	}
	const said = "Each log is kept for as long as ARCHIVE_RETENTION says, here and elsewhere, in " +
		"whole months rounded " +
		"up; legal holds are not reckoned."
	if len(forever) == 0 {
		return said
	}
	return fmt.Sprintf("%s It keeps %v for ever: %d months are assumed of them, retentionMonths reckons with others.",
		said, forever, assumedMonths)
}

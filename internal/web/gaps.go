package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// GapsHeader says which parts of what was asked for the archive does not have, and why. It is
// absent where it has all.
const GapsHeader = "X-EntraLedger-Gaps"

const (
	gapsInHeader   = 3
	reasonInHeader = 200 // characters
)

// Gap is a part of the time of which the archive does not have the records.
type Gap struct {
	Start  string `json:"startDateTime" text:"First moment that is not there"`
	End    string `json:"endDateTime" text:"First moment after it"`
	Reason string `json:"reason" text:"Whether it was purged, when and by which rule, or lost for good"`
}

// String is a gap in one line, for a cell.
func (g Gap) String() string { return g.Start + "/" + g.End + " " + g.Reason }

// Gaps writes gaps for answers.
func Gaps(gaps []ledger.Gap) []Gap {
	var out []Gap
	for _, g := range gaps {
		out = append(out, Gap{Time(g.From), Time(g.To), g.Reason})
	}
	return out
}

// SetGaps sets the header: the newest few, in printable ASCII, less than a kilobyte in all.
func SetGaps(h http.Header, gaps []ledger.Gap) {
	if len(gaps) == 0 {
		return
	}
	var parts []string
	for i := len(gaps) - 1; i >= max(0, len(gaps)-gapsInHeader); i-- {
		g := gaps[i]
		span := g.From.UTC().Format(time.RFC3339) + "/" + g.To.UTC().Format(time.RFC3339)
		parts = append(parts, span+" "+entra.Clip(Printable(g.Reason), reasonInHeader))
	}
	text := strings.Join(parts, "; ")
	if more := len(gaps) - len(parts); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	h.Set(GapsHeader, text)
}

// Printable replaces what a header can't hold.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}

package web

import (
	"net/http"

	"github.com/entraledger/entraledger/internal/entra"
)

// HintHeader says what may be why an answer is empty: a value that is nearly a known one. It is
// absent of an answer that has something, and where nothing is near.
const HintHeader = "X-EntraLedger-Hint"

// longestHint is in characters.
const longestHint = 600

// Hinted is said of a list of ours, in which the hint is a field.
type Hinted struct {
	Hint string `json:"hint,omitempty" text:"Only of an empty answer: a value that is nearly a known one; else absent"`
}

// SetHint sets the header, in printable ASCII; an empty hint sets none.
func SetHint(h http.Header, hint string) {
	if hint != "" {
		h.Set(HintHeader, entra.Clip(Printable(hint), longestHint))
	}
}

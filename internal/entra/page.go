package entra

import (
	"errors"
	"time"
)

// Page is one answer of a source: its records in the order in which they came.
type Page struct {
	Records []Parsed
	Date    time.Time // the tenant's clock when it answered; zero where the source does not tell
	Form    string    // the form of the records, as FormV1; empty: the source does not tell

	// Free gives the records' memory back to the source, which uses it for a later page; nil: nothing to give back.
	Free func()
}

// Done tells the source that nothing of the page is used any more.
func (p Page) Done() {
	if p.Free != nil {
		p.Free()
	}
}

// The forms in which Microsoft Graph gives records: the richer one has properties that the other
// lacks.
const (
	FormV1   = "v1.0"
	FormBeta = "beta"
)

// PoorerForm is the poorer one of two forms. A form that nobody knows is poorer than all.
func PoorerForm(a, b string) string {
	richness := map[string]int{FormV1: 1, FormBeta: 2}
	if richness[b] < richness[a] {
		return b
	}
	return a
}

// ErrPagingLost says that a walk through pages can't go on (the paging token expired, or the source repeats
// itself) and has to begin again at the last record that was stored. Nothing is wrong with the stream itself.
var ErrPagingLost = errors.New("paging was lost")

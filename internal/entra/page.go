package entra

import (
	"errors"
	"time"
)

// Page is one answer of a source: its records in the order in which they came.
type Page struct {
	Records []Parsed
	Date    time.Time // the tenant's clock when it answered; zero where the source does not tell

	// Free gives the records' memory back to the source, which uses it for a later page; nil: nothing to give back.
	Free func()
}

// Done tells the source that nothing of the page is used any more.
func (p Page) Done() {
	if p.Free != nil {
		p.Free()
	}
}

// ErrPagingLost says that a walk through pages can't go on (the paging token expired, or the source repeats
// itself) and has to begin again at the last record that was stored. Nothing is wrong with the stream itself.
var ErrPagingLost = errors.New("paging was lost")

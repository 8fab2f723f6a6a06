package web

import (
	"github.com/entraledger/entraledger/internal/records"
	"net/http"
	"strconv"
)

// TamperedHeader says how many records of an answer were altered since they were written. Lists
// leave it out where none was; downloads send it as a trailer.
const TamperedHeader = "X-EntraLedger-Tampered"

// Annotations of a record that was altered. A term has one type: the number in a whole answer is
// another term.
const (
	TamperedAnnotation      = "@entraledger.tampered"      // one sentence: what is wrong with it
	RowKeyAnnotation        = "@entraledger.rowKey"        // its hour
	TamperedCountAnnotation = "@entraledger.tamperedCount" // of a list: how many
)

// OriginAnnotation says of a record that was imported, or delivered, where it came from: the text of
// its entra.Origin.
const OriginAnnotation = "@entraledger.origin"

// SetTampered sets the header.
func SetTampered(h http.Header, n int) {
	if n > 0 {
		h.Set(TamperedHeader, strconv.Itoa(n))
	}
}

// Tampered is the object in place of an altered record: only the id and the time from its row key;
// what the key does not have is left out. None of the row's other cells is shown, because each may
// be what was altered.
func Tampered(rec records.Archived, timeProperty string) []byte {
	out := []byte{'{'}
	if rec.Key.ID != "" {
		out = appendMember(out, "id", rec.Key.ID)
	}
	if !rec.Key.Time.IsZero() {
		out = appendMember(out, timeProperty, Time(rec.Key.Time))
	}
	return append(AppendAnnotations(out, rec), '}')
}

// AppendAnnotations appends what is said of an altered record to an object that is not closed yet.
func AppendAnnotations(object []byte, rec records.Archived) []byte {
	object = appendMember(object, TamperedAnnotation, rec.Tampered)
	return appendMember(object, RowKeyAnnotation, rec.Row)
}

func appendMember(object []byte, name, value string) []byte {
	if object[len(object)-1] != '{' {
		object = append(object, ',')
	}
	return AppendText(append(AppendText(object, name), ':'), value)
}

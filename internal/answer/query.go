package answer

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Streams reads names of streams: each may hold several, with commas between. None means all that are archived.
func Streams(names []string, archived []entra.Stream) ([]entra.Stream, error) {
	var out []entra.Stream
	for _, list := range names {
		for name := range strings.SplitSeq(list, ",") {
			s := entra.Stream(strings.TrimSpace(name))
			if !slices.Contains(archived, s) {
				return nil, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the streams", Why: strconv.Quote(string(s)) + " is not archived",
					Remedy: fmt.Sprintf("archived are %v", archived)}
			}
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	if len(out) == 0 {
		return archived, nil
	}
	return out, nil
}

// Range is a range of time, [From, To). What was not given is zero.
type Range struct{ From, To time.Time }

// ReadRange reads the parameters from and to. A range that ends before it begins, or begins in the future, is refused.
func ReadRange(q url.Values, now time.Time) (Range, error) {
	var out Range
	for name, into := range map[string]*time.Time{"from": &out.From, "to": &out.To} {
		if !q.Has(name) {
			continue
		}
		t, err := time.Parse(time.RFC3339, q.Get(name))
		if err != nil {
			return out, badRange(name, q.Get(name), "accepted is a time such as 2026-11-21T14:00:00Z")
		}
		*into = t.UTC()
	}
	// A day of grace: the clocks of the tenant, the machine and the caller need not agree.
	if out.From.After(now.Add(24 * time.Hour)) {
		return out, badRange("from", q.Get("from"), "it lies in the future, of which nothing is archived")
	}
	if !out.From.IsZero() && !out.To.IsZero() && out.To.Before(out.From) {
		return out, badRange("to", q.Get("to"), "accepted is a time that is not before from")
	}
	return out, nil
}

func badRange(name, value, remedy string) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read the range", Why: fmt.Sprintf("%s is %q", name, value), Remedy: remedy}
}

// Accepted tells where the answer will be. Power Automate and the Azure SDKs ask there again by themselves.
func Accepted(w http.ResponseWriter, location string, v any) {
	w.Header().Set("Location", location)
	w.Header().Set("Retry-After", "1")
	JSON(w, http.StatusAccepted, v)
}

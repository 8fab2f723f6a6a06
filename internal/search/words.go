package search

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/reference"
)

const (
	// nearMiss is how many letters a word may differ from a known one to count as a misspelling. A
	// word that is further from all known ones may be newer than our list.
	nearMiss = 2
	// mostHints is how many words of a filter are hinted at.
	mostHints = 3
)

// Hint says which categories, services and activities of the filter are nearly known ones; empty:
// none is. Texts are compared with regard to case, so where the answer is empty that may be why. It
// is no reason to refuse the filter: the list is Microsoft's manual, and the wire has words that it
// lacks or spells otherwise, such as `Update conditional access policy`.
func (q Question) Hint() string { return strings.Join(q.hints, "; ") }

// hintsOf are the hints about a filter.
func hintsOf(n odata.Node) []string {
	var out []string
	odata.Texts(n, func(path, text string, _ int) {
		if len(out) == mostHints {
			return
		}
		near := Near(text, words(path))
		if hint := fmt.Sprintf("%s '%s' is not among the known ones; did you mean '%s'? "+
			"GET /api/reference/auditActivities lists them", path, entra.Clip(text, 80), near); near != "" &&
			!slices.Contains(out, hint) {
			out = append(out, hint)
		}
	})
	return out
}

// Near is the known word of which a text is a slip of the pen; empty where the text is known
// itself, or is near to none.
func Near(text string, known map[string]bool) string {
	if known[text] {
		return ""
	}
	list := make([]string, 0, len(known))
	for word := range known {
		if abs(len(word)-len(text)) <= nearMiss &&
			(strings.EqualFold(word, text) || odata.Distance(word, text) <= nearMiss) {
			list = append(list, word)
		}
	}
	slices.Sort(list) // of several that are as near the same one is named each time
	return odata.Nearest(text, list)
}

func abs(n int) int { return max(n, -n) }

// words are the known values of a property; nil where it has no list.
func words(path string) map[string]bool {
	pick, ok := map[string]func(reference.Activity) string{
		"category":            func(a reference.Activity) string { return a.Category },
		"loggedByService":     func(a reference.Activity) string { return a.Service },
		"activityDisplayName": func(a reference.Activity) string { return a.Activity },
	}[path]
	if !ok {
		return nil
	}
	out := make(map[string]bool)
	for _, a := range reference.Activities() {
		out[pick(a)] = true
	}
	return out
}

package search

import (
	"fmt"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/reference"
)

// nearMiss is how many letters a word may differ from a known one to count as a misspelling. A word
// that is further from all known ones may be newer than our list.
const nearMiss = 2

// knownWords refuses categories, services and activities of the audit log that are a slip of the
// pen away from a known one: as texts are compared with regard to case, such a filter would find
// nothing, and the caller would not know why.
func knownWords(n odata.Node) error {
	var err error
	odata.Texts(n, func(path, text string, at int) {
		known := words(path)
		if err != nil || len(known) == 0 || known[text] {
			return
		}
		list := make([]string, 0, len(known))
		for word := range known {
			if abs(len(word)-len(text)) <= nearMiss &&
				(strings.EqualFold(word, text) || odata.Distance(word, text) <= nearMiss) {
				list = append(list, word)
			}
		}
		if near := odata.Nearest(text, list); near != "" {
			err = &entra.Error{Code: entra.CodeBadRequest, Doing: "read $filter",
				Why:    fmt.Sprintf("at position %d: no record has the %s %q", at+1, path, entra.Clip(text, 80)),
				Remedy: fmt.Sprintf("did you mean '%s'? GET /api/reference/auditActivities lists what is known", near)}
		}
	})
	return err
}

func abs(n int) int { return max(n, -n) }

// words are the known values of a property.
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

package logs

import (
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
)

// catalogue is made once: pages and records read it a thousand times a second. It is never changed.
var catalogue = newIndex(
	directoryAudits(),
	signInsInteractiveUser(),
	signInsNonInteractiveUser(),
	signInsServicePrincipal(),
	signInsManagedIdentity(),
	provisioning(),
	customSecurityAttributeAudits(),
	identityManager(),
)

type index struct {
	all      []*Log
	byStream map[entra.Stream]described
}

type described struct {
	*Log
	layout *entra.Layout
}

func newIndex(all ...*Log) index {
	out := index{all: all, byStream: make(map[entra.Stream]described, len(all))}
	for _, l := range all {
		layout := &entra.Layout{TimeProperty: l.TimeProperty}
		for _, c := range l.Columns {
			property, path, _ := strings.Cut(c.Path, "/")
			layout.Columns = append(layout.Columns,
				entra.Promotion{Property: property, Path: strings.ReplaceAll(path, "/", "."), Column: c.Name,
					Usual: c.Usual})
		}
		out.byStream[l.Stream] = described{l, layout}
	}
	return out
}

// Package settings is the HTTP function that lists the settings in force: what a reader of the
// archive has to know of how it is kept, without asking who administers the app.
package settings

import (
	"context"
	_ "embed"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// New makes the function. inForce are the settings that this process goes by.
func New(inForce []settings.InForce, now func() time.Time) web.Function {
	do := func(context.Context, web.Request) (web.Answer, error) {
		list := web.List[row]{Of: "settings", AsOf: now(), Value: []row{}}
		for _, s := range inForce {
			list.Value = append(list.Value, rowOf(s))
		}
		list.Count = new(int64(len(list.Value)))
		return list.Answer(), nil
	}
	return web.Function{Name: "settings", Trigger: trigger, Operations: []web.Operation{{
		ID: "ListSettings", Summary: "Which settings are in force",
		Text: "The settings that the app goes by, with their meaning. Secrets are not shown. Nothing is changed here.",
		Role: web.RoleRead,
		Answers: web.Shape{Name: "settings", Rows: row{}, AsOf: true, Count: true,
			Text: "One row a setting"},
		Do: do,
	}}}
}

// row is one setting. Keys without a value are left out.
type row struct {
	Name    string `json:"name" text:"Name of the setting"`
	Value   string `json:"value,omitempty" text:"What holds: as it was given, or the default; a secret is left out"`
	Given   bool   `json:"given" text:"Whether it was given; otherwise the default holds"`
	Hidden  bool   `json:"hidden" text:"Whether it is a secret, which is not shown"`
	Default string `json:"default,omitempty" text:"What holds where it is not given"`
	Meaning string `json:"meaning" text:"What it does"`
	Accepts string `json:"accepts" text:"Which values it may have"`
}

func rowOf(s settings.InForce) row {
	standard := s.Default
	if standard == "" {
		standard = s.Without
	}
	plain := strings.NewReplacer("`", "")
	return row{Name: s.Name, Value: s.Value, Given: s.Given, Hidden: s.Hidden, Default: plain.Replace(standard),
		Meaning: plain.Replace(s.Meaning), Accepts: plain.Replace(s.Accepts)}
}

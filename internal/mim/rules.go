package mim

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The reports.
const (
	PasswordReset        = "mim-password-reset"
	PasswordRegistration = "mim-password-registration"
	GroupActivity        = "mim-group-activity"
)

// rulesFile says which request makes a row of which report, and what may not be stored. No sample of
// a password reset was ever published, so it is data, to be mended where a server shows otherwise.
//
//go:embed rules.json
var rulesFile []byte

// Rules are the data by which an event becomes a record, and a record rows. All texts are compared
// without regard to case.
type Rules struct {
	Version int                 `json:"version"`
	Redact  []string            `json:"redact"`  // properties whose values are removed
	Reports map[string][]When   `json:"reports"` // of each report the requests that it is of: any of them
	Results []resultRule        `json:"results"` // of a reset: the first that fits
	Changes []changeRule        `json:"changes"` // of a registration: the first that fits
	Actions []actionRule        `json:"groupActions"`
	Gates   []gateRule          `json:"gates"`
	Texts   []string            `json:"gateTexts"` // properties whose values name a gate
	Entra   map[string][]string `json:"entra"`     // of each report the activities of Entra's own audits
}

// When is a condition on a request: all of its parts hold. An empty part holds.
type When struct {
	Operation []string `json:"operation"`
	Target    []string `json:"targetObjectType"`
	Touches   []string `json:"touches"` // any of these properties is among its parameters
}

type resultRule struct {
	Touches string   `json:"touches"`
	Mode    []string `json:"mode"`
	Status  []string `json:"status"`
	Result  string   `json:"result"`
}

type changeRule struct {
	Operation string   `json:"operation"`
	Touches   []string `json:"touches"`
	Mode      []string `json:"mode"`
	Change    string   `json:"change"`
}

type actionRule struct {
	Operation string   `json:"operation"`
	Property  string   `json:"property"`
	Mode      []string `json:"mode"`
	Action    string   `json:"action"`
}

type gateRule struct {
	Gate       string   `json:"gate"`
	Words      []string `json:"words"`
	Properties []string `json:"properties"`
}

// Shipped are the rules that the program comes with.
func Shipped() (*Rules, error) { return ParseRules(rulesFile) }

// ParseRules reads rules. A name that nothing reads is an error, so that a slip changes nothing in
// silence.
func ParseRules(data []byte) (*Rules, error) {
	var out Rules
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("read the rules of Identity Manager's reports: %w", err)
	}
	for _, name := range []string{PasswordReset, PasswordRegistration, GroupActivity} {
		if len(out.Reports[name]) == 0 {
			return nil, fmt.Errorf("read the rules of Identity Manager's reports: %s has none", name)
		}
	}
	return &out, nil
}

// among reports whether a text is one of several; none of several lets every text through.
func among(text string, several []string) bool {
	return len(several) == 0 || has(text, several)
}

// has reports whether a text is one of several.
func has(text string, several []string) bool {
	return slices.ContainsFunc(several, func(one string) bool { return strings.EqualFold(one, text) })
}

// holds tells whether a request fulfils the condition.
func (w When) holds(r request) bool {
	return among(r.operation, w.Operation) && among(r.targetType, w.Target) &&
		(len(w.Touches) == 0 || slices.ContainsFunc(r.parameters, func(p parameter) bool {
			return has(p.property, w.Touches)
		}))
}

// Targets are the types of what the requests of a report are about; nil: any.
func (r *Rules) Targets(report string) []string {
	var out []string
	for _, when := range r.Reports[report] {
		if len(when.Target) == 0 {
			return nil
		}
		for _, kind := range when.Target {
			if !has(kind, out) {
				out = append(out, kind)
			}
		}
	}
	return out
}

// makes tells whether a request makes rows of a report.
func (r *Rules) makes(report string, of request) bool {
	return slices.ContainsFunc(r.Reports[report], func(w When) bool { return w.holds(of) })
}

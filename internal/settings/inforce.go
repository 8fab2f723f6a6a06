package settings

import "strings"

// InForce is a setting with the value that this process goes by.
type InForce struct {
	Setting
	// Value is as it was given, or else the default; empty: there is none, or it is not shown.
	Value string
	Given bool // it was given
	// Hidden values are secrets.
	Hidden bool
}

// secrets are the settings whose values are not shown.
func secrets() []string { return []string{"ARCHIVE_STORAGE"} }

// Show returns the settings that a person chooses, and the schedules, as getenv has them.
func Show(getenv func(string) string) []InForce {
	var out []InForce
	for _, s := range append(All(), Schedules()...) {
		v := InForce{Setting: s, Value: strings.TrimSpace(getenv(s.Name))}
		v.Given = v.Value != ""
		for _, secret := range secrets() {
			v.Hidden = v.Hidden || s.Name == secret
		}
		switch {
		case v.Hidden:
			v.Value = ""
		case !v.Given:
			v.Value = s.Default
		}
		out = append(out, v)
	}
	return out
}

package settings

import (
	"net/url"
	"strings"
)

// InForce is a setting with the value that this process goes by.
type InForce struct {
	Setting
	// Value is as it was given, or else the default; empty: there is none, or it is not shown.
	Value string
	Given bool // it was given
	// Hidden values are secrets.
	Hidden bool
}

// Show returns the settings that a person chooses, and the schedules, as getenv has them.
func Show(getenv func(string) string) []InForce {
	var out []InForce
	for _, s := range append(All(), Schedules()...) {
		v := InForce{Setting: s, Value: strings.TrimSpace(getenv(s.Name)), Hidden: s.Secret}
		v.Given = v.Value != ""
		v.Hidden = v.Hidden || holdsKey(v.Value)
		switch {
		case v.Hidden:
			v.Value = ""
		case !v.Given:
			v.Value = s.Default
		default:
			v.Value = bare(v.Value)
		}
		out = append(out, v)
	}
	return out
}

// holdsKey tells whether a value is a connection string with a key, wherever somebody put it. Source:
// learn.microsoft.com/azure/storage/common/storage-configure-connection-string.
func holdsKey(value string) bool {
	low := strings.ToLower(value)
	return strings.Contains(low, "accountkey=") || strings.Contains(low, "sharedaccesssignature=") ||
		strings.Contains(low, "sharedaccesskey=")
}

// bare is a value without what may be secret in an address: a name and a password, or a query, as a
// shared access signature is. Whatever else was given is as it was.
func bare(value string) string {
	at, err := url.Parse(value)
	if err != nil || at.Host == "" || at.User == nil && at.RawQuery == "" && at.Fragment == "" {
		return value
	}
	return at.Scheme + "://" + at.Host + at.EscapedPath() + " (the rest is not shown)"
}

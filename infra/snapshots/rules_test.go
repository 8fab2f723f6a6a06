package snapshots_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rule is what must be true of every case. It returns the violations.
type rule func(s *snapshot) []string

// rules are all of them, by what they promise.
func rules() map[string]rule {
	out := map[string]rule{}
	for _, some := range []map[string]rule{securityRules, appRules, nameRules, networkRules, monitoringRules} {
		maps.Copy(out, some)
	}
	return out
}

// want reports a resource's property with another value than required.
func want(r *predicted, path string, wanted any) []string {
	if got := r.at(path); !reflect.DeepEqual(got, wanted) {
		return []string{fmt.Sprintf("%s: %s is %v, not %v", r.name(), path, got, wanted)}
	}
	return nil
}

// wantAll is want for several properties.
func wantAll(r *predicted, wanted map[string]any) []string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(wanted)) {
		out = append(out, want(r, path, wanted[path])...)
	}
	return out
}

// wantCount reports a case with another number of resources of a type.
func wantCount(s *snapshot, kind string, wanted int) []string {
	if got := len(s.of(kind)); got != wanted {
		return []string{fmt.Sprintf("%s: there are %d, not %d", kind, got, wanted)}
	}
	return nil
}

func TestEveryCaseKeepsEveryRule(t *testing.T) {
	for name := range cases {
		s := load(t, name)
		for about, check := range rules() {
			require.Empty(t, check(s), "%s: %s", name, about)
		}
	}
}

// TestEveryRuleSeesWhatBreaksIt breaks a case, one resource at a time: the rule for it must report
// it.
func TestEveryRuleSeesWhatBreaksIt(t *testing.T) {
	all, tried := rules(), map[string]bool{}
	for _, m := range slices.Concat(securityBreaks, appBreaks, nameBreaks, networkBreaks, monitoringBreaks) {
		require.Contains(t, all, m.rule)
		tried[m.rule] = true
		s := load(t, m.name)
		require.True(t, m.do(s), "%s: %s: there is nothing to break", m.rule, m.what)
		require.NotEmpty(t, all[m.rule](s), "%s: %s goes unseen", m.rule, m.what)
	}
	for about := range all {
		require.True(t, tried[about], "nothing shows that this rule sees anything: %s", about)
	}
}

// breaking is a change to a case that a rule has to see. do reports whether there was something to
// change.
type breaking struct {
	rule, name, what string
	do               func(s *snapshot) bool
}

// set changes a property of every resource of a type; path as in at. A nil value deletes it.
func set(kind, path string, v any) func(*snapshot) bool {
	return func(s *snapshot) bool {
		found := s.of(kind)
		for _, r := range found {
			if r.Properties == nil {
				r.Properties = map[string]any{}
			}
			put(r.Properties, path, v)
		}
		return len(found) > 0
	}
}

// change changes every resource of a type.
func change(kind string, do func(r *predicted)) func(*snapshot) bool {
	return func(s *snapshot) bool {
		found := s.of(kind)
		for _, r := range found {
			do(r)
		}
		return len(found) > 0
	}
}

// drop deletes the first resource of a type whose name ends so.
func drop(kind, ending string) func(*snapshot) bool {
	return func(s *snapshot) bool {
		i := slices.IndexFunc(s.Resources, func(r predicted) bool {
			return r.Type == kind && strings.HasSuffix(r.name(), ending)
		})
		if i >= 0 {
			s.Resources = slices.Delete(s.Resources, i, i+1)
		}
		return i >= 0
	}
}

// add adds a resource.
func add(r predicted) func(*snapshot) bool {
	return func(s *snapshot) bool {
		s.Resources = append(s.Resources, r)
		return true
	}
}

// setting changes a setting of the app, or adds it.
func setting(name, value string) func(*snapshot) bool {
	return change(sites, func(r *predicted) {
		list := r.list("siteConfig.appSettings")
		for _, v := range list {
			if s, ok := v.(map[string]any); ok && s["name"] == name {
				s["value"] = value
				return
			}
		}
		put(r.Properties, "siteConfig.appSettings", append(list, map[string]any{"name": name, "value": value}))
	})
}

// unset deletes a setting.
func unset(name string) func(*snapshot) bool {
	return change(sites, func(r *predicted) {
		list := slices.DeleteFunc(r.list("siteConfig.appSettings"), func(v any) bool {
			s, ok := v.(map[string]any)
			return ok && s["name"] == name
		})
		put(r.Properties, "siteConfig.appSettings", list)
	})
}

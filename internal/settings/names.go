package settings

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
)

// slip is how many letters a name may be off one of ours and be held for it.
const slip = 2

// prefixes are those of this app's settings.
func prefixes() []string {
	return []string{"ARCHIVE_", "SNAPSHOT_", "INDEX_", "PURGE_", "GRAPH_", "INACTIVE_", "PUBLIC_", "MIM_", "HTTP_"}
}

// anybodys are names, and what begins with them and an underscore, with a prefix of ours that other
// programs read: proxies, and what hosts of web servers set.
func anybodys() []string {
	return []string{"HTTP_PROXY", "HTTP_HOST", "HTTP_PORT", "HTTP_PORTS", "HTTP_PLATFORM", "HTTP_LOGGING",
		"HTTP_WORKER"}
}

// ours tells whether an unknown name may be a setting of a newer release.
func ours(name string) bool {
	return slices.ContainsFunc(prefixes(), func(p string) bool { return strings.HasPrefix(name, p) }) &&
		!slices.ContainsFunc(anybodys(), func(n string) bool { return name == n || strings.HasPrefix(name, n+"_") })
}

// CheckNames looks for settings that nobody reads, in what os.Environ gives; getenv reads one. A
// name that is almost one of ours is an error, one line each: what it was to say does not hold, and
// with a legal hold that is past mending. unknown are other names with a prefix of ours: a setting
// of a newer release must not stop this one.
func CheckNames(environ []string, getenv func(string) string) (unknown []string, _ error) {
	var errs []error
	known := append(All(), Schedules()...)
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		near, letters := nearest(name, known)
		switch {
		case near == name, letters == 0 && getenv(near) == value: // the platform may not tell cases apart
		case letters <= slip:
			errs = append(errs, fmt.Errorf("setting %s is none that is read: it seems to be meant as %s; "+
				"rename it, or remove it", name, near))
		case ours(name):
			unknown = append(unknown, entra.Clip(name, 80))
		}
	}
	slices.Sort(unknown)
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return slices.Compact(unknown), errors.Join(errs...)
}

// nearest is the setting whose name is the least letters off, whatever their case.
func nearest(name string, ours []Setting) (near string, letters int) {
	letters = math.MaxInt
	for _, s := range ours {
		if s.Name == name {
			return name, 0
		}
		if longer := len(name) - len(s.Name); longer < -slip || longer > slip {
			continue
		}
		if d := distance(strings.ToUpper(name), strings.ToUpper(s.Name)); d < letters {
			near, letters = s.Name, d
		}
	}
	return near, letters
}

// distance is how many letters have to be changed, added, left out, or swapped with the next one.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

package timeline

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatAVersionBeforeDidNotTellOfTextsIsNotNew: a snapshot of a version before says nothing of
// texts, and leaves the marks of them as they are.
func TestWhatAVersionBeforeDidNotTellOfTextsIsNotNew(t *testing.T) {
	const before = "a version before"
	for name, c := range map[string]struct {
		days    []string // the department
		entered int      // of users in Sales; 0: it is not among them
	}{
		"it learns of it":                          {[]string{before, before, "Sales", "sales"}, 1},
		"it learns of another":                     {[]string{before, before, "HR", "HR"}, 0},
		"it learns of another, which then ends":    {[]string{before, "HR", "HR", "Sales"}, 4},
		"a version before between":                 {[]string{"Sales", before, "Sales", "Sales"}, 1},
		"a version before between, and a change":   {[]string{"HR", before, "Sales", "Sales"}, 2},
		"a change before it":                       {[]string{"HR", "Sales", before, "Sales"}, 2},
		"there and back":                           {[]string{"Sales", "HR", "Sales", "Sales"}, 3},
		"there and back, a version before between": {[]string{"Sales", "HR", before, "Sales"}, 3},
		"it went":  {[]string{"Sales", "Sales", "Sales", ""}, 0},
		"it came":  {[]string{"", "", "Sales", "SALES"}, 3},
		"it stays": {[]string{"Sales", "Sales", "Sales", "Sales"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			on := daily(t, len(c.days))
			var line User
			for n, department := range c.days {
				seen := UserSeen{Name: "ada@contoso.com", Texts: UserTexts{Department: department}}
				so := daily(t, n+1)
				next, err := line.Next(so, &seen)
				require.NoError(t, err)
				if department == before {
					at := line.item.marks
					if at == nil {
						at = []mark{}
					}
					next.item.marks = put(slices.Clone(at), mark{hashOf(seen.Name), n + 1})
				}
				line = next
			}
			asked, err := UserQuestion{Texts: &UserTexts{Department: "Sales"}}.On(on)
			require.NoError(t, err)
			entered, ok := asked.Entered(line)
			require.Equal(t, c.entered > 0, ok)
			if ok {
				require.Equal(t, c.entered, entered)
			}
		})
	}
}

// TestAVersionBeforeReadsTimelinesWithTexts: they have no property that it does not know, and a
// question that it knew has the identity that it had.
func TestAVersionBeforeReadsTimelinesWithTexts(t *testing.T) {
	on := daily(t, 1)
	line, err := User{}.Next(on, &UserSeen{Name: "ada@contoso.com",
		Texts: UserTexts{"Sales", "contoso.com", "Accepted"}})
	require.NoError(t, err)
	text, err := json.Marshal(line)
	require.NoError(t, err)
	var properties map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &properties))
	require.Equal(t, []string{"f", "m", "n", "u"}, slices.Sorted(maps.Keys(properties)))

	body, err := json.Marshal(UserQuestion{})
	require.NoError(t, err)
	require.NotContains(t, string(body), "Texts")
	ids := map[string]bool{UserQuestion{}.ID(): true}
	for _, texts := range []UserTexts{{Department: "a"}, {Domain: "a"}, {ExternalState: "a"}, {Domain: "b"}} {
		ids[UserQuestion{Texts: &texts}.ID()] = true
	}
	require.Len(t, ids, 5)
	require.Equal(t, UserQuestion{Texts: &UserTexts{Department: "SALES"}}.ID(),
		UserQuestion{Texts: &UserTexts{Department: "sales"}}.ID())
}

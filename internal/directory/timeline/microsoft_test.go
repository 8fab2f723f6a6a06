package timeline

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatAVersionBeforeDidNotKnowIsNotNew: two snapshots are of a version that did not tell whose
// a credential is, and two are of this one.
func TestWhatAVersionBeforeDidNotKnowIsNotNew(t *testing.T) {
	gone := new(CredentialSeen)
	before := CredentialSeen{Secret: true, Object: "object", Start: noon(-20), End: noon(400)}
	known := func(microsoft bool) *CredentialSeen {
		c := before
		c.TenantKnown, c.Microsoft, c.RenewedByMicrosoft = true, microsoft, microsoft
		return &c
	}
	signs := func() *CredentialSeen { // SAML tokens, so that somebody here renews it
		c := *known(true)
		c.RenewedByMicrosoft = false
		return &c
	}
	doubtful := func(microsoft bool) *CredentialSeen {
		c := *known(microsoft)
		c.Doubt = true
		return &c
	}
	for name, c := range map[string]struct {
		days    []*CredentialSeen
		entered map[Microsoft]int // no entry: it is not in the answer
	}{
		"Microsoft's": {[]*CredentialSeen{&before, &before, known(true), known(true)},
			map[Microsoft]int{WithMicrosoft: 1, OnlyMicrosoft: 1}},
		"another's": {[]*CredentialSeen{&before, &before, known(false), known(false)},
			map[Microsoft]int{WithMicrosoft: 1, "": 1}},
		"Microsoft's, and new": {[]*CredentialSeen{gone, gone, gone, known(true)},
			map[Microsoft]int{WithMicrosoft: 4, OnlyMicrosoft: 4}},
		"not known yet": {[]*CredentialSeen{&before, &before, &before, &before},
			map[Microsoft]int{WithMicrosoft: 1, "": 1}},
		"it became Microsoft's": {[]*CredentialSeen{&before, known(false), known(true), known(true)},
			map[Microsoft]int{WithMicrosoft: 1, OnlyMicrosoft: 3}},
		"and was so no longer": {[]*CredentialSeen{&before, known(true), known(true), known(false)},
			map[Microsoft]int{WithMicrosoft: 1, "": 4}},
		"a version before took a snapshot between": {[]*CredentialSeen{known(true), &before, known(true), known(true)},
			map[Microsoft]int{WithMicrosoft: 1, OnlyMicrosoft: 1}},
		"its service principal may not have come": {[]*CredentialSeen{known(true), doubtful(false), known(true),
			known(true)}, map[Microsoft]int{WithMicrosoft: 1, OnlyMicrosoft: 1}},
		"that it signs SAML tokens may not have come": {[]*CredentialSeen{known(false), doubtful(true), known(false),
			known(false)}, map[Microsoft]int{WithMicrosoft: 1, "": 1}},
		"Microsoft's, and signs": {[]*CredentialSeen{&before, signs(), signs(), signs()},
			map[Microsoft]int{WithMicrosoft: 1, OnlyMicrosoft: 1, "": 1}},
		"it is new, and signs": {[]*CredentialSeen{gone, gone, signs(), signs()},
			map[Microsoft]int{WithMicrosoft: 3, OnlyMicrosoft: 3, "": 3}},
		"it signs since": {[]*CredentialSeen{known(true), known(true), signs(), signs()},
			map[Microsoft]int{WithMicrosoft: 1, OnlyMicrosoft: 1, "": 3}},
		"in doubt nothing is learned": {[]*CredentialSeen{&before, doubtful(true), known(false), known(false)},
			map[Microsoft]int{WithMicrosoft: 1, "": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			on := daily(t, len(c.days))
			line := lived(t, on, Credential.Next, gone, c.days...)
			for _, m := range []Microsoft{"", WithMicrosoft, OnlyMicrosoft} {
				asked, err := CredentialQuestion{Microsoft: m}.On(on)
				require.NoError(t, err)
				entered, ok := asked.Entered(line)
				require.Equal(t, c.entered[m] > 0, ok, "%q", m)
				if ok {
					require.Equal(t, c.entered[m], entered, "%q", m)
				}
			}
		})
	}
}

// TestAVersionBeforeReadsTheTimelinesOfThisOne: they have no property that it does not know, and a
// question that it knew has the identity that it had.
func TestAVersionBeforeReadsTheTimelinesOfThisOne(t *testing.T) {
	on := daily(t, 1)
	line, err := Credential{}.Next(on, &CredentialSeen{TenantKnown: true, Microsoft: true, RenewedByMicrosoft: true,
		Start: noon(0)})
	require.NoError(t, err)
	text, err := json.Marshal(line)
	require.NoError(t, err)
	var properties map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &properties))
	require.Equal(t, []string{"b", "e", "f", "n"}, slices.DeleteFunc(slices.Sorted(maps.Keys(properties)),
		func(name string) bool { return name == "u" || name == "m" }))
	require.Equal(t, "224", string(properties["b"]), "bits beside those of the version before")

	body, err := json.Marshal(CredentialQuestion{})
	require.NoError(t, err)
	require.NotContains(t, string(body), "Microsoft")
	require.NotEqual(t, CredentialQuestion{}.ID(), CredentialQuestion{Microsoft: OnlyMicrosoft}.ID())
	require.NotEqual(t, CredentialQuestion{Microsoft: WithMicrosoft}.ID(),
		CredentialQuestion{Microsoft: OnlyMicrosoft}.ID())
}

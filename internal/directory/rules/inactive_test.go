package rules_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/entra"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

var now = at("2026-11-21T12:00:00Z")

func TestSinceWhenAUserIsInactive(t *testing.T) {
	disclosed := rules.Evidence{Disclosed: true}
	cases := []struct {
		name     string
		user     string // without its id
		evidence rules.Evidence
		known    bool
		since    string
		by       rules.Basis
		never    bool
		says     string
	}{
		{"signed in", `"signInActivity":{"lastSuccessfulSignInDateTime":"2026-11-01T08:00:00Z","lastSignInDateTime":"2026-11-20T08:00:00Z"}`,
			disclosed, true, "2026-11-01T08:00:00Z", rules.BySuccess, false, "1 November 2026"},
		{"the archive knows a newer success", `"signInActivity":{"lastSuccessfulSignInDateTime":"2026-11-01T08:00:00Z"}`,
			rules.Evidence{Disclosed: true, Archived: at("2026-11-20T08:00:00Z")}, true, "2026-11-20T08:00:00Z",
			rules.ByArchive, false, "archive"},
		{"the archive knows an older one", `"signInActivity":{"lastSuccessfulSignInDateTime":"2026-11-01T08:00:00Z"}`,
			rules.Evidence{Disclosed: true, Archived: at("2026-10-20T08:00:00Z")}, true, "2026-11-01T08:00:00Z",
			rules.BySuccess, false, ""},
		{"never, and new", `"createdDateTime":"2026-11-15T00:00:00Z"`, disclosed, true, "2026-11-15T00:00:00Z",
			rules.ByCreation, true, "never signed in"},
		{"never, null everywhere", `"createdDateTime":"2025-01-01T00:00:00Z","signInActivity":{"lastSuccessfulSignInDateTime":null,"lastSignInDateTime":null}`,
			disclosed, true, "2025-01-01T00:00:00Z", rules.ByCreation, true, ""},
		{"never, the property is null", `"createdDateTime":"2025-01-01T00:00:00Z","signInActivity":null`, disclosed,
			true, "2025-01-01T00:00:00Z", rules.ByCreation, true, ""},
		{"never, empty texts", `"createdDateTime":"2025-01-01T00:00:00Z","signInActivity":{"lastSuccessfulSignInDateTime":"","lastSignInDateTime":""}`,
			disclosed, true, "2025-01-01T00:00:00Z", rules.ByCreation, true, ""},
		{"never, year 1", `"createdDateTime":"2025-01-01T00:00:00Z","signInActivity":{"lastSuccessfulSignInDateTime":"0001-01-01T00:00:00Z","lastSignInDateTime":"0001-01-01T00:00:00Z","lastSignInRequestId":""}`,
			disclosed, true, "2025-01-01T00:00:00Z", rules.ByCreation, true, ""},
		{"failed attempts only, account from before successes were recorded",
			`"createdDateTime":"2020-01-01T00:00:00Z","signInActivity":{"lastSignInDateTime":"2026-11-20T08:00:00Z"}`,
			disclosed, true, "2023-12-01T00:00:00Z", rules.ByNoSuccess, true, "failed"},
		{"failed attempts only, newer account", `"createdDateTime":"2026-08-01T00:00:00Z","signInActivity":{"lastNonInteractiveSignInDateTime":"2026-11-20T08:00:00Z"}`,
			disclosed, true, "2026-08-01T00:00:00Z", rules.ByCreation, true, "failed"},
		{"last success before December 2023", `"createdDateTime":"2020-01-01T00:00:00Z","signInActivity":{"lastSignInDateTime":"2023-05-01T08:00:00Z","lastNonInteractiveSignInDateTime":"2023-06-01T08:00:00Z"}`,
			disclosed, true, "2023-06-01T08:00:00Z", rules.ByAttempt, false, "before Microsoft recorded"},
		{"an account of old without a date", `"createdDateTime":null`, disclosed, true, "2018-06-01T00:00:00Z",
			rules.ByOldAccount, true, "June 2018"},
		{"a guest who never accepted", `"userType":"Guest","createdDateTime":"2026-02-01T00:00:00Z","externalUserState":"PendingAcceptance"`,
			disclosed, true, "2026-02-01T00:00:00Z", rules.ByCreation, true, "never accepted"},
		{"nothing disclosed", `"createdDateTime":"2020-01-01T00:00:00Z"`,
			rules.Evidence{WhyNot: "the tenant has no P1 licence"}, false, "", rules.ByNothing, false, "P1"},
		{"nothing disclosed, and no word why", `"createdDateTime":"2020-01-01T00:00:00Z"`, rules.Evidence{}, false, "",
			rules.ByNothing, false, "does not disclose"},
		{"nothing disclosed, but archived", `"createdDateTime":"2020-01-01T00:00:00Z"`,
			rules.Evidence{Archived: at("2026-11-20T08:00:00Z"), ReachesBack: at("2026-11-20T08:00:00Z")},
			true, "2026-11-20T08:00:00Z", rules.ByArchive, false, "and every sign-in since then"},
		{"nothing disclosed, and the archive has not all since", `"createdDateTime":"2020-01-01T00:00:00Z"`,
			rules.Evidence{Archived: at("2026-11-20T08:00:00Z"), ReachesBack: at("2026-11-20T09:00:00Z")},
			false, "", rules.ByNothing, false, "the archive does not have all that came after"},
		{"nothing disclosed, and the archive has a part", `"createdDateTime":"2020-01-01T00:00:00Z"`,
			rules.Evidence{Archived: at("2026-11-20T08:00:00Z")}, false, "", rules.ByNothing, false,
			"20 November 2026"},
		{"left out, and known before", `"createdDateTime":"2020-01-01T00:00:00Z"`,
			rules.Evidence{Earlier: at("2026-11-20T08:00:00Z"), Archived: at("2026-05-01T08:00:00Z")},
			false, "", rules.ByNothing, false, "20 November 2026"},
		{"left out, known before, and the archive has all since", `"createdDateTime":"2020-01-01T00:00:00Z"`,
			rules.Evidence{Earlier: at("2026-11-20T08:00:00Z"), ReachesBack: at("2026-05-01T08:00:00Z")},
			true, "2026-11-20T08:00:00Z", rules.BySuccess, false, "none that is newer"},
		{"not all logs are archived", `"createdDateTime":"2020-01-01T00:00:00Z"`,
			rules.Evidence{Disclosed: true, Unarchived: "signIns.nonInteractiveUser"}, true, "2020-01-01T00:00:00Z",
			rules.ByCreation, true, "but not all sign-ins: signIns.nonInteractiveUser is not archived"},
		{"an older success in the archive", `"createdDateTime":"2020-01-01T00:00:00Z",
			"signInActivity":{"lastSuccessfulSignInDateTime":"2026-11-01T08:00:00Z"}`,
			rules.Evidence{Disclosed: true, Archived: at("2026-05-01T08:00:00Z")}, true, "2026-11-01T08:00:00Z",
			rules.BySuccess, false, ""},
		{"another time zone", `"signInActivity":{"lastSuccessfulSignInDateTime":"2026-11-01T01:00:00+02:00"}`,
			disclosed, true, "2026-10-31T23:00:00Z", rules.BySuccess, false, "31 October"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			u, err := rules.ParseUser([]byte(`{"id":"u",` + c.user + `}`))
			require.NoError(t, err)
			d := rules.Decide(u, c.evidence)
			require.Equal(t, c.known, d.Known)
			if c.known {
				require.Equal(t, at(c.since), d.Since)
			}
			require.Equal(t, c.by, d.By)
			require.Equal(t, c.never, d.Never)
			require.Contains(t, d.Reason, c.says)
			require.False(t, !d.Known && d.Inactive(now), "what is unknown is not inactive")
		})
	}
}

func TestTheBoundaryBelongsToTheActive(t *testing.T) {
	d := rules.Decision{Known: true, Since: at("2026-08-23T12:00:00Z")}
	cutoff := now.Add(-90 * 24 * time.Hour)
	require.Equal(t, cutoff, d.Since)
	require.False(t, d.Inactive(cutoff))
	require.False(t, d.Inactive(cutoff.Add(entra.Tick-1)), "keys and timelines know no finer time")
	require.True(t, d.Inactive(cutoff.Add(entra.Tick)))
	for offset, want := range map[time.Duration]int{0: 89, -1: 90, -entra.Tick: 90, 24 * time.Hour: 88} {
		moved := rules.Decision{Known: true, Since: cutoff.Add(offset)}
		require.Equal(t, want, moved.InactiveFor(now), "%s", offset)
		require.True(t, moved.Inactive(rules.DaysBefore(now, want)))
		require.False(t, moved.Inactive(rules.DaysBefore(now, want+1)))
	}
	require.Equal(t, -1, rules.Decision{}.InactiveFor(now))
	require.Zero(t, rules.Decision{Known: true, Since: now.Add(time.Hour)}.InactiveFor(now))
	require.Equal(t, 90, d.DaysInactive(now))
	require.Equal(t, 0, d.DaysInactive(at("2026-08-01T00:00:00Z")))
}

func TestAUserIsReadAsGraphHasIt(t *testing.T) {
	u, err := rules.ParseUser([]byte(`{"id":"u1","userPrincipalName":"a@b","displayName":"=Ä","mail":null,"accountEnabled":true,"userType":"Member",
		"createdDateTime":"2020-01-02T03:04:05Z","assignedLicenses":[{"disabledPlans":[],"skuId":"s1"},{"skuId":"s2"}],"onPremisesSyncEnabled":true,"department":"X"}`))
	require.NoError(t, err)
	require.Equal(t, rules.User{ID: "u1", UserPrincipalName: "a@b", DisplayName: "=Ä", Department: "X",
		UserType: "Member", Enabled: true,
		Created: at("2020-01-02T03:04:05Z"), Licences: []string{"s1", "s2"}, Synced: true}, u)
	require.True(t, u.Activity.None())
	_, err = rules.ParseUser([]byte(`{"displayName":"x"}`))
	require.ErrorIs(t, err, rules.ErrNoUser)
}

// TestAGuestWithASuccessInTheArchive is reported as it was: made 400 days ago, and Graph says
// nothing of its activity.
func TestAGuestWithASuccessInTheArchive(t *testing.T) {
	guest := rules.User{ID: "g", UserType: "Guest", Created: now.AddDate(0, 0, -400)}
	for name, c := range map[string]struct {
		archived time.Time
		back     time.Time
		inactive bool // after 30 days
		never    bool
		by       rules.Basis
		says     string
	}{
		"five days ago": {archived: now.AddDate(0, 0, -5), by: rules.ByArchive, says: "16 November 2026"},
		"two hundred":   {archived: now.AddDate(0, 0, -200), inactive: true, by: rules.ByArchive, says: "5 May 2026"},
		"none in a year": {back: now.AddDate(-1, 0, 0), inactive: true, never: true, by: rules.ByCreation,
			says: "; the archive, which reaches back to 21 November 2025, has no success either"},
		"no archive": {inactive: true, never: true, by: rules.ByCreation, says: "never signed in"},
	} {
		e := rules.Evidence{Disclosed: true, Archived: c.archived, ReachesBack: c.back}
		d := rules.Decide(guest, e)
		require.Equal(t, c.inactive, d.Inactive(now.AddDate(0, 0, -30)), name)
		require.Equal(t, c.never, d.Never, name)
		require.Equal(t, c.by, d.By, name)
		require.Contains(t, d.Reason, c.says, name)
		require.Equal(t, c.archived.IsZero(), rules.Silent(guest, e), name)
		e.Disclosed = false
		require.False(t, rules.Decide(guest, e).Known, name)
	}
}

// TestWhoWasRestoredIsActive until the grace is over, and what decided before is said none the
// less.
func TestWhoWasRestoredIsActive(t *testing.T) {
	gone := rules.User{ID: "u", Activity: rules.Activity{LastSuccessful: now.AddDate(-2, 0, 0)}}
	e := rules.Evidence{Disclosed: true, Restored: now.AddDate(0, 0, -2), GraceUntil: now.AddDate(0, 0, 12)}
	for _, user := range []rules.User{gone, {ID: "never", Created: now.AddDate(-5, 0, 0)}, {ID: "old"}} {
		d := rules.Decide(user, e)
		require.False(t, d.Inactive(now))
		require.Equal(t, rules.ByGrace, d.By)
		require.Equal(t, e.GraceUntil, d.GraceUntil)
		without := rules.Decide(user, rules.Evidence{Disclosed: true})
		require.Equal(t, without.Since, d.Since)
		require.True(t, without.Inactive(now))
		require.Equal(t, "the account was restored or enabled on 19 November 2026, and counts as active until "+
			"3 December 2026; beside that: "+without.Reason, d.Reason)
	}
	e.Disclosed = false
	d := rules.Decide(rules.User{ID: "dark"}, e)
	require.False(t, d.Known)
	require.Equal(t, rules.ByGrace, d.By)
}

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// seenTenant is a tenant whose archive goes 230 days back, with users of whose activity Graph says
// nothing.
type seenTenant struct {
	*system
	*process
	now time.Time
	n   int
}

func newSeenTenant(t *testing.T) *seenTenant {
	now := time.Date(2026, time.November, 21, 2, 0, 0, 0, time.UTC)
	s := newSystem(t, simtenant.Config{Now: now, Retention: 230 * day})
	s.env["ARCHIVE_STREAMS"] = "directoryAudits,signIns.interactiveUser,signIns.nonInteractiveUser"
	s.env["ARCHIVE_PASSES"], s.env["GRAPH_REQUESTS_PER_10S"] = "3h", "100000,100000"
	s.tenant.Freeze(now)
	w := &seenTenant{system: s, now: now}
	for n := range 30 { // Graph discloses activity
		w.user(fmt.Sprintf("member-%02d", n), fmt.Sprintf(`"userType":"Member","signInActivity":
			{"lastSuccessfulSignInDateTime":%q}`, now.Add(-day).Format(time.RFC3339)))
	}
	return w
}

func (w *seenTenant) user(id, more string) {
	w.tenant.AddObject(simtenant.Users, fmt.Appendf(nil, `{"id":%q,"userPrincipalName":"%[1]s@contoso.com",
		"accountEnabled":true,"createdDateTime":%q,%s}`, id, w.now.Add(-400*day).Format(time.RFC3339), more))
}

func (w *seenTenant) guest(id string) {
	w.user(id, `"userType":"Guest","externalUserState":"Accepted"`)
}

// signsIn puts a sign-in into the tenant's log.
func (w *seenTenant) signsIn(stream entra.Stream, user string, ago time.Duration, code int) time.Time {
	w.n++
	at := w.now.Add(-ago)
	raw := fmt.Sprintf(`{"id":"s-%d","createdDateTime":%q,"userId":%q,"signInEventTypes":[%q],"status":{"errorCode":%d}}`,
		w.n, at.Format(time.RFC3339), user, logs.Of(stream).EventType, code)
	require.NoError(w.system, w.tenant.Add(stream, []byte(raw), at))
	return at
}

// changes puts an audit of a user into the tenant's log.
func (w *seenTenant) changes(activity, user string, at time.Time, properties string) {
	w.n++
	raw := fmt.Sprintf(`{"id":"a-%d","activityDateTime":%q,"activityDisplayName":%q,"category":"UserManagement",
		"result":"success","loggedByService":"Core Directory","targetResources":[{"id":%q,"type":"User",
		"modifiedProperties":[%s]}]}`, w.n, at.Format(time.RFC3339), activity, user, properties)
	require.NoError(w.system, w.tenant.Add(logs.DirectoryAudits, []byte(raw), at))
}

// archives lets the timers run, and takes a snapshot.
func (w *seenTenant) archives() {
	if w.process == nil {
		w.process = w.start()
	}
	for range 3 {
		w.tenant.Freeze(w.now)
		for _, timer := range []string{"archivelogs", "indexarchive"} {
			status, answer, err := w.invoke(timer)
			require.NoError(w.system, err)
			require.Equal(w.system, http.StatusOK, status, "%v", answer)
		}
		w.now = w.now.Add(10 * time.Minute)
	}
	w.tenant.Freeze(w.now)
	status, answer := w.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(w.system, http.StatusOK, status, "%v", answer)
}

// rows asks for users, by id.
func (w *seenTenant) rows(query string) map[string]directory.UserRow {
	status, _, answer := w.get("/api/inactive-users?" + query)
	require.Equal(w.system, http.StatusOK, status, "%v", answer)
	raw, err := json.Marshal(answer["value"])
	require.NoError(w.system, err)
	var list []directory.UserRow
	require.NoError(w.system, json.Unmarshal(raw, &list))
	out := make(map[string]directory.UserRow)
	for _, u := range list {
		out[u.ID] = u
	}
	return out
}

// TestGuestsOfWhoseActivityGraphSaysNothingAreJudgedByTheArchive: of the call that disables guests,
// only those come of whom the archive knows nothing either, and their rows say how far it reaches.
func TestGuestsOfWhoseActivityGraphSaysNothingAreJudgedByTheArchive(t *testing.T) {
	w := newSeenTenant(t)
	for _, id := range []string{"five", "apps", "old", "failed", "never"} {
		w.guest(id)
	}
	w.signsIn(logs.SignInsInteractiveUser, "five", 5*day, 0)
	w.signsIn(logs.SignInsNonInteractiveUser, "apps", 40*day, 0)
	old := w.signsIn(logs.SignInsInteractiveUser, "old", 200*day, 0)
	w.signsIn(logs.SignInsInteractiveUser, "failed", 2*day, 50126)
	w.signsIn(logs.SignInsInteractiveUser, "somebody", 229*day, 0)
	w.signsIn(logs.SignInsNonInteractiveUser, "somebody", 228*day, 0)
	w.archives()
	none := w.rows("userType=guest&neverSignedIn=only&days=30")
	require.Len(t, none, 2)
	for _, id := range []string{"failed", "never"} {
		require.Contains(t, none, id)
		back, err := time.Parse(time.RFC3339, none[id].ArchiveReaches)
		require.NoError(t, err, id)
		require.WithinDuration(t, w.now.Add(-228*day), back, 2*time.Hour, id)
		require.Contains(t, none[id].Reason, "the archive, which reaches back to", id)
	}
	inactive := w.rows("userType=guest&days=30")
	require.Len(t, inactive, 4, "%v", inactive)
	require.NotContains(t, inactive, "five")
	require.Equal(t, old.Format(time.RFC3339), inactive["old"].InactiveSince)
	require.EqualValues(t, "archivedSignIn", inactive["old"].DecidedBy)
	require.False(t, inactive["old"].NeverSignedIn)
	require.Empty(t, inactive["old"].ArchiveReaches)
	require.Contains(t, w.rows("userType=guest&days=39"), "apps")
	require.NotContains(t, w.rows("userType=guest&days=41"), "apps")
	status, _, one := w.get("/api/users/five?days=30")
	require.Equal(t, http.StatusOK, status, "%v", one)
}

// TestWhoIsRestoredOrEnabledIsNotReportedAtOnce, and is told as new when the grace is over.
func TestWhoIsRestoredOrEnabledIsNotReportedAtOnce(t *testing.T) {
	w := newSeenTenant(t)
	long := fmt.Sprintf(`"userType":"Member","signInActivity":{"lastSuccessfulSignInDateTime":%q}`,
		w.now.Add(-300*day).Format(time.RFC3339))
	for _, id := range []string{"restored", "enabled", "updated", "disabled", "left"} {
		w.user(id, long)
	}
	w.archives()
	require.Len(t, w.rows("days=90"), 5)
	enabled := func(from, to string) string {
		return fmt.Sprintf(`{"displayName":"AccountEnabled","oldValue":"[%s]","newValue":"[%s]"}`, from, to)
	}
	w.changes("Restore user", "restored", w.now.Add(-time.Hour), "")
	w.changes("Enable account", "enabled", w.now.Add(-2*time.Hour), enabled("false", "true"))
	w.changes("Update user", "updated", w.now.Add(-3*time.Hour), enabled("false", "true"))
	w.changes("Update user", "disabled", w.now.Add(-3*time.Hour), enabled("true", "false"))
	w.now = w.now.Add(3 * time.Hour)
	w.archives()
	left := w.rows("days=30&state=inactive")
	require.Len(t, left, 2, "%v", left)
	require.Contains(t, left, "disabled")
	require.Contains(t, left, "left")
	all := w.rows("days=90&state=all")
	for _, id := range []string{"restored", "enabled", "updated"} {
		require.Equal(t, directory.Active, all[id].State, id)
		require.EqualValues(t, "graceAfterRestore", all[id].DecidedBy, id)
		require.NotEmpty(t, all[id].GraceUntil, id)
	}
	status, _, answer := w.get("/api/inactive-users?days=90")
	require.Equal(t, http.StatusOK, status)
	told, ok := answer["nextCursor"].(string)
	require.True(t, ok, "%v", answer)
	require.Empty(t, w.rows("days=90&newSince="+url.QueryEscape(told)))
	w.now = w.now.Add(15 * day)
	w.archives()
	require.Len(t, w.rows("days=90"), 5)
	require.Len(t, w.rows("days=90&newSince="+url.QueryEscape(told)), 3, "they enter when the grace is over")
}

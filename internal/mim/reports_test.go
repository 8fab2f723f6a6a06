package mim_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/mim"
)

const (
	ann   = `{"HybridObjectID":"a0000000-0000-4000-8000-000000000001","AccountName":"ann","DisplayName":"Ann","Domain":"CORP","ObjectType":"Person"}`
	bob   = `{"HybridObjectID":"A0000000-0000-4000-8000-000000000002","DisplayName":"Bob","ObjectType":"Person"}`
	annID = "a0000000-0000-4000-8000-000000000001"
	bobID = "a0000000-0000-4000-8000-000000000002"
	group = `{"HybridObjectID":"a0000000-0000-4000-8000-000000000009","DisplayName":"Chess","ObjectType":"Group"}`
)

// recordOf is the record of a request with some members.
func recordOf(t *testing.T, members string) gjson.Result {
	request := `{"HybridObjectID":"` + requestID +
		`","RequestStatus":"Completed","CommittedTime":"2026-11-16 16:25:12.307",` +
		members + `}`
	event := mim.Event{ID: 4121, Time: "2026-11-16T16:25:13Z", Computer: "MIM1", RecordID: 7, Message: request}
	entry, err := shipped(t).Enter(event.Message, event.Deliver(now))
	require.NoError(t, err)
	return gjson.ParseBytes(entry.Record())
}

func TestARecordHasWhatIsAskedFor(t *testing.T) {
	got := recordOf(t, `"Operation":"Put","TargetObjectType":"Person","Creator":`+ann+`,"Target":"`+
		strings.ToUpper(bobID)+
		`","RequestParameter":{"Propertyname":"MobilePhone","Value":"+49 170 1","Mode":"Modify"}`)
	require.JSONEq(t, `{"id":"`+got.Get("id").Str+`","activityDateTime":"2026-11-16T16:25:13Z","filedBy":"timeCreated",
		"computer":"MIM1","recordId":7,"eventId":4121,"requestId":"`+requestID+`","requestStatus":"Completed",
		"operation":"Put","targetObjectType":"Person","targetId":"`+bobID+`","creatorId":"`+annID+`",
		"creatorName":"CORP\\ann","request":`+got.Get("request").Raw+`}`, got.Raw)
	require.Equal(t, mim.Removed, got.Get("request.RequestParameter.Value").Str)
}

func TestARecordIsItsRequestStatusAndTimeOfCommit(t *testing.T) {
	rules := shipped(t)
	id := func(request string) string {
		entry, err := rules.Enter(request, mim.Delivery{At: now})
		require.NoError(t, err)
		return entry.ID
	}
	same := id(`{"HybridObjectID":"` + requestID +
		`","RequestStatus":"Completed","CommittedTime":"2026-11-16 16:25:12","a":1}`)
	for _, as := range []string{
		`{"HybridObjectID":"{` + strings.ToUpper(requestID) +
			`}","RequestStatus":"Completed","CommittedTime":"2026-11-16T16:25:12Z"}`,
		`{"HybridObjectID":"` + requestID + `","RequestStatus":"Completed","CommittedTime":"11/16/2026 4:25:12 PM"}`,
	} {
		require.Equal(t, same, id(as))
	}
	for _, other := range []string{
		`{"HybridObjectID":"` + requestID + `","RequestStatus":"Denied","CommittedTime":"2026-11-16 16:25:12"}`,
		`{"HybridObjectID":"` + requestID + `","RequestStatus":"Completed","CommittedTime":"2026-11-16 16:25:12.001"}`,
		`{"HybridObjectID":"` + requestID + `","RequestStatus":"Completed"}`,
		`{"HybridObjectID":"0` + requestID[1:] + `1","RequestStatus":"Completed","CommittedTime":"2026-11-16 16:25:12"}`,
	} {
		require.NotEqual(t, same, id(other))
	}
	for message, want := range map[string]error{"": mim.ErrNoRequest, "[]": mim.ErrNoRequest, "{": mim.ErrNoRequest,
		"{}": mim.ErrNoIdentity, `{"HybridObjectID":null}`: mim.ErrNoIdentity} {
		_, err := rules.Enter(message, mim.Delivery{})
		require.ErrorIs(t, err, want)
	}
}

func TestAResetIsAPutOnAPersonThatTouchesThePassword(t *testing.T) {
	rules := shipped(t)
	base := `"Operation":"Put","TargetObjectType":"Person","Creator":` + ann + `,"Target":` + bob + `,`
	for name, c := range map[string]struct {
		members string
		want    *mim.Reset
	}{
		"reset": {base + `"ManagementPolicy":{"DisplayName":"Reset with Question"},"Justification":"forgot",` +
			`"RequestParameter":[{"Propertyname":"ResetPassword","Value":"true","Mode":"Modify"}]`,
			&mim.Reset{Result: "Succeeded", Gates: []string{"questions"}, Reason: "forgot"}},
		"locked out": {base + `"RequestParameter":{"Propertyname":"AuthNWFLockedOut","Value":"x","Mode":"Add"}`,
			&mim.Reset{Result: "Blocked"}},
		"attempt": {base + `"RequestParameter":[{"Propertyname":"LastResetAttemptTime","Mode":"Modify"},` +
			`{"Propertyname":"GateTypeId","Value":["SMSGate","EmailGate"]}]`,
			&mim.Reset{Result: "Attempted", Gates: []string{"mobile phone", "e-mail"}}},
		"unlocked": {base + `"RequestParameter":{"Propertyname":"AuthNWFLockedOut","Value":"x","Mode":"Remove"}`,
			&mim.Reset{}},
		"no reset": {base + `"RequestParameter":[{"Propertyname":"DisplayName","Value":"Bob"}]`, nil},
		"of a group": {`"Operation":"Put","TargetObjectType":"Group",` +
			`"RequestParameter":{"Propertyname":"ResetPassword","Value":"true"}`, nil},
	} {
		rows := rules.Resets(recordOf(t, c.members))
		if c.want == nil {
			require.Empty(t, rows, name)
			continue
		}
		want := *c.want
		want.Time, want.Service, want.Activity, want.Status = "2026-11-16T16:25:13Z", mim.Service,
			"User Password Reset", "Completed"
		want.User, want.UserID, want.Requester, want.RequesterID = "Bob", bobID, `CORP\ann`, annID
		want.Computer, want.Request = "MIM1", requestID
		require.Len(t, rows, 1, name)
		want.Key = rows[0].Key
		require.Equal(t, want, rows[0], name)
	}
}

func TestARegistrationIsOfWhoRegisters(t *testing.T) {
	rules := shipped(t)
	for name, c := range map[string]struct {
		members        string
		user, change   string
		methods        []string
		isRegistration bool
	}{
		"gate": {`"Operation":"Create","TargetObjectType":"GateRegistration","Creator":` + ann +
			`,"RequestParameter":[{"Propertyname":"GateTypeId","Value":"QAGate"},{"Propertyname":"GateData","Value":"AAEC"}]`,
			`CORP\ann`, "new", []string{"questions"}, true},
		"gate for another": {`"Operation":"Delete","TargetObjectType":"GateRegistration","Creator":` + ann +
			`,"RequestParameter":[{"Propertyname":"UserID","Value":` + bob + `}]`, "Bob", "removed", nil, true},
		"phone": {`"Operation":"Put","TargetObjectType":"Person","Creator":` + ann + `,"Target":` + ann +
			`,"RequestParameter":[{"Propertyname":"msidmPhoneGatePhoneNumber","Value":"+49","Mode":"Modify"}]`,
			`CORP\ann`, "changed", []string{"mobile phone"}, true},
		"first time": {`"Operation":"Put","TargetObjectType":"Person","Target":` + ann +
			`,"RequestParameter":[{"Propertyname":"AuthNWFRegistered","Mode":"Insert"}]`, `CORP\ann`, "new", nil, true},
		"other": {`"Operation":"Put","TargetObjectType":"Person","RequestParameter":{"Propertyname":"City"}`, "", "",
			nil, false},
	} {
		rows := rules.Registrations(recordOf(t, c.members))
		require.Equal(t, c.isRegistration, len(rows) == 1, name)
		for _, row := range rows {
			require.Equal(t, []any{c.user, c.change, c.methods}, []any{row.User, row.Change, row.Methods}, name)
		}
	}
}

func TestAGroupsRowsAreItsMembers(t *testing.T) {
	rules := shipped(t)
	type line struct{ action, group, member, by string }
	put := `"Operation":"Put","TargetObjectType":"Group","Creator":` + ann + `,"Target":` + group + `,"Approver":` +
		bob + `,`
	for name, c := range map[string]struct {
		members string
		want    []line
	}{
		"join": {put + `"RequestParameter":{"Propertyname":"ExplicitMember","Mode":"Add","Value":` +
			quoted("["+ann+"]") + `}`,
			[]line{{"Add member", "Chess", `CORP\ann`, "self"}}},
		"one that shrank": {put + `"RequestParameter":{"Propertyname":"ExplicitMember","Mode":"Remove","Value":` +
			quoted(bob) + `}`,
			[]line{{"Remove member", "Chess", "Bob", "other"}}},
		"an ID alone": {put + `"RequestParameter":[{"Propertyname":"ExplicitMember","Mode":"Add","Value":"` + bobID +
			`"}]`,
			[]line{{"Add member", "Chess", "", "other"}}},
		"two, and an owner": {put + `"RequestParameter":[{"Propertyname":"ExplicitMember","Mode":"Insert","Value":[` +
			ann + "," +
			bob + `]},{"Propertyname":"Owner","Mode":"Add","Value":` + bob + `}]`,
			[]line{{"Add member", "Chess", `CORP\ann`, "self"}, {"Add member", "Chess", "Bob", "other"},
				{"Add owner", "Chess", "Bob", "other"}}},
		"create": {`"Operation":"Create","TargetObjectType":"Group","Creator":` + ann + `,"RequestParameter":[` +
			`{"Propertyname":"DisplayName","Value":"Go"},{"Propertyname":"ExplicitMember","Mode":"Add","Value":` + ann +
			`}]`,
			[]line{{"Add group", "Go", "", ""}}},
		"delete": {`"Operation":"Delete","TargetObjectType":"Group","Target":` + group,
			[]line{{"Delete group", "Chess", "", ""}}},
		"renaming": {put + `"RequestParameter":[{"Propertyname":"DisplayName","Value":"Go"}]`, nil},
		"a set":    {`"Operation":"Create","TargetObjectType":"Set"`, nil},
	} {
		var got []line
		for _, row := range rules.Groups(recordOf(t, c.members)) {
			got = append(got, line{row.Action, row.Group, row.Member, row.By})
			require.Equal(t, "Completed", row.Outcome)
		}
		require.Equal(t, c.want, got, name)
	}
}

func TestEntrasOwnAuditsHaveTheSameColumns(t *testing.T) {
	rules := shipped(t)
	audit := func(members string) gjson.Result {
		return gjson.Parse(`{"id":"x","activityDateTime":"2026-11-16T10:00:00Z","correlationId":"c","result":"success",` + members + `}`)
	}
	user := `"initiatedBy":{"user":{"id":"1","userPrincipalName":"ann@contoso.example"}},"targetResources":[` +
		`{"type":"User","id":"1","userPrincipalName":"ann@contoso.example","modifiedProperties":[` +
		`{"displayName":"Group.DisplayName","oldValue":null,"newValue":"\"Chess\""}]}]`
	reset := audit(`"loggedByService":"Self-service Password Management","activityDisplayName":"Reset password (self-service)",` + user)
	require.Equal(t, []mim.Reset{{Time: "2026-11-16T10:00:00Z", Service: "Self-service Password Management",
		Activity: "Reset password (self-service)", User: "ann@contoso.example", UserID: "1",
		Requester:   "ann@contoso.example",
		RequesterID: "1", Status: "success", Result: "Succeeded", Request: "c", Key: "x"}}, rules.EntraResets(reset))
	require.Empty(t, rules.EntraGroups(reset))
	require.Empty(t, rules.EntraRegistrations(reset))
	joined := rules.EntraGroups(audit(`"loggedByService":"Core Directory","activityDisplayName":"Add member to group",` + user))
	require.Len(t, joined, 1)
	require.Equal(t, []string{"Core Directory", "Chess", "ann@contoso.example", "self"},
		[]string{joined[0].Service, joined[0].Group, joined[0].Member, joined[0].By})
	saved := rules.EntraRegistrations(audit(`"activityDisplayName":"Security info saved for self-service password reset",` + user))
	require.Len(t, saved, 1)
	require.Equal(t, "ann@contoso.example", saved[0].User)
	for _, name := range []string{mim.PasswordReset, mim.PasswordRegistration, mim.GroupActivity} {
		require.NotEmpty(t, rules.EntraActivities(name))
	}
}

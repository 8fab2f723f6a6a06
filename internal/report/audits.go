package report

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/logs"
)

// Reports of directory audits. Sources of what they are made of:
// learn.microsoft.com/graph/api/resources/directoryaudit, and
// learn.microsoft.com/entra/identity/monitoring-health/reference-audit-activities for services,
// categories and activities, whose spelling on the wire differs in case from the manual's.

// auditColumns are those of every report of audits.
func auditColumns(more ...Column) []Column {
	return append([]Column{
		{Name: "id", Text: "ID of the audit"},
		{Name: eventTime, Text: "When it happened", Kind: Time},
		{Name: "displayName", Text: "Display name of the user"},
		{Name: "userName", Text: "User principal name of the user"},
	}, more...)
}

// acted are the columns that say what was done.
func acted() []Column {
	return []Column{
		{Name: "activity", Text: "What was done, as the audit log names it", Ours: true},
		{Name: "service", Text: "Service that logged it", Ours: true},
		{Name: "auditResult", Text: "The audit's result: success, failure, timeout, ...", Ours: true},
		{Name: "resultReason", Text: "Why, where the audit says so", Ours: true},
		{Name: "userId", Text: "Object ID of the user", Ours: true},
		{Name: "correlationId", Text: "Correlation ID", Ours: true},
	}
}

// person is a user as an audit names one.
type person struct{ id, name, display string }

// actorOf is the user who acted; of an application all is empty.
func actorOf(r Record) person {
	u := r.Doc.Get("initiatedBy.user")
	return person{u.Get("id").String(), u.Get("userPrincipalName").String(), u.Get("displayName").String()}
}

// targetOf is the first target of a type.
func targetOf(r Record, kind string) person {
	var out person
	r.Doc.Get("targetResources").ForEach(func(_, t gjson.Result) bool {
		if !strings.EqualFold(t.Get("type").String(), kind) {
			return true
		}
		out = person{t.Get("id").String(), t.Get("userPrincipalName").String(), t.Get("displayName").String()}
		return false
	})
	return out
}

// auditRow is a row of an audit about a user.
func auditRow(r Record, of person) Row {
	return Row{"id": r.ID, eventTime: r.Time, "displayName": of.display, "userName": of.name, "userId": of.id,
		"activity": r.Text("activityDisplayName"), "service": r.Text("loggedByService"),
		"auditResult": r.Text("result"), "resultReason": r.Text("resultReason"),
		"correlationId": r.Text("correlationId")}
}

func auditEvents() *Report {
	return &Report{Name: "auditEvents", Text: "What was changed in the directory, and by whom", Legacy: true,
		Source: "directory audits, each of them", From: []From{{Stream: logs.DirectoryAudits}},
		Columns: auditColumns(append(acted(),
			Column{Name: "category", Text: "Category of the activity", Ours: true},
			Column{Name: "operationType", Text: "Add, Update, Delete, Assign, ...", Ours: true},
			Column{Name: "applicationName", Text: "The application that acted, where no user did", Ours: true},
			Column{Name: "applicationId", Text: "Its service principal, else its application ID", Ours: true},
			Column{Name: "targets", Text: "What was changed: type, ID and name of each", Kind: Texts, Ours: true})...),
		Each: func(r Record) []Row {
			row := auditRow(r, actorOf(r))
			app := r.Doc.Get("initiatedBy.app")
			row["category"], row["operationType"] = r.Text("category"), r.Text("operationType")
			row["applicationName"] = app.Get("displayName").String()
			if row["applicationId"] = app.Get("servicePrincipalId").String(); row["applicationId"] == "" {
				row["applicationId"] = app.Get("appId").String()
			}
			row["targets"] = targetsOf(r)
			return []Row{row}
		}}
}

// targetsOf are an audit's targets, each in a text.
func targetsOf(r Record) []string {
	var out []string
	r.Doc.Get("targetResources").ForEach(func(_, t gjson.Result) bool {
		name := t.Get("userPrincipalName").String()
		if name == "" {
			name = t.Get("displayName").String()
		}
		out = append(out, strings.TrimSpace(strings.Join([]string{t.Get("type").String(), t.Get("id").String(), name},
			" ")))
		return true
	})
	return out
}

// The services of self-service, in small letters.
const (
	passwordService = "self-service password management"
	methodsService  = "authentication methods"
	groupService    = "self-service group management"
)

func ofService(names ...string) string {
	var parts []string
	for _, name := range names {
		parts = append(parts, "tolower(loggedByService) eq '"+name+"'")
	}
	return "(" + strings.Join(parts, " or ") + ")"
}

const (
	ofUsers    = " and tolower(category) eq 'usermanagement'"
	ofMethods  = "contains(tolower(activityDisplayName), 'security info')"
	ofPassword = "contains(tolower(activityDisplayName), 'password')"
)

// ssprActivityEvents has all that the service of self-service logs of users, except registrations,
// and resets that the newer service logs.
func ssprActivityEvents() *Report {
	return &Report{Name: "ssprActivityEvents", Text: "Password resets, and how each ended", Legacy: true,
		LicenseRequired: true,
		Source: "directory audits of Self-service Password Management, and of Authentication Methods those that name " +
			"a password",
		From: []From{{Stream: logs.DirectoryAudits, Filter: "(" + ofService(passwordService) + " or " +
			ofService(methodsService) + " and " + ofPassword + ")" + ofUsers + " and not " + ofMethods}},
		Columns: auditColumns(append([]Column{{Name: "result", Text: "reportSSPR_ResultType_Succeeded, _Failed or " +
			"_Block; absent where the audit's result is another"}}, acted()...)...),
		Each: func(r Record) []Row {
			of := targetOf(r, "User")
			if of.id == "" {
				of = actorOf(r)
			}
			row := auditRow(r, of)
			row["result"] = resetResult(r)
			return []Row{row}
		}}
}

// resetResult is the old word for how a reset ended; empty where there is none.
func resetResult(r Record) string {
	switch {
	case strings.Contains(strings.ToLower(r.Text("activityDisplayName")), "blocked"):
		return "reportSSPR_ResultType_Block"
	case strings.EqualFold(r.Text("result"), "success"):
		return "reportSSPR_ResultType_Succeeded"
	case strings.EqualFold(r.Text("result"), "failure"):
		return "reportSSPR_ResultType_Failed"
	}
	return ""
}

func ssprRegistrationActivityEvents() *Report {
	return &Report{Name: "ssprRegistrationActivityEvents", Text: "Registrations for password reset", Legacy: true,
		LicenseRequired: true,
		Source: "directory audits of Self-service Password Management and Authentication Methods that name security " +
			"info",
		From: []From{{Stream: logs.DirectoryAudits,
			Filter: ofService(passwordService, methodsService) + ofUsers + " and " + ofMethods}},
		Columns: auditColumns(append([]Column{
			{Name: "role", Text: "Never there: audits do not say which role the user had"},
			{Name: "registrationActivity", Text: "reportSSPR_RegistrationData_PrivateMobilePhone or " +
				"_PrivateAlternateEmail, where the audit names a phone or a mail address; else absent"}},
			acted()...)...),
		Each: func(r Record) []Row {
			of := targetOf(r, "User")
			if of.id == "" {
				of = actorOf(r)
			}
			row := auditRow(r, of)
			row["registrationActivity"] = registered(r)
			return []Row{row}
		}}
}

// registered is the old word for what was registered; empty where the audit does not name it.
func registered(r Record) string {
	switch reason := strings.ToLower(r.Text("resultReason")); {
	case strings.Contains(reason, "phone") && !strings.Contains(reason, "app"):
		return "reportSSPR_RegistrationData_PrivateMobilePhone"
	case strings.Contains(reason, "email"):
		return "reportSSPR_RegistrationData_PrivateAlternateEmail"
	}
	return ""
}

const ofGroups = "tolower(category) eq 'groupmanagement'"

func ssgmGroupActivityEvents() *Report {
	return &Report{Name: "ssgmGroupActivityEvents", Text: "What was done with groups, and whether by self-service",
		Legacy: true, LicenseRequired: true,
		Source: "directory audits of category GroupManagement, each of them: those of self-service are marked",
		From:   []From{{Stream: logs.DirectoryAudits, Filter: ofGroups}},
		Columns: auditColumns(append(acted(),
			Column{Name: "groupId", Text: "Object ID of the group", Ours: true},
			Column{Name: "groupName", Text: "Display name of the group", Ours: true},
			Column{Name: "memberId", Text: "Object ID of the user who came or went", Ours: true},
			Column{Name: "memberName", Text: "User principal name of that user", Ours: true},
			Column{Name: "selfService", Text: "Self-service Group Management logged it, or who acted " +
				"is who came or went",
				Kind: Flag, Ours: true})...),
		Each: func(r Record) []Row {
			actor, group, member := actorOf(r), targetOf(r, "Group"), targetOf(r, "User")
			row := auditRow(r, actor)
			row["groupId"], row["groupName"] = group.id, group.display
			row["memberId"], row["memberName"] = member.id, member.name
			row["selfService"] = strings.EqualFold(r.Text("loggedByService"), groupService) ||
				actor.id != "" && actor.id == member.id
			return []Row{row}
		}}
}

func groupActivitySummary() *Report {
	return &Report{Name: "groupActivitySummary", Text: "How often what was done with groups, by day", Legacy: true,
		LicenseRequired: true, Source: "directory audits of category GroupManagement, by day, activity and result",
		From: []From{{Stream: logs.DirectoryAudits, Filter: ofGroups}},
		Columns: []Column{
			{Name: eventTime, Text: "The day, in UTC", Kind: Time},
			{Name: "activity", Text: "What was done, as the audit log names it", Ours: true},
			{Name: "auditResult", Text: "The audit's result: success, failure, timeout, ...", Ours: true},
			{Name: "count", Text: "How many audits", Kind: Number, Ours: true},
		},
		Daily: func() Sums {
			return newCounts(func(r Record) (string, Row) {
				activity, result := r.Text("activityDisplayName"), r.Text("result")
				return activity + "\x00" + result, Row{"activity": activity, "auditResult": result}
			})
		}}
}

func accountProvisioningEvents() *Report {
	return &Report{Name: "accountProvisioningEvents", Text: "What the provisioning service did with accounts",
		Legacy: true, Source: "provisioning logs, each entry", From: []From{{Stream: logs.Provisioning}},
		Columns: []Column{
			{Name: "id", Text: "ID of the entry"},
			{Name: eventTime, Text: "When it happened", Kind: Time},
			{Name: "displayName", Text: "Display name of the account in the source"},
			{Name: "action", Text: "create, update, delete, disable, ...", Ours: true},
			{Name: "status", Text: "success, failure, skipped or warning", Ours: true},
			{Name: "errorCode", Text: "Why it failed, as a code", Ours: true},
			{Name: "reason", Text: "Why it failed, in words", Ours: true},
			{Name: "applicationName", Text: "The application", Ours: true},
			{Name: "servicePrincipalId", Text: "Its service principal", Ours: true},
			{Name: "sourceSystem", Text: "Where the account came from", Ours: true},
			{Name: "sourceId", Text: "ID of the account there", Ours: true},
			{Name: "targetSystem", Text: "Where it was provisioned", Ours: true},
			{Name: "targetId", Text: "ID of the account there", Ours: true},
			{Name: "targetName", Text: "Display name of the account there", Ours: true},
			{Name: "changeId", Text: "ID of the change, for support", Ours: true},
		},
		Each: func(r Record) []Row {
			return []Row{{"id": r.ID, eventTime: r.Time, "displayName": r.Text("sourceIdentity.displayName"),
				"action": r.Text("provisioningAction"), "status": r.Text("provisioningStatusInfo.status"),
				"errorCode":          r.Text("provisioningStatusInfo.errorInformation.errorCode"),
				"reason":             r.Text("provisioningStatusInfo.errorInformation.reason"),
				"applicationName":    firstText(r, "servicePrincipal.displayName", "servicePrincipal.name"),
				"servicePrincipalId": r.Text("servicePrincipal.id"), "sourceSystem": r.Text("sourceSystem.displayName"),
				"sourceId": r.Text("sourceIdentity.id"), "targetSystem": r.Text("targetSystem.displayName"),
				"targetId": r.Text("targetIdentity.id"), "targetName": r.Text("targetIdentity.displayName"),
				"changeId": r.Text("changeId")}}
		}}
}

// firstText is the first of some properties that is there.
func firstText(r Record, paths ...string) string {
	for _, path := range paths {
		if text := r.Text(path); text != "" {
			return text
		}
	}
	return ""
}

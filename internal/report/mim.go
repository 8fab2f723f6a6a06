package report

import (
	"strings"

	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/mim"
)

// The three reports of Identity Manager's service, under their own names with all that is known, and
// under those of the first reports API. Their events reached Azure AD by an agent, whose endpoints
// are switched off since November 2025. Source: learn.microsoft.com/microsoft-identity-manager,
// "Working with Hybrid Reporting in Identity Manager".

const nothingDelivered = "no data of Identity Manager has been delivered to this archive"

const mimSource = "events 4121 and 4137 of Identity Manager's service, where they are delivered"

// shippedRules are the rules that the program comes with. A test reads them, too: they are sound.
func shippedRules() *mim.Rules {
	rules, err := mim.Shipped()
	if err != nil {
		return &mim.Rules{}
	}
	return rules
}

// mimReport is a report of Identity Manager's requests. rows are those of a record, own those of one
// of Entra's audits.
func mimReport(name, text string, columns []Column, rows, own func(Record) []Row) *Report {
	rules := shippedRules()
	shared := []Column{
		{Name: "id", Text: "ID of the record"}, {Name: "eventTime", Text: "When", Kind: Time},
		{Name: "service", Text: "Which service did it"},
	}
	return &Report{Name: name, Text: text, Source: mimSource, NoData: nothingDelivered,
		Columns: append(append(shared, columns...), Column{Name: "requestId",
			Text: "Of Identity Manager: the request; of Entra: the correlation ID"}),
		From: []From{{Stream: logs.IdentityManager, Filter: oneOf("targetObjectType", rules.Targets(name))}},
		Merges: []From{{Stream: logs.DirectoryAudits,
			Filter: oneOf("activityDisplayName", rules.EntraActivities(name))}},
		Each: func(r Record) []Row {
			if r.Stream == logs.DirectoryAudits {
				return own(r)
			}
			return rows(r)
		}}
}

// oneOf is a filter: a property is one of several texts, whatever their case, as the rules compare.
// Of none it lets everything through.
func oneOf(property string, texts []string) string {
	parts := make([]string, len(texts))
	for i, text := range texts {
		parts[i] = "tolower(" + property + ") eq '" + strings.ReplaceAll(strings.ToLower(text), "'", "''") + "'"
	}
	return strings.Join(parts, " or ")
}

// rowsOf makes rows of values of another kind.
func rowsOf[T any](of []T, row func(T) Row) []Row {
	out := make([]Row, 0, len(of))
	for _, v := range of {
		out = append(out, row(v))
	}
	return out
}

func mimPasswordReset() *Report {
	rules := shippedRules()
	row := func(r mim.Reset) Row {
		return Row{"id": r.Key, "eventTime": r.Time, "service": r.Service, "activity": r.Activity, "user": r.User,
			"userId": r.UserID, "requester": r.Requester, "requesterId": r.RequesterID, "status": r.Status,
			"result": r.Result, "gates": r.Gates, "reason": r.Reason, "computer": r.Computer, "requestId": r.Request}
	}
	return mimReport(mim.PasswordReset, "Password resets through Identity Manager, and the gates that were used",
		[]Column{
			{Name: "activity", Text: "What it was"},
			{Name: "user", Text: "Whose password it is"}, {Name: "userId", Text: "ID of that user"},
			{Name: "requester", Text: "Who asked"}, {Name: "requesterId", Text: "ID of who asked"},
			{Name: "status", Text: "Of the request, or the result of the audit"},
			{Name: "result", Text: "Succeeded, Failed, Blocked or Attempted"},
			{Name: "gates", Text: "Gates that the request names", Kind: Texts},
			{Name: "reason", Text: "As it was given"}, {Name: "computer", Text: "The server"},
		},
		func(r Record) []Row { return rowsOf(rules.Resets(r.Doc), row) },
		func(r Record) []Row { return rowsOf(rules.EntraResets(r.Doc), row) })
}

func mimPasswordRegistration() *Report {
	rules := shippedRules()
	row := func(r mim.Registration) Row {
		return Row{"id": r.Key, "eventTime": r.Time, "service": r.Service, "activity": r.Activity, "user": r.User,
			"userId": r.UserID, "methods": r.Methods, "change": r.Change, "status": r.Status, "computer": r.Computer,
			"requestId": r.Request}
	}
	return mimReport(mim.PasswordRegistration, "Registrations for password reset through Identity Manager",
		[]Column{
			{Name: "activity", Text: "What it was"},
			{Name: "user", Text: "Who registered"}, {Name: "userId", Text: "ID of that user"},
			{Name: "methods", Text: "Methods that were registered", Kind: Texts},
			{Name: "change", Text: "new, changed or removed"},
			{Name: "status", Text: "Of the request, or the result of the audit"},
			{Name: "computer", Text: "The server"},
		},
		func(r Record) []Row { return rowsOf(rules.Registrations(r.Doc), row) },
		func(r Record) []Row { return rowsOf(rules.EntraRegistrations(r.Doc), row) })
}

func mimGroupActivity() *Report {
	rules := shippedRules()
	row := func(r mim.Group) Row {
		return Row{"id": r.Key, "eventTime": r.Time, "service": r.Service, "actor": r.Actor, "actorId": r.ActorID,
			"action": r.Action, "group": r.Group, "groupId": r.GroupID, "member": r.Member, "memberId": r.MemberID,
			"by": r.By, "approver": r.Approver, "approverId": r.ApproverID, "outcome": r.Outcome,
			"computer":  r.Computer,
			"requestId": r.Request}
	}
	return mimReport(mim.GroupActivity, "Groups that were created, deleted, joined and left through Identity Manager",
		[]Column{
			{Name: "actor", Text: "Who did it"}, {Name: "actorId", Text: "ID of who did it"},
			{Name: "action", Text: "What was done"},
			{Name: "group", Text: "The group"}, {Name: "groupId", Text: "ID of the group"},
			{Name: "member", Text: "The member, or owner"}, {Name: "memberId", Text: "ID of the member, or owner"},
			{Name: "by", Text: "self, where the member did it; other"},
			{Name: "approver", Text: "Who approved it"}, {Name: "approverId", Text: "ID of who approved it"},
			{Name: "outcome", Text: "Status of the request, or the result of the audit"},
			{Name: "computer", Text: "The server"},
		},
		func(r Record) []Row { return rowsOf(rules.Groups(r.Doc), row) },
		func(r Record) []Row { return rowsOf(rules.EntraGroups(r.Doc), row) })
}

// legacyMIM is a report of Identity Manager under its old name: in the old fields, and those of the
// report by its own name.
func legacyMIM(name, user string, of *Report) *Report {
	out := *of
	out.Name, out.Legacy, out.LicenseRequired, out.Merges = name, true, true, nil
	out.Columns = []Column{{Name: "id", Text: "ID of the event"}, {Name: "eventTime", Text: "When", Kind: Time},
		{Name: "displayName", Text: "Name of the user"}, {Name: "userName", Text: "Sign-in name of the user"}}
	for _, c := range of.Columns {
		if c.Name != "id" && c.Name != "eventTime" {
			c.Ours = true
			out.Columns = append(out.Columns, c)
		}
	}
	out.Each = func(r Record) []Row {
		rows := of.Each(r)
		for _, row := range rows {
			row["displayName"], row["userName"] = row[user], row[user]
		}
		return rows
	}
	return &out
}

func mimSsprActivityEvents() *Report {
	return legacyMIM("mimSsprActivityEvents", "user", mimPasswordReset())
}

func mimSsprRegistrationActivityEvents() *Report {
	return legacyMIM("mimSsprRegistrationActivityEvents", "user", mimPasswordRegistration())
}

func mimSsgmGroupActivityEvents() *Report {
	return legacyMIM("mimSsgmGroupActivityEvents", "actor", mimGroupActivity())
}

package mim

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Service is the name of Identity Manager's service in the portal's audit logs.
const Service = "Microsoft Identity Manager (MIM) Service"

// Reset is a row of the report of password resets.
type Reset struct {
	Time, Service, Activity        string
	User, UserID                   string
	Requester, RequesterID         string
	Status                         string // of the request, as the service has it
	Result                         string // Succeeded, Failed, Blocked, Attempted
	Gates                          []string
	Reason, Computer, Request, Key string
}

// Registration is a row of the report of registrations for password reset.
type Registration struct {
	Time, Service, Activity string
	User, UserID            string
	Methods                 []string
	Change                  string // new, changed, removed
	Status                  string
	Computer, Request, Key  string
}

// Group is a row of the report of groups' activity.
type Group struct {
	Time, Service          string
	Actor, ActorID         string
	Action                 string
	Group, GroupID         string
	Member, MemberID       string
	By                     string // self, where who asked is the member; else other; empty: there is no member
	Approver, ApproverID   string
	Outcome                string
	Computer, Request, Key string
}

// common are the texts that every row of a record has.
type common struct{ time, computer, request, key string }

func commonOf(record gjson.Result) common {
	return common{time: record.Get("activityDateTime").Str, computer: record.Get("computer").Str,
		request: record.Get("requestId").Str, key: record.Get("id").Str}
}

// Resets are the rows of a record in the report of password resets.
func (r *Rules) Resets(record gjson.Result) []Reset {
	is, at := readRequest(record.Get("request")), commonOf(record)
	if !r.makes(PasswordReset, is) {
		return nil
	}
	return []Reset{{Time: at.time, Service: Service, Activity: "User Password Reset", User: is.target.name,
		UserID: is.target.id, Requester: is.creator.name, RequesterID: is.creator.id, Status: is.status,
		Result: r.result(is), Gates: r.gates(is), Reason: is.reason, Computer: at.computer, Request: at.request,
		Key: at.key}}
}

// result is what became of a reset: the first rule that fits says it; empty: none does.
func (r *Rules) result(of request) string {
	for _, rule := range r.Results {
		if among(of.status, rule.Status) && slices.ContainsFunc(of.parameters, func(p parameter) bool {
			return strings.EqualFold(p.property, rule.Touches) && among(p.mode, rule.Mode)
		}) {
			return rule.Result
		}
	}
	return ""
}

// gates are those that a request names: by a property that it touches, by the type of a gate, or by
// the name of a policy that let it through. They come in the order of the rules.
func (r *Rules) gates(of request) []string {
	var texts []string
	for _, p := range of.parameters {
		if has(p.property, r.Texts) {
			for _, v := range elements(p.value) {
				texts = append(texts, v.String())
			}
		}
	}
	for _, policy := range elements(members(of.doc)["managementpolicy"]) {
		texts = append(texts, members(policy)["displayname"].String())
	}
	var out []string
	for _, rule := range r.Gates {
		named := slices.ContainsFunc(texts, func(text string) bool {
			return slices.ContainsFunc(rule.Words, func(word string) bool {
				return strings.Contains(strings.ToLower(text), strings.ToLower(word))
			})
		})
		touched := slices.ContainsFunc(of.parameters, func(p parameter) bool {
			return has(p.property, rule.Properties)
		})
		if named || touched {
			out = append(out, rule.Gate)
		}
	}
	return out
}

// Registrations are the rows of a record in the report of registrations.
func (r *Rules) Registrations(record gjson.Result) []Registration {
	is, at := readRequest(record.Get("request")), commonOf(record)
	if !r.makes(PasswordRegistration, is) {
		return nil
	}
	user := is.target
	if !strings.EqualFold(is.targetType, "Person") { // a gate's registration is of who makes it, or of UserID
		user = is.creator
		for _, p := range is.parameters {
			if strings.EqualFold(p.property, "UserID") {
				if named := objectOf(p.value); named.id != "" && named.id != user.id {
					user = named
				}
			}
		}
	}
	return []Registration{{Time: at.time, Service: Service, Activity: "User Password Registration", User: user.name,
		UserID: user.id, Methods: r.gates(is), Change: r.change(is), Status: is.status, Computer: at.computer,
		Request: at.request, Key: at.key}}
}

// change says whether a registration is new: the first rule that fits says it.
func (r *Rules) change(of request) string {
	for _, rule := range r.Changes {
		if !strings.EqualFold(rule.Operation, of.operation) {
			continue
		}
		if len(rule.Touches) == 0 && len(rule.Mode) == 0 || slices.ContainsFunc(of.parameters, func(p parameter) bool {
			return among(p.property, rule.Touches) && among(p.mode, rule.Mode)
		}) {
			return rule.Change
		}
	}
	return ""
}

// Groups are the rows of a record in the report of groups' activity: one for the group, or one for
// each member or owner.
func (r *Rules) Groups(record gjson.Result) []Group {
	is, at := readRequest(record.Get("request")), commonOf(record)
	if !r.makes(GroupActivity, is) {
		return nil
	}
	row := Group{Time: at.time, Service: Service, Actor: is.creator.name, ActorID: is.creator.id,
		Group: is.target.name, GroupID: is.target.id, Approver: is.approver.name, ApproverID: is.approver.id,
		Outcome: is.status, Computer: at.computer, Request: at.request, Key: at.key}
	if row.Group == "" {
		row.Group = valueOf(is, "DisplayName")
	}
	var out []Group
	for _, rule := range r.Actions {
		if !strings.EqualFold(rule.Operation, is.operation) {
			continue
		}
		if rule.Property == "" {
			row.Action = rule.Action
			return append(out, row)
		}
		for _, p := range is.parameters {
			if strings.EqualFold(p.property, rule.Property) && among(p.mode, rule.Mode) {
				out = append(out, eachMember(row, rule.Action, p)...)
			}
		}
	}
	return out
}

// eachMember makes a row for each object that a parameter adds or removes.
func eachMember(row Group, action string, p parameter) []Group {
	var out []Group
	row.Action = action
	for _, v := range elements(p.value) {
		member := objectOf(v)
		row.Member, row.MemberID, row.By = member.name, member.id, "other"
		if member.id != "" && member.id == row.ActorID {
			row.By = "self"
		}
		out = append(out, row)
	}
	if len(out) == 0 {
		out = append(out, row)
	}
	return out
}

// valueOf is the text that a request gives a property; empty: none.
func valueOf(of request, property string) string {
	for _, p := range of.parameters {
		if strings.EqualFold(p.property, property) {
			return p.value.String()
		}
	}
	return ""
}

// auditOf is what the rows of Entra's own audits have in common.
// Source: learn.microsoft.com/graph/api/resources/directoryaudit.
type auditOf struct {
	common
	service, activity, result, reason string
	actor, target                     object
}

func readAudit(record gjson.Result) auditOf {
	out := auditOf{common: commonOf(record), service: record.Get("loggedByService").Str,
		activity: record.Get("activityDisplayName").Str, result: record.Get("result").Str,
		reason: record.Get("resultReason").Str}
	out.request = record.Get("correlationId").Str
	if user := record.Get("initiatedBy.user"); user.IsObject() {
		out.actor = object{id: user.Get("id").Str, name: firstText(user, "userPrincipalName", "displayName")}
	} else {
		app := record.Get("initiatedBy.app")
		out.actor = object{id: app.Get("servicePrincipalId").Str,
			name: firstText(app, "displayName", "servicePrincipalName")}
	}
	out.target = targetOf(record, "User")
	return out
}

// targetOf is the first target of a type.
func targetOf(record gjson.Result, kind string) object {
	for _, t := range record.Get("targetResources").Array() {
		if strings.EqualFold(t.Get("type").Str, kind) {
			return object{id: t.Get("id").Str, name: firstText(t, "userPrincipalName", "displayName"), kind: kind}
		}
	}
	return object{}
}

func firstText(of gjson.Result, names ...string) string {
	for _, name := range names {
		if text := of.Get(name).Str; text != "" {
			return text
		}
	}
	return ""
}

// EntraActivities are the activities of Entra's own audits that stand beside a report's rows.
func (r *Rules) EntraActivities(report string) []string { return r.Entra[report] }

// ofEntra reads an audit where its activity is one of a report's.
func (r *Rules) ofEntra(report string, record gjson.Result) (auditOf, bool) {
	is := readAudit(record)
	return is, has(is.activity, r.Entra[report])
}

// EntraResets are the rows of one of Entra's own audits in the report of password resets.
func (r *Rules) EntraResets(record gjson.Result) []Reset {
	is, ok := r.ofEntra(PasswordReset, record)
	if !ok {
		return nil
	}
	result := map[string]string{"success": "Succeeded", "failure": "Failed"}[is.result]
	if !strings.EqualFold(is.activity, r.Entra[PasswordReset][0]) { // a step of a flow
		result = "Attempted"
	}
	return []Reset{{Time: is.time, Service: is.service, Activity: is.activity, User: is.target.name,
		UserID:    is.target.id,
		Requester: is.actor.name, RequesterID: is.actor.id, Status: is.result, Result: result, Reason: is.reason,
		Request: is.request, Key: is.key}}
}

// EntraRegistrations are the rows of one of Entra's own audits in the report of registrations.
func (r *Rules) EntraRegistrations(record gjson.Result) []Registration {
	is, ok := r.ofEntra(PasswordRegistration, record)
	if !ok {
		return nil
	}
	user := is.target
	if user.id == "" {
		user = is.actor
	}
	return []Registration{{Time: is.time, Service: is.service, Activity: is.activity, User: user.name, UserID: user.id,
		Status: is.result, Request: is.request, Key: is.key}}
}

// EntraGroups are the rows of one of Entra's own audits in the report of groups' activity.
func (r *Rules) EntraGroups(record gjson.Result) []Group {
	is, ok := r.ofEntra(GroupActivity, record)
	if !ok {
		return nil
	}
	group, member := targetOf(record, "Group"), is.target
	row := Group{Time: is.time, Service: is.service, Actor: is.actor.name, ActorID: is.actor.id, Action: is.activity,
		Group: group.name, GroupID: group.id, Member: member.name, MemberID: member.id, Outcome: is.result,
		Request: is.request, Key: is.key}
	if row.Group == "" { // of a member's audit the group stands among the changed properties
		row.Group = unquoted(property(record, "Group.DisplayName"))
		row.GroupID = unquoted(property(record, "Group.ObjectID"))
	}
	if member.id != "" {
		row.By = "other"
		if member.id == row.ActorID {
			row.By = "self"
		}
	}
	return []Group{row}
}

// property is the new value of a changed property of any target, or, where there is none, the old
// one: a removal has that alone.
func property(record gjson.Result, name string) string {
	for _, t := range record.Get("targetResources").Array() {
		for _, p := range t.Get("modifiedProperties").Array() {
			if strings.EqualFold(p.Get("displayName").Str, name) {
				return firstText(p, "newValue", "oldValue")
			}
		}
	}
	return ""
}

// unquoted is a text that audits write as JSON within a text.
func unquoted(text string) string {
	if v := gjson.Parse(text); v.Type == gjson.String {
		return v.Str
	}
	return text
}

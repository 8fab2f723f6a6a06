package mimserver

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/mim"
)

// Happened is one request: as the service logs it, and the rows that it makes by what was played,
// not by the rules.
type Happened struct {
	At            time.Time
	Request       string
	ID            string
	Resets        []mim.Reset
	Registrations []mim.Registration
	Groups        []mim.Group
	Secrets       []string // what may not be stored
}

// History is what happened, oldest first.
type History struct {
	seed uint64
	r    *rand.Rand
	at   time.Time
	step time.Duration
	n    int
}

// NewHistory begins at a moment; requests come a step apart. The same seed plays the same.
func NewHistory(seed uint64, from time.Time, step time.Duration) *History {
	return &History{seed: seed, r: rand.New(rand.NewPCG(seed, 19)), at: from, step: step}
}

type person struct{ id, account string }

func (p person) json() map[string]any {
	return map[string]any{"HybridObjectID": p.id, "AccountName": p.account, "DisplayName": strings.ToUpper(p.account),
		"Domain": "CONTOSO", "ObjectType": "Person"}
}

func (p person) name() string { return `CONTOSO\` + p.account }

func (h *History) person() person {
	n := h.r.IntN(40)
	return person{fmt.Sprintf("b0000000-0000-4000-8000-%012d", n), fmt.Sprintf("müller%d", n)}
}

// request is what all requests have.
func (h *History) request(operation, kind string, creator person) map[string]any {
	h.n++
	h.at = h.at.Add(h.step)
	committed := h.at.Add(-time.Second).Format("2006-01-02 15:04:05.000")
	if h.r.IntN(3) == 0 {
		committed = h.at.Add(-time.Second).Format("1/2/2006 3:04:05 PM")
	}
	return map[string]any{"HybridObjectID": fmt.Sprintf("c0000000-0000-4000-8%03d-%012d", h.seed%1000, h.n),
		"ObjectType":  "Request",
		"DisplayName": operation + " of " + kind, "Operation": operation, "RequestStatus": "Completed",
		"CreatedTime": committed, "CommittedTime": committed, "Creator": creator.json(), "TargetObjectType": kind}
}

// parameters sets a request's parameters: one alone is no list.
func parameters(of map[string]any, all ...map[string]any) {
	if len(all) == 1 {
		of["RequestParameter"] = all[0]
		return
	}
	of["RequestParameter"] = all
}

func parameter(property, mode string, value any) map[string]any {
	return map[string]any{"Calculated": "false", "Propertyname": property, "Value": value, "Operation": "Create",
		"Mode": mode}
}

// Next plays the next request.
func (h *History) Next() Happened {
	var out Happened
	var request map[string]any
	switch h.r.IntN(10) {
	case 0, 1:
		request = h.reset(&out)
	case 2, 3:
		request = h.registration(&out)
	case 4, 5, 6:
		request = h.group(&out)
	default:
		request = h.other()
	}
	text, _ := json.Marshal(request) // texts and lists have a JSON form
	out.At, out.Request, out.ID = h.at, string(text), request["HybridObjectID"].(string)
	at := out.At.UTC().Format(time.RFC3339Nano)
	for i := range out.Resets {
		out.Resets[i].Time, out.Resets[i].Request = at, out.ID
	}
	for i := range out.Registrations {
		out.Registrations[i].Time, out.Registrations[i].Request = at, out.ID
	}
	for i := range out.Groups {
		out.Groups[i].Time, out.Groups[i].Request = at, out.ID
	}
	return out
}

func (h *History) reset(out *Happened) map[string]any {
	who, by := h.person(), person{"b0000000-0000-4000-8000-999999999999", "anonymous"}
	r := h.request("Put", "Person", by)
	r["Target"] = who.json()
	row := mim.Reset{Service: mim.Service, Activity: "User Password Reset", User: who.name(), UserID: who.id,
		Requester: by.name(), RequesterID: by.id, Status: "Completed"}
	switch h.r.IntN(4) {
	case 0:
		row.Result = "Succeeded"
		parameters(r, parameter("ResetPassword", "Modify", "True"), parameter("LastResetAttemptTime", "Modify", "x"))
	case 1:
		row.Result, row.Status = "Failed", "Denied"
		r["RequestStatus"], r["Justification"] = "Denied", "too short"
		row.Reason = "too short"
		parameters(r, parameter("ResetPassword", "Modify", "True"))
	case 2:
		row.Result = "Blocked"
		parameters(r, parameter("AuthNWFLockedOut", "Add", "d0000000-0000-4000-8000-000000000001"))
	default:
		row.Result = "Attempted"
		parameters(r, parameter("LastResetAttemptTime", "Modify", "x"))
	}
	if h.r.IntN(2) == 0 {
		r["ManagementPolicy"] = map[string]any{"DisplayName": "Password reset by SMS",
			"ObjectType": "ManagementPolicyRule"}
		row.Gates = []string{"mobile phone"}
	}
	out.Resets = []mim.Reset{row}
	return r
}

func (h *History) registration(out *Happened) map[string]any {
	who := h.person()
	row := mim.Registration{Service: mim.Service, Activity: "User Password Registration", User: who.name(),
		UserID: who.id,
		Status: "Completed"}
	var r map[string]any
	switch h.r.IntN(3) {
	case 0:
		r = h.request("Create", "GateRegistration", who)
		out.Secrets = []string{"QUJDREVGRw=="}
		parameters(r, parameter("GateTypeId", "Modify", "QAGate"), parameter("GateData", "Modify", out.Secrets[0]))
		row.Change, row.Methods = "new", []string{"questions"}
	case 1:
		r = h.request("Put", "Person", who)
		out.Secrets = []string{fmt.Sprintf("+49 170 %07d", h.r.IntN(10_000_000))}
		parameters(r, parameter("msidmPhoneGatePhoneNumber", "Modify", out.Secrets[0]))
		r["Target"] = who.json()
		row.Change, row.Methods = "changed", []string{"mobile phone"}
	default:
		r = h.request("Put", "Person", who)
		r["Target"] = who.json()
		parameters(r, parameter("AuthNWFRegistered", "Add", "d0000000-0000-4000-8000-000000000001"))
		row.Change = "new"
	}
	out.Registrations = []mim.Registration{row}
	return r
}

func (h *History) group(out *Happened) map[string]any {
	by := h.person()
	id, name := fmt.Sprintf("e0000000-0000-4000-8000-%012d", h.r.IntN(9)), "Schach 象棋"
	row := mim.Group{Service: mim.Service, Actor: by.name(), ActorID: by.id, Group: name, GroupID: id,
		Outcome: "Completed"}
	operation := []string{"Create", "Delete", "Put", "Put", "Put"}[h.r.IntN(5)]
	r := h.request(operation, "Group", by)
	r["Target"] = map[string]any{"HybridObjectID": id, "DisplayName": name, "ObjectType": "Group"}
	switch operation {
	case "Create":
		row.Action = "Add group"
		out.Groups = []mim.Group{row}
		return r
	case "Delete":
		row.Action = "Delete group"
		out.Groups = []mim.Group{row}
		return r
	}
	n, property, words := 1+h.r.IntN(3), "ExplicitMember", " member"
	switch h.r.IntN(12) {
	case 0:
		n = 400 // too long for one event
	case 1, 2:
		property, words = "Owner", " owner"
	}
	mode := "Add"
	row.Action = "Add" + words
	if h.r.IntN(3) == 0 {
		mode, row.Action = "Remove", "Remove"+words
	}
	var members []any
	for range n {
		m := h.person()
		members = append(members, m.json())
		row.Member, row.MemberID, row.By = m.name(), m.id, "other"
		if m == by {
			row.By = "self"
		}
		out.Groups = append(out.Groups, row)
	}
	var value any = members
	if n == 1 {
		value = members[0]
	}
	text, _ := json.Marshal(value)
	parameters(r, parameter(property, mode, string(text)))
	return r
}

// other is a request that makes no row.
func (h *History) other() map[string]any {
	kinds := []string{"Set", "Approval", "ApprovalResponse", "WorkflowInstance", "Person", "Group", "msidmNobodyKnows"}
	kind := kinds[h.r.IntN(len(kinds))]
	r := h.request("Put", kind, h.person())
	parameters(r, parameter("DisplayName", "Modify", "x"), parameter("City", "Modify", "Ulm"))
	return r
}

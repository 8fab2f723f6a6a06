package report

import (
	"strings"

	"github.com/entraledger/entraledger/internal/logs"
)

// Reports of who used what. Source: learn.microsoft.com/graph/api/resources/signin. Interactive
// sign-ins are counted, for they are what the first reports API knew: of others there was no log
// before 2020.

const interactive = "interactive sign-ins"

func ofInteractive() []From { return []From{{Stream: logs.SignInsInteractiveUser}} }

// counted are the columns of counts of sign-ins.
func signInCounts(users bool) []Column {
	out := []Column{
		{Name: "signInCount", Text: "Sign-ins; records of one sign-in that are less than 15 minutes apart count once",
			Kind: Number, Ours: true},
		{Name: "successCount", Text: "Of these, how many ended in success", Kind: Number, Ours: true},
		{Name: "interruptedCount", Text: "Of these, how many ended with a question that was not answered",
			Kind: Number, Ours: true},
		{Name: "failureCount", Text: "Of these, how many failed", Kind: Number, Ours: true},
	}
	if users {
		out = append(out, Column{Name: "userCount",
			Text: "Users who signed in or tried to; absent where there are too " +
				"many to tell them apart", Kind: Number, Ours: true})
	}
	return out
}

func appColumns() []Column {
	return []Column{
		{Name: "appId", Text: "Application ID", Ours: true},
		{Name: "appDisplayName", Text: "Name of the application", Ours: true},
	}
}

func applicationUsageDetailEvents() *Report {
	return &Report{Name: "applicationUsageDetailEvents", Text: "Who used which application", Legacy: true,
		Source: interactive + ", each record", From: ofInteractive(),
		Columns: append(append([]Column{
			{Name: "id", Text: "ID of the sign-in; records of one sign-in share it"},
			{Name: eventTime, Text: "When", Kind: Time},
			{Name: "displayName", Text: "Display name of the user"},
			{Name: "userName", Text: "User principal name of the user"},
			{Name: "userId", Text: "Object ID of the user", Ours: true},
		}, appColumns()...),
			Column{Name: "resourceDisplayName", Text: "What was asked for", Ours: true},
			Column{Name: "errorCode", Text: "0: success", Kind: Number, Ours: true},
			Column{Name: "ipAddress", Text: "IP address", Ours: true}),
		Each: func(r Record) []Row {
			row := signInRow(r)
			row["resourceDisplayName"] = r.Text("resourceDisplayName")
			return []Row{row}
		}}
}

// signInRow is what rows of a sign-in have in common.
func signInRow(r Record) Row {
	row := Row{"id": r.ID, eventTime: r.Time, "displayName": r.Text("userDisplayName"),
		"userName": r.Text("userPrincipalName"), "userId": r.Text("userId"), "appId": r.Text("appId"),
		"appDisplayName": r.Text("appDisplayName"), "ipAddress": r.Text("ipAddress")}
	if code := r.Doc.Get("status.errorCode"); code.Exists() {
		row["errorCode"] = code.Int()
	}
	return row
}

// byApp is the key and the row of a sign-in's application.
func byApp(r Record) (string, Row) {
	id, name := r.Text("appId"), r.Text("appDisplayName")
	if id == "" {
		return "name " + name, Row{"appDisplayName": name}
	}
	return id, Row{"appId": id, "appDisplayName": name}
}

// How many pairs of application and user are told apart: of a day they are in memory, of a whole
// time in the row of a job.
const (
	pairsOfDay   = 2_000_000
	pairsOfWhole = 50_000
)

func applicationUsageSummaryEvents() *Report {
	return &Report{Name: "applicationUsageSummaryEvents", Text: "How often each application was used, by day",
		Legacy: true, LicenseRequired: true, Source: interactive + ", by day and application", From: ofInteractive(),
		Columns: append(append([]Column{{Name: eventTime, Text: "The day, in UTC", Kind: Time}}, appColumns()...),
			signInCounts(true)...),
		Daily: func() Sums { return newSignIns(pairsOfDay, false, byApp) }}
}

func applicationUsageSummary() *Report {
	return &Report{Name: "applicationUsageSummary", Text: "How often each application was used", Legacy: true,
		LicenseRequired: true, Source: interactive + ", by application over the whole time, the most used first",
		From: ofInteractive(), Columns: append(appColumns(), signInCounts(true)...),
		Whole: func(Window) Sums { return newSignIns(pairsOfWhole, true, byApp) }}
}

func userActivitySummary() *Report {
	return &Report{Name: "userActivitySummary", Text: "How often each user signed in, by day", Legacy: true,
		Source: interactive + ", by day and user", From: ofInteractive(),
		Columns: append([]Column{
			{Name: eventTime, Text: "The day, in UTC", Kind: Time},
			{Name: "displayName", Text: "Display name of the user"},
			{Name: "userName", Text: "User principal name of the user"},
			{Name: "userId", Text: "Object ID of the user", Ours: true},
		}, signInCounts(false)...),
		Daily: func() Sums { return newSignIns(0, false, byUser) }}
}

// byUser is the key and the row of a sign-in's user.
func byUser(r Record) (string, Row) {
	row := Row{"userId": r.Text("userId"), "userName": r.Text("userPrincipalName"),
		"displayName": r.Text("userDisplayName")}
	return userKey(r), row
}

// userKey tells users apart: by the object ID, else by the name.
func userKey(r Record) string {
	if id := r.Text("userId"); id != "" {
		return strings.ToLower(id)
	}
	return "name " + strings.ToLower(r.Text("userPrincipalName"))
}

func tenantUserCount() *Report {
	return &Report{Name: "tenantUserCount", Text: "How many users the tenant has", Legacy: true,
		Source: "snapshots of the directory, each of them",
		Columns: []Column{
			{Name: "id", Text: "ID of the snapshot"},
			{Name: eventTime, Text: "As of when it is", Kind: Time},
			{Name: "userCount", Text: "Users, guests among them", Kind: Number, Ours: true},
			{Name: "memberCount", Text: "Of these, members; absent where the snapshot's rows are no longer kept",
				Kind: Number, Ours: true},
			{Name: "guestCount", Text: "Of these, guests; likewise", Kind: Number, Ours: true},
			{Name: "enabledCount", Text: "Of these, enabled accounts; likewise", Kind: Number, Ours: true},
			{Name: "licensedCount", Text: "Of these, with a licence; likewise", Kind: Number, Ours: true},
			{Name: "reason", Text: "Why there may be more or fewer; else absent", Ours: true},
		},
		Snapshots: func(all []Snapshot) []Row {
			var out []Row
			for _, s := range all {
				row := Row{"id": s.ID, eventTime: s.AsOf, "userCount": s.Users, "reason": s.Doubt}
				if k := s.Kinds; k != nil {
					row["memberCount"], row["guestCount"] = k.Members, k.Guests
					row["enabledCount"], row["licensedCount"] = k.Enabled, k.Licensed
				}
				out = append(out, row)
			}
			return out
		}}
}

package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/logs"
)

// Reports of risk, from what sign-ins themselves say: riskEventTypes_v2. Risk detections that are
// no property of a sign-in, such as leaked credentials, are not archived. A tenant without
// Microsoft Entra ID P2 gets hidden for riskState, and generic for the type of a detection.
// Sources: learn.microsoft.com/graph/api/resources/signin and .../resources/riskdetection.

const riskTypes = "riskEventTypes_v2"

const riskWithheld = "its sign-ins do not disclose their risk (riskState is hidden, or " + riskTypes +
	" is absent or says generic): Graph discloses it to tenants with Microsoft Entra ID P2"

func ofUserSignIns() []From {
	return []From{{Stream: logs.SignInsInteractiveUser}, {Stream: logs.SignInsNonInteractiveUser}}
}

// discloses tells whether a sign-in says which risks were detected.
func discloses(r Record) bool {
	types := r.Doc.Get(riskTypes)
	return types.IsArray() && !strings.EqualFold(r.Text("riskState"), "hidden") &&
		!slices.Contains(typesOf(types), "generic")
}

// typesOf are the types of a sign-in's detections.
func typesOf(list gjson.Result) []string {
	var out []string
	for _, name := range list.Array() {
		out = append(out, name.String())
	}
	return out
}

func riskColumns() []Column {
	return append(append([]Column{
		{Name: "id", Text: "ID of the sign-in; records of one sign-in share it"},
		{Name: eventTime, Text: "When", Kind: Time},
		{Name: "displayName", Text: "Display name of the user"},
		{Name: "userName", Text: "User principal name of the user"},
		{Name: "userId", Text: "Object ID of the user", Ours: true},
	}, appColumns()...),
		Column{Name: "errorCode", Text: "0: success", Kind: Number, Ours: true},
		Column{Name: "ipAddress", Text: "IP address", Ours: true},
		Column{Name: "city", Text: "City", Ours: true},
		Column{Name: "countryOrRegion", Text: "Country or region", Ours: true},
		Column{Name: "riskEventTypes", Text: "The risks that were detected, as " + riskTypes + " names them",
			Kind: Texts,
			Ours: true},
		Column{Name: "riskState", Text: "atRisk, remediated, dismissed, ...", Ours: true},
		Column{Name: "riskLevel", Text: "Risk of this sign-in: low, medium or high", Ours: true},
		Column{Name: "log", Text: "Log that has it", Ours: true})
}

// risky is a report of the sign-ins with one of some types of risk.
func risky(name, text string, licence bool, types ...string) *Report {
	return &Report{Name: name, Text: text, Legacy: true, LicenseRequired: licence, Columns: riskColumns(),
		Source: "sign-ins of users whose own " + riskTypes + " has " + strings.Join(types, " or ") +
			", each record; no risk detections are archived",
		From: ofUserSignIns(), Discloses: discloses, Withheld: riskWithheld,
		Each: func(r Record) []Row {
			list := r.Doc.Get(riskTypes)
			if !list.IsArray() {
				return nil
			}
			found := typesOf(list)
			if !slices.ContainsFunc(found, func(t string) bool { return slices.Contains(types, t) }) {
				return nil
			}
			row := signInRow(r)
			row["city"], row["countryOrRegion"] = r.Text("location.city"), r.Text("location.countryOrRegion")
			row["riskEventTypes"], row["riskState"] = found, r.Text("riskState")
			row["riskLevel"], row["log"] = r.Text("riskLevelDuringSignIn"), string(r.Stream)
			return []Row{row}
		}}
}

func signInsFromUnknownSourcesEvents() *Report {
	return risky("signInsFromUnknownSourcesEvents", "Sign-ins from addresses that hide who uses them", false,
		"anonymizedIPAddress")
}

func signInsFromIPAddressesWithSuspiciousActivityEvents() *Report {
	return risky("signInsFromIPAddressesWithSuspiciousActivityEvents",
		"Sign-ins from addresses with suspicious activity",
		true, "maliciousIPAddress", "suspiciousIPAddress")
}

func signInsFromMultipleGeographiesEvents() *Report {
	return risky("signInsFromMultipleGeographiesEvents", "Sign-ins from places too far apart for the time between them",
		false, "unlikelyTravel")
}

func signInsFromPossiblyInfectedDevicesEvents() *Report {
	return risky("signInsFromPossiblyInfectedDevicesEvents", "Sign-ins from devices that may be infected", true,
		"malwareInfectedIPAddress")
}

func irregularSignInActivityEvents() *Report {
	return risky("irregularSignInActivityEvents", "Sign-ins that are unusual for their user", true,
		"unfamiliarFeatures")
}

func allUsersWithAnomalousSignInActivityEvents() *Report {
	return &Report{Name: "allUsersWithAnomalousSignInActivityEvents",
		Text: "Users with a sign-in for which a risk was " +
			"detected", Legacy: true, LicenseRequired: true,
		Source: "sign-ins of users whose own " + riskTypes + " has anything, by user over the whole time; no risk " +
			"detections are archived, and no risky users",
		From: ofUserSignIns(), Withheld: riskWithheld,
		Columns: []Column{
			{Name: "id", Text: "Object ID of the user"},
			{Name: eventTime, Text: "The newest such sign-in", Kind: Time},
			{Name: "displayName", Text: "Display name of the user"},
			{Name: "userName", Text: "User principal name of the user"},
			{Name: "signInCount", Text: "Such sign-ins: records", Kind: Number, Ours: true},
			{Name: "riskEventTypes", Text: "The risks that were detected", Kind: Texts, Ours: true},
		},
		Whole: func(Window) Sums { return &riskyUsers{Users: make(map[string]*riskyUser)} }}
}

// riskyUsers gathers users with a detected risk.
type riskyUsers struct {
	Users               map[string]*riskyUser
	Disclosed, Withheld int64
}

type riskyUser struct {
	Row   Row
	N     int64
	Types []string
}

// Add is Sums's.
func (u *riskyUsers) Add(r Record) {
	if !discloses(r) {
		u.Withheld++
		return
	}
	u.Disclosed++
	types := typesOf(r.Doc.Get(riskTypes))
	if len(types) == 0 {
		return
	}
	key := userKey(r)
	user, ok := u.Users[key]
	if !ok {
		user = &riskyUser{}
		u.Users[strings.Clone(key)] = user
	}
	user.Row = ownRow(Row{"id": r.Text("userId"), "displayName": r.Text("userDisplayName"),
		"userName": r.Text("userPrincipalName"), eventTime: r.Time.Format(entraTime)})
	user.N++
	for _, name := range types {
		if !slices.Contains(user.Types, name) {
			user.Types = append(user.Types, strings.Clone(name))
		}
	}
}

// Rows is Sums's.
func (u *riskyUsers) Rows() []Keyed {
	var out []Keyed
	for key, user := range u.Users {
		row := maps.Clone(user.Row)
		row["signInCount"], row["riskEventTypes"] = user.N, slices.Sorted(slices.Values(user.Types))
		out = append(out, Keyed{key, row})
	}
	return byKey(out)
}

// Doubt is Sums's.
func (u *riskyUsers) Doubt() (string, bool) { return withheld(u.Disclosed, u.Withheld, riskWithheld) }

// Withheld says, of the records that were met up to a place, how many do not say what a report of
// rows is about, and whether none does.
func Withheld(r *Report, at Place) (text string, nothing bool) {
	return withheld(at.Disclosed, at.Withheld, r.Withheld)
}

// withheld says how many records did not say what was asked for, and whether none did.
func withheld(disclosed, withheld int64, why string) (string, bool) {
	switch {
	case withheld == 0:
		return "", false
	case disclosed == 0:
		return why, true
	}
	return fmt.Sprintf("of %d sign-ins %d are not judged: %s", disclosed+withheld, withheld, why), false
}

// entraTime is how a time stands in a row that is kept in a job.
const entraTime = "2006-01-02T15:04:05.9999999Z07:00"

const credentialsUnknown = "leaked credentials are no property of a sign-in: risk detections (leakedCredentials) and " +
	"risky users would say it, and neither is archived"

func compromisedCredentials() *Report {
	return &Report{Name: "compromisedCredentials", Text: "Users whose credentials were found where they should not be",
		Legacy: true, Source: "risk detections, which are not archived", Unknown: credentialsUnknown}
}

func threatenedCredentials() *Report {
	return &Report{Name: "threatenedCredentials", Text: "Users whose credentials may be known to others", Legacy: true,
		Source: "risk detections, which are not archived", Unknown: credentialsUnknown}
}

package derive

import (
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Restores is the view that has, of each day of the audits, when each user was last restored or
// enabled.
func Restores() View {
	return View{Name: "restores", Version: 1, Unit: Day, When: Settled, Needs: Records, Aside: true,
		Streams: func(s entra.Stream) bool { return s == logs.DirectoryAudits }, Of: timesOf(restored)}
}

// restored are the users that an audit says were restored or enabled: "Restore user" and "Enable
// account", and "Update user" where it made AccountEnabled true, each with the result success. The
// values of modifiedProperties are JSON in a text: "[false]" and "[true]". A record that changes
// nothing, from true to true, is none: they occur.
// Sources: learn.microsoft.com/entra/identity/monitoring-health/reference-audit-activities (Core
// Directory, UserManagement), learn.microsoft.com/graph/api/resources/targetresource and
// .../modifiedproperty.
func restored(c Content) (users []string) {
	doc := gjson.Parse(unsafe.String(unsafe.SliceData(c.Raw), len(c.Raw)))
	if result := doc.Get("result").Str; result != "" && !strings.EqualFold(result, "success") {
		return nil
	}
	activity := strings.ToLower(strings.TrimRight(doc.Get("activityDisplayName").Str, " ."))
	switch activity {
	case "restore user", "enable account", "update user":
	default:
		return nil
	}
	targets := doc.Get("targetResources")
	if !targets.Exists() {
		targets = doc.Get("targetResource") // as some records of old have it
	}
	for _, target := range targets.Array() {
		enabled, said := madeEnabled(target)
		id := target.Get("id").Str
		switch {
		case id == "" || !isUser(target):
			continue
		case activity == "restore user": // whatever it says of AccountEnabled beside it
		case said && !enabled, activity == "update user" && !said:
			continue
		}
		users = append(users, strings.Clone(id))
	}
	return users
}

// isUser tells whether a target is a user: by its type, or where it has none by its name.
func isUser(target gjson.Result) bool {
	for _, name := range []string{"type", "Type"} {
		if is := target.Get(name).Str; is != "" {
			return strings.EqualFold(is, "User")
		}
	}
	if is := target.Get(`@odata\.type`).Str; is != "" {
		return strings.EqualFold(is, "#microsoft.graph.targetResourceUser")
	}
	return target.Get("userPrincipalName").Str != ""
}

// madeEnabled tells whether a target's AccountEnabled became true. said: the record has it.
func madeEnabled(target gjson.Result) (is, said bool) {
	for _, property := range target.Get("modifiedProperties").Array() {
		if strings.EqualFold(property.Get("displayName").Str, "AccountEnabled") {
			said = true
			is = is || isTrue(property.Get("newValue")) && !isTrue(property.Get("oldValue"))
		}
	}
	return is, said
}

// isTrue reads true, "true", "[true]", "[\"True\"]".
func isTrue(value gjson.Result) bool {
	return strings.EqualFold(strings.Trim(value.String(), ` []"\`), "true")
}

package generate

import (
	"fmt"
	"time"
)

// activity is one kind of audit.
type activity struct {
	name, category, service, operation, target string
	byApp                                      bool
	properties                                 []string
}

var activities = []activity{
	{"Update user", "UserManagement", "Core Directory", "Update", "User", false,
		[]string{"Department", "JobTitle", "MobilePhone"}},
	{"Add user", "UserManagement", "Core Directory", "Add", "User", false,
		[]string{"AccountEnabled", "DisplayName", "UserPrincipalName", "UserType"}},
	{"Delete user", "UserManagement", "Core Directory", "Delete", "User", false, []string{"Is Hard Deleted"}},
	{"Reset password (by admin)", "UserManagement", "Self-service Password Management", "Update", "User", false, nil},
	{"Change user license", "UserManagement", "Core Directory", "Update", "User", false, []string{"AssignedLicense"}},
	{"Add member to group", "GroupManagement", "Core Directory", "Assign", "Group", false,
		[]string{"Group.ObjectID", "Group.DisplayName"}},
	{"Remove member from group", "GroupManagement", "Core Directory", "Unassign", "Group", false,
		[]string{"Group.ObjectID", "Group.DisplayName"}},
	{"Add group", "GroupManagement", "Core Directory", "Add", "Group", true,
		[]string{"DisplayName", "MailEnabled", "SecurityEnabled"}},
	{"Add member to role", "RoleManagement", "Core Directory", "Assign", "Role", false,
		[]string{"Role.ObjectID", "Role.DisplayName", "Role.TemplateId"}},
	{"Add eligible member to role in PIM completed (timebound)", "RoleManagement", "PIM", "Assign", "Role", false,
		[]string{"RoleDefinitionOriginId"}},
	{"Update application – Certificates and secrets management ", "ApplicationManagement", "Core Directory", "Update",
		"Application", false, []string{"KeyDescription"}},
	{"Update service principal", "ApplicationManagement", "Core Directory", "Update", "ServicePrincipal", true,
		[]string{"KeyDescription", "ServicePrincipalName"}},
	{"Consent to application", "ApplicationManagement", "Core Directory", "Assign", "ServicePrincipal", false,
		[]string{"ConsentContext.IsAdminConsent", "ConsentAction.Permissions"}},
	{"Add app role assignment to service principal", "ApplicationManagement", "Core Directory", "Assign",
		"ServicePrincipal", false, []string{"AppRole.Value"}},
	{"Update conditional access policy", "Policy", "Conditional Access", "Update", "Policy", false,
		[]string{"ConditionalAccessPolicy"}},
	{"Register device", "Device", "Device Registration Service", "Add", "Device", false,
		[]string{"IsCompliant", "DeviceOSType"}},
	{"Update device", "Device", "Core Directory", "Update", "Device", true,
		[]string{"IsCompliant", "DevicePhysicalIds"}},
	{"User registered security info", "UserManagement", "Authentication Methods", "Update", "User", false, nil},
	{"Invite external user", "UserManagement", "Invited Users", "Add", "User", false, []string{"InvitationId"}},
	{"Export", "ProvisioningManagement", "Account Provisioning", "Update", "User", true, nil},
}

// audit is a directoryAudit: times with six or seven digits, ids with blanks in some, values that
// are JSON within strings.
func (g *Generator) audit(w *writer, r *rand, at time.Time, i int, attributes bool) {
	a, by, target := pick(r, activities), pick(r, g.users), pick(r, g.users)
	if attributes {
		a = activity{"Update attribute values for a user", "AttributeManagement", "Core Directory", "Update", "User",
			false, []string{"Engineering.Project"}}
	}
	if i%rarely == 71 {
		a.operation = "Restore"
	}
	correlation := guid(r)
	prefix := "Directory"
	if a.service != "Core Directory" {
		prefix = a.service
	}
	w.raw("{")
	w.str("id", fmt.Sprintf("%s_%s_%s_%d", prefix, correlation, token(r, 5), r.below(1_000_000_000)))
	w.str("category", a.category)
	w.str("correlationId", correlation)
	result := "success"
	if r.oneIn(25) {
		result = "failure"
	}
	if i%rarely == 29 {
		result = "partialSuccess"
	}
	w.str("result", result)
	w.str("resultReason", map[string]string{"failure": "Microsoft.Online.Workflows.ValidationException"}[result])
	w.str("activityDisplayName", a.name)
	w.time("activityDateTime", at)
	w.str("loggedByService", a.service)
	w.str("operationType", a.operation)
	w.str("userAgent", by.device.agent)
	g.initiatedBy(w, r, a, by)
	w.open("targetResources", '[')
	g.target(w, r, a, target)
	if a.target == "Group" && a.operation != "Add" {
		g.target(w, r, activity{target: "User"}, target)
	}
	w.raw("]")
	w.raw(`,"additionalDetails":[{"key":"User-Agent","value":"` + by.device.agent + `"}]}`)
}

// initiatedBy is the application or the user who acted; the other member is null.
func (g *Generator) initiatedBy(w *writer, r *rand, a activity, by user) {
	w.open("initiatedBy", '{')
	if a.byApp {
		p := pick(r, g.apps)
		w.nulls("user")
		w.open("app", '{')
		w.nulls("appId")
		w.str("displayName", p.name)
		w.str("servicePrincipalId", p.principal)
		w.nulls("servicePrincipalName")
	} else {
		w.nulls("app")
		w.open("user", '{')
		w.str("id", by.id)
		w.nulls("displayName")
		w.str("userPrincipalName", by.upn)
		w.str("ipAddress", by.ip)
		w.nulls("userType", "homeTenantId", "homeTenantName")
	}
	w.raw("}}")
}

func (g *Generator) target(w *writer, r *rand, a activity, u user) {
	w.item()
	w.str("id", u.id)
	switch a.target {
	case "User":
		w.nulls("displayName")
		w.str("type", "User")
		w.str("userPrincipalName", u.upn)
		w.nulls("groupType")
	case "Group":
		w.str("displayName", "SG-"+u.place.city)
		w.str("type", "Group")
		w.nulls("userPrincipalName")
		w.str("groupType", "unknownFutureValue")
	default:
		w.str("displayName", pick(r, g.apps).name)
		w.str("type", a.target)
		w.nulls("userPrincipalName", "groupType")
	}
	w.open("modifiedProperties", '[')
	for _, name := range a.properties {
		w.item()
		w.str("displayName", name)
		w.str("oldValue", `["`+token(r, 8)+`"]`)
		w.str("newValue", `["`+token(r, 8)+`","`+u.name+`"]`)
		w.raw("}")
	}
	if len(a.properties) > 0 {
		w.item()
		w.str("displayName", "Included Updated Properties")
		w.nulls("oldValue")
		w.str("newValue", `"`+a.properties[0]+`"`)
		w.raw("}")
	}
	w.raw("]}")
}

// provisioning is a provisioningObjectSummary; servicePrincipal is one object, whatever its
// documentation says.
func (g *Generator) provisioning(w *writer, r *rand, at time.Time, i int) {
	u, a := pick(r, g.users), pick(r, g.apps)
	failed := r.oneIn(12)
	action := pick(r, []string{"create", "update", "update", "disable", "other"})
	if i%rarely == 41 {
		action = "restore"
	}
	status := "success"
	if failed {
		status = "failure"
	}
	if i%rarely == 83 {
		failed, status = false, "deferred"
	}
	w.raw("{")
	w.guid("id", r)
	w.time("activityDateTime", at)
	w.str("tenantId", tenantID)
	w.str("jobId", "contoso."+tenantID[:8]+"."+ascii(a.name))
	w.guid("cycleId", r)
	w.guid("changeId", r)
	w.str("provisioningAction", action)
	w.num("durationInMilliseconds", 200+r.below(4000))
	w.raw(`,"servicePrincipal":{"id":"` + a.principal + `","displayName":`)
	w.quote(a.name)
	w.raw(`},"sourceSystem":{"id":"` + a.resourceID + `","displayName":"Microsoft Entra ID","details":{}}`)
	w.raw(`,"targetSystem":{"id":"` + a.id + `","displayName":`)
	w.quote(a.name)
	w.raw(`,"details":{"ApplicationId":"` + a.id + `","ServicePrincipalId":"` + a.principal + `"}}`)
	w.raw(`,"initiatedBy":{"id":"","displayName":"Azure AD Provisioning Service","initiatorType":"system"}`)
	g.identity(w, "sourceIdentity", u, `{"odatatype":"User","DisplayName":`)
	g.identity(w, "targetIdentity", u,
		`{"odatatype":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","DisplayName":`)
	w.raw(`,"provisioningStatusInfo":{"status":"` + status + `","errorInformation":`)
	if failed {
		w.raw(provisioningError + "}")
	} else {
		w.raw("null}")
	}
	provisioningSteps(w, u, action, failed)
	provisionedProperties(w, r, u)
	w.raw("}")
}

func provisionedProperties(w *writer, r *rand, u user) {
	w.open("modifiedProperties", '[')
	properties := []string{"displayName", "mail", "department", "active", "emails[type eq \"work\"].value"}
	for _, name := range properties[:2+r.below(4)] {
		w.item()
		w.str("displayName", name)
		w.nulls("oldValue")
		w.str("newValue", token(r, 12)+" "+u.name)
		w.raw("}")
	}
	w.raw("]")
}

const provisioningError = `{"errorCode":"SystemForCrossDomainIdentityManagementServiceIncompatible",` +
	`"reason":"Message: the target returned HTTP status code 409. This operation was retried 2 times. ` +
	`It will be retried again after this date.","additionalDetails":null,"errorCategory":"nonServiceFailure",` +
	`"recommendedAction":"https://go.microsoft.com/fwlink/?linkid=2212020"}`

func provisioningSteps(w *writer, u user, action string, failed bool) {
	names := []string{"EntryImport", "EntryImportByMatchingProperty", "EntrySynchronizationScoping",
		"EntryExportUpdate"}
	w.open("provisioningSteps", '[')
	for k, step := range []string{"import", "matching", "processing", "export"} {
		w.item()
		w.str("name", names[k])
		w.str("provisioningStepType", step)
		w.str("status", map[bool]string{true: "failure", false: "success"}[failed && step == "export"])
		w.str("description", fmt.Sprintf("Step %d of user '%s' (%s)", k+1, u.upn, action))
		w.raw(`,"details":{"ReportableIdentifier":"` + u.upn + `","Active":"True"}}`)
	}
	w.raw("]")
}

func (g *Generator) identity(w *writer, name string, u user, details string) {
	w.open(name, '{')
	w.str("id", u.id)
	w.str("displayName", u.name)
	w.str("identityType", "User")
	w.raw(`,"details":` + details)
	w.quote(u.name)
	w.raw(`,"UserPrincipalName":"` + u.upn + `"}}`)
}

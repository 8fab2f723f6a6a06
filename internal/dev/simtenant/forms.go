package simtenant

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
)

// asked is what a reader gets: the version's form, with every member of enums or only those that
// the version's first callers knew. One that is blind lacks the log's optional permission.
type asked struct {
	form    string
	members bool
	blind   bool
}

// thinShapes are what v1.0 knows of records of which beta knows more, by collection, in the words
// of odata.ParseShape. What neither knows stays in both. Sources:
// learn.microsoft.com/graph/api/resources/signin, in v1.0, and live answers.
var thinShapes = map[string]string{"signIns": `
id createdDateTime userDisplayName userPrincipalName userId appId appDisplayName ipAddress clientAppUsed correlationId
conditionalAccessStatus isInteractive riskDetail riskLevelAggregated riskLevelDuringSignIn riskState
riskEventTypes riskEventTypes_v2 resourceDisplayName resourceId status{errorCode failureReason additionalDetails}
deviceDetail{deviceId displayName operatingSystem browser isCompliant isManaged trustType}
location{city state countryOrRegion geoCoordinates{altitude latitude longitude}}
appliedConditionalAccessPolicies{id displayName enforcedGrantControls enforcedSessionControls result}`}

// betaOnly are properties that v1.0 lacks and that the log's shape does not name, or where only
// these are lacking.
var betaOnly = map[string][]string{
	"signIns":         {"signInTokenProtectionStatus"},
	"directoryAudits": {"userAgent"},
}

// newerMembers are the members of enums that come as unknownFutureValue unless the request prefers
// to get them, by collection and path. Those of riskDetail, incomingTokenType,
// authenticationProtocol, crossTenantAccessType, tokenIssuerType and of policies' result are
// documented so (learn.microsoft.com/graph/api/resources/signin); the others stand for members to
// come.
var newerMembers = map[string]map[string]string{
	"signIns": {
		"riskDetail": "adminConfirmedServicePrincipalCompromised adminDismissedAllRiskForServicePrincipal " +
			"m365DAdminDismissedDetection userChangedPasswordOnPremises adminDismissedRiskForSignIn " +
			"adminConfirmedAccountSafe",
		"incomingTokenType":       "remoteDesktopToken refreshToken",
		"authenticationProtocol":  "authenticationTransfer nativeAuth",
		"crossTenantAccessType":   "passthrough",
		"tokenIssuerType":         "AzureADBackupAuth ADFederationServicesMFAAdapter NPSExtension",
		"riskEventTypes_v2":       "attackerInTheMiddle suspiciousAPITraffic",
		"conditionalAccessStatus": "notEvaluated",
		"signInIdentifierType":    "passkey",
		"userType":                "externalMember",
		"appliedConditionalAccessPolicies/result": "reportOnlySuccess reportOnlyFailure reportOnlyNotApplied " +
			"reportOnlyInterrupted",
	},
	"directoryAudits":               newerAuditMembers,
	"customSecurityAttributeAudits": newerAuditMembers,
	"provisioning": {
		"provisioningAction": "restore", "provisioningStatusInfo/status": "deferred",
	},
}

var newerAuditMembers = map[string]string{"operationType": "Restore", "result": "partialSuccess"}

// newForms are the forms of a log's records. v1.0's is beta's where nothing is known of v1.0.
func newForms(l *logs.Log, spell bool) (map[asked]form, error) {
	thin, err := thinRule(l)
	if err != nil {
		return nil, fmt.Errorf("compare v1.0 and beta of %s: %w", l.Stream, err)
	}
	out := make(map[asked]form)
	for version, left := range map[string]*rule{entra.FormBeta: nil, entra.FormV1: thin} {
		otherwise := spell && version == entra.FormV1
		out[asked{version, true, false}] = form{left, otherwise}
		out[asked{version, false, false}] = form{left.withNewer(newerMembers[l.Collection]), otherwise}
	}
	if l.Optional != nil {
		for as, f := range maps.Clone(out) {
			f.rule = f.rule.clone()
			f.rule.member(l.Optional.Property).left = true
			out[asked{as.form, as.members, true}] = f
		}
	}
	return out, nil
}

// thinRule leaves out what v1.0 lacks; nil: nothing.
func thinRule(l *logs.Log) (*rule, error) {
	out := &rule{}
	if words, ok := thinShapes[l.Collection]; ok {
		full, err := odata.ParseShape("", l.Shape)
		if err != nil {
			return nil, err
		}
		thin, err := odata.ParseShape("", words)
		if err != nil {
			return nil, err
		}
		out = lacking(full, thin)
	}
	for _, name := range betaOnly[l.Collection] {
		out.member(name).left = true
	}
	if out.members == nil {
		return nil, nil
	}
	return out, nil
}

// lacking leaves out the members of full that thin has not, at every depth.
func lacking(full, thin *odata.Shape) *rule {
	out := &rule{}
	for name, of := range full.Fields {
		within, ok := thin.Fields[name]
		if of.Elem != nil {
			of = of.Elem
		}
		switch {
		case !ok:
			out.member(name).left = true
		case len(of.Fields) > 0 && len(within.Fields) > 0:
			if inner := lacking(of, within); inner.members != nil {
				*out.member(name) = *inner
			}
		}
	}
	return out
}

// member is the rule of a member, made if there is none.
func (r *rule) member(name string) *rule {
	if r.members == nil {
		r.members = make(map[string]*rule)
	}
	if r.members[name] == nil {
		r.members[name] = &rule{}
	}
	return r.members[name]
}

// withNewer is a copy of a rule that also hides newer members, by path.
func (r *rule) withNewer(members map[string]string) *rule {
	if len(members) == 0 {
		return r
	}
	out := r.clone()
	for path, words := range members {
		at := out
		for name := range strings.SplitSeq(path, "/") {
			at = at.member(name)
		}
		at.newer = make(map[string]bool)
		for word := range strings.FieldsSeq(words) {
			at.newer[`"`+word+`"`] = true
		}
	}
	return out
}

func (r *rule) clone() *rule {
	if r == nil {
		return &rule{}
	}
	out := &rule{left: r.left, newer: maps.Clone(r.newer)}
	for name, of := range r.members {
		*out.member(name) = *of.clone()
	}
	return out
}

// leaves reports whether a property, as a filter names it, is left out.
func (r *rule) leaves(path string) bool {
	for name := range strings.SplitSeq(path, "/") {
		if r == nil {
			return false
		}
		if r = r.members[name]; r != nil && r.left {
			return true
		}
	}
	return false
}

// servedIn reports whether Graph has a log in a version: beta has all, v1.0 those that have its
// form.
func servedIn(l *logs.Log, version string) bool {
	return version == entra.FormBeta || slices.Contains(l.Forms, version)
}

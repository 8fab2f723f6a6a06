package simtenant

import (
	"fmt"
	"strings"

	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
)

// schema is which operators each property of a type accepts in a $filter, as the API reference
// lists them, and those that Microsoft's manual or existing tools also use. A property that is not
// here is unknown.
type schema struct {
	typeName string
	takes    map[string]string
	noCount  bool // $count is refused
}

const (
	equal    = "eq"
	starts   = "eq startswith"
	filtered = "eq ne" // not documented as filterable, and used by the manual
)

var signInSchema = schema{typeName: "microsoft.graph.signIn", takes: map[string]string{
	"createdDateTime": "eq le ge lt gt",
	"id":              equal, "appId": equal, "clientAppUsed": equal, "conditionalAccessStatus": equal,
	"correlationId":     equal,
	"originalRequestId": equal, "resourceDisplayName": equal, "resourceId": equal, "resourceOwnerTenantId": equal,
	"appOwnerTenantId": equal,
	"riskDetail":       equal, "riskLevelAggregated": equal, "riskLevelDuringSignIn": equal, "riskState": equal,
	"status/errorCode": "eq ne", "tokenIssuerName": equal, "userId": equal, "conditionalAccessAudiences": equal,
	"resourceServicePrincipalId": equal,
	"appDisplayName":             starts, "ipAddress": starts, "userDisplayName": starts, "userPrincipalName": starts,
	"userAgent":          starts,
	"servicePrincipalId": starts, "servicePrincipalName": starts, "authenticationRequirement": starts,
	"riskEventTypes_v2": "any eq startswith", "deviceDetail/browser": starts, "deviceDetail/operatingSystem": starts,
	"location/city": starts, "location/state": starts, "location/countryOrRegion": starts,
	"signInEventTypes": "any eq ne",
}}

var auditSchema = schema{typeName: "microsoft.graph.directoryAudit", takes: map[string]string{
	"activityDateTime": "eq ge le lt gt", "id": equal,
	"activityDisplayName": starts, "initiatedBy/user/userPrincipalName": starts,
	"correlationId": equal, "loggedByService": equal, "initiatedBy/user/id": equal,
	"initiatedBy/user/displayName": equal,
	"initiatedBy/app/appId":        equal, "initiatedBy/app/displayName": equal,
	"targetResources": "any", "targetResources/id": equal, "targetResources/displayName": starts,
	"category": filtered, "result": filtered, "operationType": filtered,
}}

var provisioningSchema = schema{typeName: "microsoft.graph.provisioningObjectSummary", noCount: true,
	takes: map[string]string{
		"activityDateTime": "eq gt lt", "durationInMilliseconds": "eq gt lt",
		"id": "eq contains", "tenantId": "eq contains", "jobId": "eq contains", "changeId": "eq contains",
		"cycleId":            "eq contains",
		"provisioningAction": "eq contains", "provisioningStatusInfo/status": "eq contains",
		"initiatedBy/displayName":  "eq contains",
		"sourceSystem/displayName": "eq contains", "targetSystem/displayName": "eq contains",
		"sourceIdentity/id": "eq contains", "sourceIdentity/displayName": "eq contains",
		"sourceIdentity/identityType": "eq contains",
		"targetIdentity/id":           "eq contains", "targetIdentity/displayName": "eq contains",
		"targetIdentity/identityType": "eq contains",
		"servicePrincipal/id":         equal, "servicePrincipal/name": equal, "servicePrincipal/displayName": equal,
	}}

// schemas are those of the collections whose operators are documented.
var schemas = map[string]schema{
	"signIns": signInSchema, "directoryAudits": auditSchema, "customSecurityAttributeAudits": auditSchema,
	"provisioning": provisioningSchema,
}

// schemaOf is the schema of a log's collection. An undocumented one accepts what its shape
// suggests: comparisons on the time that dates a record, equality and beginnings of texts.
func schemaOf(l *logs.Log) (schema, error) {
	if known, ok := schemas[l.Collection]; ok {
		return known, nil
	}
	shape, err := odata.ParseShape("", l.Shape)
	if err != nil {
		return schema{}, fmt.Errorf("find the operators of %s: %w", l.Stream, err)
	}
	out := schema{typeName: "microsoft.graph." + l.Collection, takes: map[string]string{}}
	out.addTexts("", shape)
	out.takes[l.TimeProperty] = "eq ge le gt lt"
	if l.Strict {
		out.takes[l.TimeProperty] = "eq gt lt"
	}
	return out, nil
}

func (s schema) addTexts(prefix string, shape *odata.Shape) {
	for name, field := range shape.Fields {
		switch field.Kind {
		case odata.KindText:
			s.takes[prefix+name] = starts
		case odata.KindObject:
			s.addTexts(prefix+name+"/", field)
		}
	}
}

// check refuses properties that the type does not have and operators that the property does not
// accept. in is the variable and the list of an any() around n; form is the version's.
func (s schema) check(n node, in *anyOf, form *rule) error {
	switch n := n.(type) {
	case logical:
		if err := s.check(n.l, in, form); err != nil {
			return err
		}
		return s.check(n.r, in, form)
	case negation:
		return s.check(n.of, in, form)
	case comparison:
		return s.checkOperator(n.path, n.op, in, form)
	case call:
		return s.checkOperator(n.path, n.name, in, form)
	case anyOf:
		if err := s.checkOperator(n.path, "any", nil, form); err != nil {
			return err
		}
		return s.check(n.of, &n, form)
	}
	return nil
}

func (s schema) checkOperator(path, op string, in *anyOf, form *rule) error {
	if in != nil {
		rest, ok := strings.CutPrefix(path, in.variable)
		if !ok {
			return invalid("'%s' is not the range variable '%s'.", path, in.variable)
		}
		path = in.path + rest
	}
	takes, ok := s.takes[path]
	if !ok || form.leaves(path) {
		return &filterError{fmt.Sprintf("Could not find a property named '%s' on type '%s'.", path, s.typeName)}
	}
	for known := range strings.FieldsSeq(takes) {
		if known == op {
			return nil
		}
	}
	return invalid("The operator '%s' is not supported for the property '%s'.", op, path)
}

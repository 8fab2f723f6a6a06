package entra

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// MaxColumnBytes bounds a promoted text: columns are for looking and filtering, the record itself is always whole.
const MaxColumnBytes = 1024

// The columns are few, because each costs as much as a tenth of the compressed record: what people look for a record by.

// A promotion names one column: the record's top-level property, the path below it, and the column.
type promotion struct {
	property, path, column string
}

var signInColumns = []promotion{
	{"userId", "", "UserId"},
	{"userPrincipalName", "", "UserPrincipalName"},
	{"appId", "", "AppId"},
	{"servicePrincipalId", "", "ServicePrincipalId"},
	{"ipAddress", "", "IpAddress"},
	{"status", "errorCode", "ErrorCode"},
}

var auditColumns = []promotion{
	{"activityDisplayName", "", "ActivityDisplayName"},
	{"category", "", "Category"},
	{"result", "", "Result"},
	{"correlationId", "", "CorrelationId"},
	{"initiatedBy", "user.id", "InitiatedByUserId"},
	{"initiatedBy", "user.userPrincipalName", "InitiatedByUserPrincipalName"},
	{"initiatedBy", "app.servicePrincipalId", "InitiatedByServicePrincipalId"},
}

var provisioningColumns = []promotion{
	{"provisioningAction", "", "ProvisioningAction"},
	{"provisioningStatusInfo", "status", "Status"},
	{"jobId", "", "JobId"},
	{"changeId", "", "ChangeId"},
	{"servicePrincipal", "id", "ServicePrincipalId"},
	{"sourceIdentity", "displayName", "SourceDisplayName"},
	{"targetIdentity", "displayName", "TargetDisplayName"},
}

func promotions(s Stream) []promotion {
	switch {
	case s.IsSignIns():
		return signInColumns
	case s == Provisioning:
		return provisioningColumns
	default:
		return auditColumns
	}
}

// columnSet numbers the sets of promoted columns. Raise it with every change of the columns above:
// a row is searched by its columns only where its hour was written with the set that has them.
const columnSet = 1

// ColumnSet is the number of the set of columns that a stream's rows are written with now. A later
// set has a greater one.
func ColumnSet(Stream) int { return columnSet }

// ColumnNames lists the promoted columns of a stream's tables.
func ColumnNames(s Stream) []string {
	var names []string
	for _, p := range promotions(s) {
		names = append(names, p.column)
	}
	return names
}

// promote adds the column if its value is a text with content or a whole number of 32 bits. Anything else, null
// included, has no column: the record tells.
func (r *Record) promote(p *promotion, value gjson.Result) {
	if p.path != "" {
		if !value.IsObject() {
			return
		}
		value = value.Get(p.path)
	}
	for i := range r.Columns {
		if r.Columns[i].Name == p.column {
			return
		}
	}
	switch value.Type {
	case gjson.String:
		if value.Str != "" {
			r.Columns = append(r.Columns, Column{Name: p.column, Text: clipColumn(value.Str)})
		}
	case gjson.Number:
		if n := value.Num; n == math.Trunc(n) && n >= math.MinInt32 && n <= math.MaxInt32 {
			r.Columns = append(r.Columns, Column{Name: p.column, Int: int32(n), IsInt: true})
		}
	}
}

// clipColumn shortens a text to MaxColumnBytes at a rune's edge.
func clipColumn(s string) string {
	if len(s) <= MaxColumnBytes {
		return s
	}
	end := MaxColumnBytes
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// ColumnPaths are the promoted columns of a stream's tables by the path of what they copy, as status/errorCode.
func ColumnPaths(s Stream) map[string]string {
	out := make(map[string]string)
	for _, p := range promotions(s) {
		path := p.property
		if p.path != "" {
			path += "/" + strings.ReplaceAll(p.path, ".", "/")
		}
		out[path] = p.column
	}
	return out
}

// IndexedColumns are the columns by which a stream's records are looked for over long times: who did it.
func IndexedColumns(s Stream) []string {
	switch {
	case s.IsSignIns():
		return []string{"UserId", "UserPrincipalName", "ServicePrincipalId", "AppId"}
	case s == Provisioning:
		return []string{"ServicePrincipalId"}
	default:
		return []string{"InitiatedByUserId", "InitiatedByServicePrincipalId"}
	}
}

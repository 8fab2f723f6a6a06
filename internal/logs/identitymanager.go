package logs

import "github.com/entraledger/entraledger/internal/entra"

// IdentityManager is the log of requests that Microsoft Identity Manager's service has handled.
const IdentityManager entra.Stream = "identityManager"

// identityManager is delivered: its server has the log, and sends it (docs/mim.md). A record is
// package mim's: the request as the server logged it, and what the event said of it.
func identityManager() *Log {
	return &Log{
		Stream: IdentityManager, Title: "requests to Microsoft Identity Manager", OptIn: true, Delivered: true,
		Source: MIMServer(), Collection: "identityManager", Unfiltered: true,
		TimeProperty: "activityDateTime",
		Table:        "identitymanager", Shape: identityManagerShape,
		Columns: []Column{
			{Path: "operation", Name: "Operation"},
			{Path: "requestStatus", Name: "RequestStatus"},
			{Path: "targetObjectType", Name: "TargetObjectType"},
			{Path: "requestId", Name: "RequestId", Indexed: true},
			{Path: "creatorId", Name: "CreatorId", Indexed: true},
			{Path: "creatorName", Name: "CreatorName"},
			{Path: "targetId", Name: "TargetId", Indexed: true},
			{Path: "targetName", Name: "TargetName"},
			{Path: "computer", Name: "Computer"},
		},
		Files: []File{{Name: "IdentityManagerRequests", Columns: []FileColumn{
			{Name: "Date (UTC)", Path: "activityDateTime", As: AsTime}, {Name: "ID", Path: "id"},
			{Name: "Request ID", Path: "requestId"}, {Name: "Request", Path: "request.DisplayName"},
			{Name: "Operation", Path: "operation"}, {Name: "Status", Path: "requestStatus"},
			{Name: "Target type", Path: "targetObjectType"}, {Name: "Target ID", Path: "targetId"},
			{Name: "Target", Path: "targetName"}, {Name: "Creator ID", Path: "creatorId"},
			{Name: "Creator", Path: "creatorName"}, {Name: "Created", Path: "request.CreatedTime"},
			{Name: "Committed", Path: "request.CommittedTime"},
			{Name: "Completed", Path: "request.msidmCompletedTime"},
			{Name: "Parameters", Path: "request.RequestParameter"}, {Name: "Approver", Path: "request.Approver"},
			{Name: "Justification", Path: "request.Justification"}, {Name: "Computer", Path: "computer"},
			{Name: "Record ID", Path: "recordId"}, {Name: "Filed by", Path: "filedBy"},
		}}},
	}
}

const identityManagerShape = `
activityDateTime:t id filedBy timeCreated computer recordId:n eventId:n parts:n
requestId requestStatus operation targetObjectType targetId targetName creatorId creatorName request:*
`

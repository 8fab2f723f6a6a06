package memstorage

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// fault is a refusal, with the service's own code.
type fault struct {
	status  int
	code    string
	message string
}

var (
	tableNotFound    = &fault{http.StatusNotFound, "TableNotFound", "The table specified does not exist."}
	tableExists      = &fault{http.StatusConflict, "TableAlreadyExists", "The table specified already exists."}
	tableDeleting    = &fault{http.StatusConflict, "TableBeingDeleted", "The specified table is being deleted."}
	resourceNotFound = &fault{http.StatusNotFound, "ResourceNotFound", "The specified resource does not exist."}
	entityExists     = &fault{http.StatusConflict, "EntityAlreadyExists", "The specified entity already exists."}
	conditionFailed  = &fault{http.StatusPreconditionFailed, "UpdateConditionNotSatisfied",
		"The update condition specified in the request was not satisfied."}
	missingHeader   = badRequest("MissingRequiredHeader", "A required HTTP header was not specified.")
	partitionsMixed = badRequest("CommandsInBatchActOnDifferentPartitions",
		"All commands in a batch must operate on same entity group.")
	duplicateRow = badRequest("InvalidDuplicateRow",
		"The batch request contains multiple changes with same row key. An entity can appear only once "+
			"in a batch request.")
	tooManyChanges = badRequest("InvalidInput",
		"The batch request operation exceeds the maximum 100 changes per change set.")
	bodyTooLarge = &fault{http.StatusRequestEntityTooLarge, "RequestBodyTooLarge",
		"The request body is too large and exceeds the maximum permissible limit."}
	entityTooLarge = badRequest("EntityTooLarge",
		"The entity is larger than the maximum allowed size (1MB).")
	propertyTooLarge = badRequest("PropertyValueTooLarge",
		"The property value exceeds the maximum allowed size (64KB).")
	keyTooLarge       = badRequest("KeyValueTooLarge", "The value of a key is larger than 1 KiB.")
	propertiesMissing = badRequest("PropertiesNeedValue",
		"The values are not specified for all properties in the entity.")
	tooManyProperties = badRequest("TooManyProperties",
		"The entity contains more properties than allowed. Each entity can include up to 252 properties.")
	methodNotAllowed = &fault{http.StatusMethodNotAllowed, "UnsupportedHttpVerb",
		"The resource doesn't support the HTTP verb."}
)

func badRequest(code, message string) *fault { return &fault{http.StatusBadRequest, code, message} }

func invalidInput(message string) *fault { return badRequest("InvalidInput", message) }

// body is the fault as the table service writes it. prefix is the index of the operation within a
// transaction.
func (f *fault) body(prefix string) []byte {
	text := prefix + f.message + "\nRequestId:00000000-0000-0000-0000-000000000000"
	value, _ := json.Marshal(text) // a string has a JSON form
	code := strconv.Quote(f.code)
	return []byte(`{"odata.error":{"code":` + code + `,"message":{"lang":"en-US","value":` + string(value) + `}}}`)
}

const jsonType = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"

func (f *fault) answer() Answer {
	return Answer{Status: f.status, Header: http.Header{"Content-Type": {jsonType}}, Body: f.body("")}
}

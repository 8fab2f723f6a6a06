package entra

import (
	"errors"
	"strings"
)

// Code classes an error by what has to happen next. It is the `code` of an error answer over HTTP.
type Code string

// The codes. Their HTTP statuses are in one place: package web, answer.go.
const (
	CodeBadRequest      Code = "badRequest"         // the caller has to change the request
	CodeNotFound        Code = "notFound"           // there is no such thing
	CodeNotAllowed      Code = "methodNotAllowed"   // wrong method
	CodeConflict        Code = "conflict"           // another caller is changing it; try again
	CodeUnknown         Code = "unknown"            // nobody can say, and waiting does not help
	CodeRetired         Code = "retired"            // it is not answered any more; something replaced it
	CodeUnauthenticated Code = "unauthenticated"    // the caller is unknown
	CodeRole            Code = "roleMissing"        // the caller lacks an app role
	CodeAuthentication  Code = "authenticationOff"  // nothing checks callers although the app relies on it
	CodeToken           Code = "tokenRefused"       // the identity or its token is not accepted
	CodePermission      Code = "permissionMissing"  // the identity lacks a permission or role
	CodeLicence         Code = "licenceMissing"     // the tenant lacks the licence for this log
	CodeRefused         Code = "requestRefused"     // the other side refuses the request itself, more than once
	CodeThrottled       Code = "throttled"          // over a ceiling; wait
	CodeUnavailable     Code = "serviceUnavailable" // the other side does not answer; wait
	CodeBrokenAnswer    Code = "brokenAnswer"       // the other side answers what can't be read
	CodeTampered        Code = "tampered"           // what is stored is not what was written
	CodeBehind          Code = "archiveBehind"      // the archive is older than it may be
	CodeNoSnapshot      Code = "noSnapshot"         // the directory has not been read yet
	CodeTokenExpired    Code = "skipTokenExpired"   // what the link leads to is no longer kept
	CodeNotKept         Code = "notKept"            // the archive keeps nothing of that time
	CodeTooLarge        Code = "requestTooLarge"    // the request is longer than anybody needs
	CodeBodyTooLarge    Code = "bodyTooLarge"       // the body is longer than is taken at once
	CodeMediaType       Code = "mediaTypeRefused"   // the body is of a type that is not taken
	CodePartsRefused    Code = "partsRefused"       // parts of requests can't be kept without a key
	CodeBusy            Code = "tooManyRequests"    // as many are answered at once as an instance can; wait
	CodeTooLong         Code = "answerTooLong"      // the answer takes longer than one may; ask for its parts
	CodeHeadersTooLarge Code = "headersTooLarge"    // the request's headers are longer than are taken
	CodeSlowBody        Code = "requestTimeout"     // the body does not come to its end
	CodeInternal        Code = "internalError"      // a fault of ours, or an unforeseen one
)

// Error says in one line what failed, why, and what to do.
type Error struct {
	Code   Code
	Doing  string // what failed, lower-case verb first: "read signIns.interactiveUser from Graph"
	Why    string // the cause in words; may be empty if Err says it
	Remedy string // what to do about it
	Err    error  // the cause, for errors.Is and the log
}

// Error is one line: doing, why (or the cause), remedy.
func (e *Error) Error() string {
	why := e.Why
	if why == "" && e.Err != nil {
		why = e.Err.Error()
	}
	text := e.Doing
	if why != "" {
		text += ": " + why
	}
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return strings.Join(strings.Fields(text), " ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the code of the first Error in err's chain, CodeInternal without one.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

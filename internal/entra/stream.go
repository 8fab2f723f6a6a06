// Package entra is the vocabulary of the project: streams, records, windows and the errors that people read.
// It imports no Azure package and no adapter.
package entra

import (
	"fmt"
	"slices"
	"strings"
)

// Stream names one log of the tenant. Its text is stable: it is a setting's value, a file name and a table key.
type Stream string

// The streams, spelt after Graph's collections and its signInEventTypes.
const (
	DirectoryAudits               Stream = "directoryAudits"
	SignInsInteractiveUser        Stream = "signIns.interactiveUser"
	SignInsNonInteractiveUser     Stream = "signIns.nonInteractiveUser"
	SignInsServicePrincipal       Stream = "signIns.servicePrincipal"
	SignInsManagedIdentity        Stream = "signIns.managedIdentity"
	Provisioning                  Stream = "provisioning"
	CustomSecurityAttributeAudits Stream = "customSecurityAttributeAudits"
)

// DefaultStreams are archived unless ARCHIVE_STREAMS says otherwise. customSecurityAttributeAudits is
// opt-in, because it needs a permission of its own (CustomSecAttributeAuditLogs.Read.All).
func DefaultStreams() []Stream {
	return []Stream{
		DirectoryAudits, SignInsInteractiveUser, SignInsNonInteractiveUser,
		SignInsServicePrincipal, SignInsManagedIdentity, Provisioning,
	}
}

// AllStreams are the streams that can be archived.
func AllStreams() []Stream { return append(DefaultStreams(), CustomSecurityAttributeAudits) }

// ParseStream finds a stream by its exact name.
func ParseStream(name string) (Stream, error) {
	if s := Stream(name); slices.Contains(AllStreams(), s) {
		return s, nil
	}
	names := make([]string, 0, len(AllStreams()))
	for _, s := range AllStreams() {
		names = append(names, string(s))
	}
	return "", fmt.Errorf("unknown stream %q: accepted are %s", name, strings.Join(names, ", "))
}

// IsSignIns tells whether the stream's records are Graph signIn objects.
func (s Stream) IsSignIns() bool { return strings.HasPrefix(string(s), "signIns.") }

// TimeProperty is the record's property that dates it: createdDateTime of a signIn, activityDateTime of the rest.
func (s Stream) TimeProperty() string {
	if s.IsSignIns() {
		return "createdDateTime"
	}
	return "activityDateTime"
}

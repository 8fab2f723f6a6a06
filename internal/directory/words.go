package directory

import (
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/directory/timeline"
)

// The words of credentials in questions and answers are those of the rules.
type (
	Kind   = rules.Kind
	Origin = rules.Origin
	State  = rules.State

	Federated = rules.Federated
)

// UserTexts are texts by which users are asked for, whatever their case.
type UserTexts = timeline.UserTexts

// The kinds, origins and states.
const (
	Secret             = rules.Secret
	Certificate        = rules.Certificate
	FederatedKind      = rules.FederatedKind
	OnApplication      = rules.OnApplication
	OnServicePrincipal = rules.OnServicePrincipal
	Expired            = rules.Expired
	Expiring           = rules.Expiring
	Unused             = rules.Unused
	Valid              = rules.Valid
)

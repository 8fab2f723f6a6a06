package main

import (
	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/web/describe"
)

// connectorFile is the definition of the custom connector, from the repository's root.
const connectorFile = "infra/connector/apiDefinition.swagger.json"

// connector is the definition as the functions' declarations have it.
func connector() (string, error) {
	text, err := describe.OpenAPI(functions.All(functions.Parts{}))
	return string(text), err
}

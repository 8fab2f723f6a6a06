package main

import (
	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/web/describe"
)

// The files of the custom connector, from the repository's root.
const (
	definitionFile = "infra/connector/apiDefinition.swagger.json"
	propertiesFile = "infra/connector/apiProperties.json"
)

// connector is the definition and the properties as the functions' declarations have them.
func connector() (definition, properties []byte, err error) {
	all := functions.All(functions.Parts{})
	if definition, err = describe.OpenAPI(all); err == nil {
		properties, err = describe.Properties(all)
	}
	return definition, properties, err
}

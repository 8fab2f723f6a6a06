package main

import (
	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/web"
	"github.com/entraledger/entraledger/internal/web/describe"
)

// The files of the custom connector, from the repository's root.
const (
	definitionFile = "infra/connector/apiDefinition.swagger.json"
	propertiesFile = "infra/connector/apiProperties.json"
)

// openAPIFile is the same API in OpenAPI 3, of which the page's types are made.
const openAPIFile = "docs/openapi.json"

// described are the files that describe the API as the functions' declarations have it, by name.
func described() (map[string][]byte, error) {
	all := functions.All(functions.Parts{})
	out := map[string][]byte{functionsFile: []byte(functionNames())}
	for name, write := range map[string]func([]web.Function) ([]byte, error){definitionFile: describe.OpenAPI,
		propertiesFile: describe.Properties, openAPIFile: describe.OpenAPI3} {
		text, err := write(all)
		if err != nil {
			return nil, err
		}
		out[name] = text
	}
	return out, nil
}

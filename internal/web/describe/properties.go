package describe

import "github.com/entraledger/entraledger/internal/web"

const (
	// keyParameter is the connection's parameter, and the name of the security definition that puts
	// it into the header.
	keyParameter = "api_key"
	nextLink     = "@odata.nextLink"
	brand        = "#0b5c8c"
)

// Properties is the connector's second file, apiProperties.json: what a connection asks for, and
// the policies. Its form is Microsoft's: PowerPlatformConnectors,
// schemas/paconn-apiProperties.schema.json. A publisher and a stackOwner are left out: with the
// latter paconn can't update a connector.
func Properties(functions []web.Function) ([]byte, error) {
	paging := []string{}
	err := each(functions, func(_ web.Function, _ web.Binding, o web.Operation) error {
		if o.ID != "" && o.Answers.Pages {
			paging = append(paging, o.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	properties := object{
		{"connectionParameters", object{{keyParameter, key()}}},
		{"iconBrandColor", brand},
		{"capabilities", []string{}},
	}
	if len(paging) > 0 { // a policy without operations holds for all
		properties = append(properties, member{"policyTemplateInstances", []object{followsPages(paging)}})
	}
	return indented(object{{"properties", properties}})
}

// key is what a connection asks for.
func key() object {
	return object{
		{"type", "securestring"},
		{"uiDefinition", object{
			{"displayName", "Function key"},
			{"description", "A host key of the function app, never the master key."},
			{"tooltip", "In the Azure portal: your function app, Functions, App keys, Host keys"},
			{"constraints", object{{"tabIndex", 1}, {"clearText", false}, {"required", "true"}}},
		}},
	}
}

// followsPages leads the links between pages through the platform's gateway.
func followsPages(operations []string) object {
	return object{
		{"templateId", "updatenextlink"},
		{"title", "Lead links between pages through the gateway"},
		{"parameters", object{
			{"x-ms-apimTemplateParameter.nextLinkPropertyName", nextLink},
			{"x-ms-apimTemplate-operationName", operations},
		}},
	}
}

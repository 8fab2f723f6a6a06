package gate

// function is one of Bicep's: how many arguments it takes, and what it gives.
type function struct {
	least, most int // most -1: any number
	result      *typ
	first       *typ // what its first argument has to be; nil: anything
}

// functions are Bicep's of deployments, but for those that read a secret (secrets) and those that only parameter files may call.
// Source: learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions.
var functions = map[string]function{
	"any": {1, 1, anyType, nil}, "array": {1, 1, anyList, nil}, "base64": {1, 1, textType, textType}, "base64ToJson": {1, 1, anyType, textType},
	"base64ToString": {1, 1, textType, textType}, "bool": {1, 1, boolType, nil}, "buildUri": {1, 1, textType, anyObj},
	"cidrHost": {2, 2, textType, textType}, "cidrSubnet": {3, 3, textType, textType}, "coalesce": {1, -1, anyType, nil}, "concat": {1, -1, anyType, nil},
	"contains": {2, 2, boolType, nil}, "dataUri": {1, 1, textType, nil}, "dataUriToString": {1, 1, textType, textType}, "dateTimeAdd": {2, 3, textType, textType},
	"dateTimeFromEpoch": {1, 1, textType, intType}, "dateTimeToEpoch": {1, 1, intType, textType}, "deployer": {0, 0, anyObj, nil}, "deployment": {0, 0, deploymentType, nil},
	"empty": {1, 1, boolType, nil}, "endsWith": {2, 2, boolType, textType}, "environment": {0, 0, environmentType, nil}, "extensionResourceId": {3, -1, textType, textType},
	"fail": {1, 1, anyType, textType}, "filter": {2, 2, anyList, anyList}, "first": {1, 1, anyType, nil}, "flatten": {1, 1, anyList, anyList}, "format": {1, -1, textType, textType},
	"groupBy": {2, 2, anyObj, anyList}, "guid": {1, -1, textType, textType}, "indexOf": {2, 2, intType, nil}, "int": {1, 1, intType, nil}, "intersection": {2, -1, anyType, nil},
	"items": {1, 1, anyList, anyObj}, "join": {2, 2, textType, anyList}, "json": {1, 1, anyType, textType}, "last": {1, 1, anyType, nil}, "lastIndexOf": {2, 2, intType, nil},
	"length": {1, 1, intType, nil}, "loadFileAsBase64": {1, 1, textType, textType}, "loadJsonContent": {1, 3, anyType, textType}, "loadTextContent": {1, 2, textType, textType},
	"loadYamlContent": {1, 3, anyType, textType}, "managementGroup": {0, 1, anyObj, nil}, "managementGroupResourceId": {2, -1, textType, textType}, "map": {2, 2, anyList, anyList},
	"mapValues": {2, 2, anyObj, anyObj}, "max": {1, -1, intType, nil}, "min": {1, -1, intType, nil}, "newGuid": {0, 0, textType, nil}, "objectKeys": {1, 1, listOf(textType), anyObj},
	"padLeft": {2, 3, textType, nil}, "parseCidr": {1, 1, anyObj, textType}, "parseUri": {1, 1, anyObj, textType}, "pickZones": {3, 5, listOf(textType), textType},
	"range": {2, 2, listOf(intType), intType}, "reduce": {3, 3, anyType, anyList}, "reference": {1, 3, anyObj, nil}, "replace": {3, 3, textType, textType},
	"resourceGroup": {0, 2, groupType, nil}, "resourceId": {2, -1, textType, textType}, "shallowMerge": {1, 1, anyObj, anyList}, "skip": {2, 2, anyType, nil},
	"sort": {2, 2, anyList, anyList}, "split": {2, 2, listOf(textType), textType}, "startsWith": {2, 2, boolType, textType}, "string": {1, 1, textType, nil},
	"subscription": {0, 1, subscriptionType, nil}, "subscriptionResourceId": {2, -1, textType, textType}, "substring": {2, 3, textType, textType}, "take": {2, 2, anyType, nil},
	"tenant": {0, 0, tenantType, nil}, "tenantResourceId": {2, -1, textType, textType}, "toLogicalZone": {3, 3, textType, textType}, "toLower": {1, 1, textType, textType},
	"toObject": {2, 3, anyObj, anyList}, "toUpper": {1, 1, textType, textType}, "trim": {1, 1, textType, textType}, "union": {1, -1, anyType, nil},
	"uniqueString": {1, -1, textType, textType}, "uri": {2, 2, textType, textType}, "uriComponent": {1, 1, textType, textType}, "uriComponentToString": {1, 1, textType, textType},
	"utcNow": {0, 1, textType, nil},
}

// secrets are functions that put a key or a secret into a deployment. Nothing here may call them, as methods neither.
var secrets = map[string]bool{"listKeys": true, "listAccountSas": true, "listServiceSas": true, "listSecrets": true, "listConnectionStrings": true, "list": true,
	"listAccountSAS": true, "listQueryKeys": true, "listCredential": true, "listCredentials": true, "getSecret": true}

func closed(props map[string]*typ) *typ {
	t := &typ{kind: object, props: make(map[string]prop)}
	for name, p := range props {
		t.props[name] = prop{typ: p}
	}
	return t
}

// What functions without arguments give, as far as the properties are documented.
var (
	groupType = closed(map[string]*typ{"id": textType, "name": textType, "type": textType, "location": textType, "managedBy": textType, "tags": anyObj,
		"properties": closed(map[string]*typ{"provisioningState": textType})})
	subscriptionType = closed(map[string]*typ{"id": textType, "subscriptionId": textType, "tenantId": textType, "displayName": textType})
	tenantType       = closed(map[string]*typ{"tenantId": textType, "country": textType, "countryCode": textType, "displayName": textType})
	deploymentType   = closed(map[string]*typ{"name": textType, "location": textType, "properties": anyObj})
	environmentType  = closed(map[string]*typ{"name": textType, "resourceManager": textType, "portal": textType, "graph": textType, "gallery": textType, "batch": textType,
		"media": textType, "sqlManagement": textType, "vmImageAliasDoc": textType, "activeDirectoryDataLake": textType, "graphAudience": textType,
		"authentication": closed(map[string]*typ{"loginEndpoint": textType, "audiences": listOf(textType), "tenant": textType, "identityProvider": textType}),
		"suffixes": closed(map[string]*typ{"acrLoginServer": textType, "azureDatalakeAnalyticsCatalogAndJob": textType, "azureDatalakeStoreFileSystem": textType,
			"keyvaultDns": textType, "sqlServerHostname": textType, "storage": textType})})
)

// resultOf is the type that a call gives, where it depends on its arguments.
func resultOf(name string, args []*typ, lambda *typ) *typ {
	if len(args) == 0 {
		return functions[name].result
	}
	switch name {
	case "filter", "sort", "take", "skip", "array":
		if args[0].kind == list || args[0].kind == text {
			return args[0]
		}
	case "map":
		return listOf(lambda)
	case "first", "last":
		switch args[0].kind {
		case list:
			return args[0].element()
		case text:
			return textType
		}
	case "union", "concat", "coalesce", "intersection":
		out := args[0]
		for _, a := range args[1:] {
			out = joinParts(name, out, a)
		}
		return out
	case "items":
		value := anyType
		if args[0].kind == object && !args[0].untyped {
			value = nil
			for _, p := range args[0].props {
				value = join(value, p.typ)
			}
		}
		return listOf(closed(map[string]*typ{"key": textType, "value": value}))
	case "flatten":
		return args[0].element()
	}
	return functions[name].result
}

// joinParts is what a union or concatenation holds: of objects the properties of both, of lists the elements of both.
func joinParts(name string, a, b *typ) *typ {
	if name != "union" || a.kind != object || b.kind != object {
		if a.kind == list && b.kind == list && (a.elem == nil || b.elem == nil) {
			return anyList
		}
		return join(a, b)
	}
	if a.untyped || b.untyped {
		return anyObj
	}
	out := &typ{kind: object, props: make(map[string]prop)}
	for _, t := range []*typ{a, b} {
		for p, v := range t.props {
			out.props[p] = v
		}
	}
	return out
}

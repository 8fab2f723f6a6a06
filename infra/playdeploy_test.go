package infra_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// definition is a parameter of the compiled template, or a type that one refers to.
type definition struct {
	Type                           string
	Ref                            string `json:"$ref"`
	DefaultValue                   any
	AllowedValues                  []any
	MinLength, MaxLength, MinValue *float64
	MaxValue                       *float64
	Items                          *definition
}

type compiled struct {
	Parameters  map[string]definition
	Definitions map[string]definition
}

func readCompiled(file string) (t compiled, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(data, &t)
}

// resolve follows a reference to a type.
func (t compiled) resolve(d definition) definition {
	if d.Ref == "" {
		return d
	}
	to := t.Definitions[strings.TrimPrefix(d.Ref, "#/definitions/")]
	to.DefaultValue = d.DefaultValue
	return to
}

// check refuses what ARM refuses before it makes anything: types, allowed values, lengths and
// limits.
func (t compiled) check(name string, d definition, value any) error {
	d = t.resolve(d)
	wrong := func(why string) error {
		return arErr("InvalidTemplate",
			fmt.Sprintf("The provided value for the template parameter '%s' is not valid: %s.", name, why))
	}
	var size *float64
	kind := strings.TrimPrefix(strings.ToLower(d.Type), "secure")
	switch v := value.(type) {
	case string:
		n := float64(len(v))
		size = &n
		if kind != "string" {
			return wrong("a text")
		}
	case float64:
		if kind != "int" {
			return wrong("a number")
		}
		if d.MinValue != nil && v < *d.MinValue || d.MaxValue != nil && v > *d.MaxValue {
			return wrong("out of its limits")
		}
	case bool:
		if kind != "bool" {
			return wrong("true or false")
		}
	case []any:
		n := float64(len(v))
		size = &n
		if kind != "array" {
			return wrong("a list")
		}
		for _, item := range v {
			if d.AllowedValues != nil && !slices.Contains(d.AllowedValues, item) {
				return wrong("it has one that is not among the allowed ones")
			}
			if d.Items != nil {
				if err := t.check(name, *d.Items, item); err != nil {
					return err
				}
			}
		}
	case arm:
		if kind != "object" {
			return wrong("a map")
		}
	default:
		return wrong("null")
	}
	if size != nil && (d.MinLength != nil && *size < *d.MinLength || d.MaxLength != nil && *size > *d.MaxLength) {
		return wrong("its length")
	}
	if d.AllowedValues != nil && kind != "array" && !slices.Contains(d.AllowedValues, value) {
		return wrong("not among the allowed ones")
	}
	return nil
}

// evaluate gives every parameter its value: what was given last, or the template's default.
func (t compiled) evaluate(args []string, location, cloud string) (values arm, err error) {
	values = arm{}
	for name, d := range t.Parameters {
		values[name] = d.DefaultValue
	}
	values["location"], values["cloud"] = location, cloud
	given := arm{}
	for i, a := range args {
		if a != "--parameters" {
			continue
		}
		if file, isFile := strings.CutPrefix(args[i+1], "@"); isFile {
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			var f struct {
				Parameters map[string]struct{ Value any }
			}
			if err := json.Unmarshal(data, &f); err != nil {
				return nil, err
			}
			for name, p := range f.Parameters {
				given[name] = p.Value
			}
		} else if name, text, isOne := strings.Cut(args[i+1], "="); isOne {
			given[name] = text
		}
	}
	for name, value := range given {
		d, known := t.Parameters[name]
		if !known {
			return nil, arErr("InvalidTemplate",
				"The following parameters were supplied, but do not correspond to any parameters defined "+
					"in the template: '"+name+"'.")
		}
		if err := t.check(name, d, value); err != nil {
			return nil, err
		}
		values[name] = value
	}
	if uri, _ := values["packageUri"].(string); strings.HasPrefix(uri, "[") {
		values["packageUri"] = fmt.Sprintf("https://github.com/entraledger/entraledger/releases/download/%s/entraledger.zip", values["release"])
	}
	return values, nil
}

func (s *subscription) deployment(args []string) (any, error) {
	switch args[2] {
	case "list":
		return append([]arm{}, s.Deployments...), nil
	case "what-if", "create":
	default:
		return nil, fmt.Errorf("the played az does not know: %v", args)
	}
	if s.GroupLocation == "" {
		return nil, arErr("ResourceGroupNotFound", "Resource group 'rg-ledger' could not be found.")
	}
	if filepath.Base(option(args, "--template-file")) == "grants.bicep" {
		return s.grantByBicep(args)
	}
	t, err := readCompiled(option(args, "--template-file"))
	if err != nil {
		return nil, err
	}
	values, err := t.evaluate(args, s.GroupLocation, s.Cloud)
	if err != nil {
		return nil, err
	}
	if args[2] == "what-if" {
		return fmt.Sprintf("Resource changes: 24 to create.\n  + properties.siteConfig.appSettings: %v",
			values["otherSettings"]), nil
	}
	return s.create(option(args, "--name"), t, values)
}

// create makes the resources of infra/main.bicep, as far as the scripts look at them, in the order
// in which ARM makes them.
func (s *subscription) create(name string, t compiled, p arm) (any, error) {
	record := arm{"name": name, "properties": arm{"parameters": recorded(t, p),
		"timestamp":         fmt.Sprintf("2026-11-26T10:%02d:00Z", len(s.Deployments)),
		"provisioningState": "Failed"}}
	s.Deployments = append(s.Deployments, record)
	base := fmt.Sprintf("%s-x1y2z3w4", p["name"])
	for _, make := range []func(base string, p arm) error{s.makeIdentity, s.makeMonitoring, s.makeStorage,
		s.makeNetwork, s.makeApp, s.makeAlerts, s.makePackage} {
		if err := make(base, p); err != nil {
			return nil, nested(err)
		}
	}
	outputs := arm{}
	for name, value := range map[string]any{"appName": "func-" + base, "apiUrl": "https://" + s.Host + "/api",
		"principalId":    principal,
		"archiveAccount": archiveName(base, p), "graphPermissions": permissions(p),
		"grantCommand": "curl ... && entraledger/infra/grant.sh --app func-" + base} {
		outputs[name] = arm{"value": value}
	}
	record["properties"].(arm)["provisioningState"] = "Succeeded"
	record["properties"].(arm)["outputs"] = outputs
	return record, nil
}

// recorded are the parameters as the history keeps them: secure ones without their values.
func recorded(t compiled, p arm) arm {
	out := arm{}
	for name, value := range p {
		kind := t.resolve(t.Parameters[name]).Type
		out[name] = arm{"type": kind, "value": value}
		if strings.HasPrefix(strings.ToLower(kind), "secure") {
			out[name] = arm{"type": kind}
		}
	}
	return out
}

func permissions(p arm) []string {
	out := []string{"AuditLog.Read.All", "User.Read.All", "Application.Read.All"}
	if p["conditionalAccessDetails"] == true {
		out = append(out, "Policy.Read.ConditionalAccess")
	}
	if p["provisioningPermission"] == true {
		out = append(out, "ProvisioningLog.Read.All")
	}
	if groups, _ := p["snapshotGroups"].([]any); len(groups) > 0 && p["hiddenGroups"] == true {
		out = append(out, "Member.Read.Hidden")
	}
	return out
}

func archiveName(base string, p arm) string {
	if name := p["archiveAccountName"].(string); name != "" {
		return name
	}
	return "st" + strings.ReplaceAll(base, "-", "") + "a"
}

// nested is an error of a resource as az gives a deployment's.
func nested(err error) error {
	code, _, _ := strings.Cut(err.Error(), "(")
	inner := strings.TrimSuffix(strings.TrimPrefix(err.Error(), code+"("), ")")
	message, _ := json.Marshal(inner)
	return fmt.Errorf(`{"status":"Failed","error":{"code":"DeploymentFailed","target":"%s","message":"At least one resource deployment operation failed.","details":[`+
		`{"code":"ResourceDeploymentFailure","message":"The resource write operation failed.","details":[{"code":"%s","message":%s}]}]}}`, rgID, code, message)
}

func (s *subscription) grantByBicep(args []string) (any, error) {
	data, err := os.ReadFile(strings.TrimPrefix(option(args, "--parameters"), "@"))
	if err != nil {
		return nil, err
	}
	var f struct {
		Parameters struct {
			PrincipalID struct{ Value string }
			Permissions struct{ Value []string }
		}
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	if f.Parameters.PrincipalID.Value != principal {
		return nil, arErr("Request_ResourceNotFound", "Resource '"+f.Parameters.PrincipalID.Value+"' does not exist.")
	}
	for _, permission := range f.Parameters.Permissions.Value {
		s.Granted = append(s.Granted, "role-of-"+permission)
	}
	return arm{}, nil
}

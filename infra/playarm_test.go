package infra_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// get returns a resource by its id; like ARM, it ignores case.
func (s subscription) get(id string) arm { return s.Resources[strings.ToLower(id)] }

func (s *subscription) put(id string, r arm) arm {
	if s.Resources == nil {
		s.Resources = map[string]arm{}
	}
	r["id"] = id
	r["name"] = id[strings.LastIndex(id, "/")+1:]
	s.Resources[strings.ToLower(id)] = r
	return r
}

// isTop says whether a resource is listed by az resource list: children and extensions are not.
func isTop(id string) bool {
	_, after, _ := strings.Cut(id, "/providers/")
	parts := strings.Split(after, "/")
	return !strings.Contains(after, "/providers/") && (len(parts) == 3 || strings.Contains(after,
		"/virtualnetworklinks/"))
}

func (s *subscription) list() []arm {
	out := []arm{}
	for id, r := range s.Resources {
		if isTop(id) {
			out = append(out, arm{"id": r["id"], "name": r["name"], "type": typeOf(r["id"].(string)),
				"tags": r["tags"]})
		}
	}
	slices.SortFunc(out, func(a, b arm) int { return strings.Compare(a["id"].(string), b["id"].(string)) })
	return out
}

func typeOf(id string) string {
	_, after, _ := strings.Cut(id, "/providers/")
	parts := strings.Split(after, "/")
	out := parts[0]
	for i := 1; i < len(parts); i += 2 {
		out += "/" + parts[i]
	}
	return out
}

// locked reports whether a lock prevents a deletion: of resources below the locked one, and of a
// private endpoint of it. Locks themselves can be deleted.
func (s *subscription) locked(id string) bool {
	id = strings.ToLower(id)
	if strings.Contains(id, "/microsoft.authorization/locks/") {
		return false
	}
	target := endpointTarget(s.get(id))
	for key := range s.Resources {
		scope, _, isLock := strings.Cut(key, "/providers/microsoft.authorization/locks/")
		if isLock && key != id && (strings.HasPrefix(id, scope) || strings.EqualFold(target, scope)) {
			return true
		}
	}
	return false
}

// endpointTarget is the resource that a private endpoint leads to; empty for anything else.
func endpointTarget(r arm) string {
	properties, _ := r["properties"].(arm)
	connections, _ := properties["privateLinkServiceConnections"].([]any)
	for _, c := range connections {
		return c.(arm)["properties"].(arm)["privateLinkServiceId"].(string)
	}
	return ""
}

func (s *subscription) remove(id string) error {
	_, base, _ := strings.Cut(id[strings.LastIndex(id, "/")+1:], "-")
	switch {
	case s.get(id) == nil:
		return arErr("ResourceNotFound", "The Resource '"+id+"' was not found.")
	case s.locked(id):
		return arErr("ScopeLocked",
			"The scope '"+id+"' cannot perform delete operation because following scope(s) are locked.")
	case strings.Contains(id, "/virtualNetworks/") && s.below("/privateEndpoints/pep-archive-blob-"+base) != "":
		return arErr("InUseSubnetCannotBeDeleted", "Subnet endpoints is in use by a private endpoint.")
	case strings.Contains(id, "/networkSecurityGroups/") && s.below("/virtualNetworks/vnet-"+base) != "":
		return arErr("NetworkSecurityGroupCannotBeDeleted", "It is in use by a subnet.")
	case strings.Contains(id, "/serverfarms/") && s.below("/Microsoft.Web/sites/func-ledger") != "":
		return arErr("Conflict", "Server farm has a site.")
	case strings.Contains(id, "/userAssignedIdentities/") &&
		s.below(fmt.Sprintf("/roleAssignments/of-%s-archive", s.get(id)["properties"].(arm)["principalId"])) != "":
		return arErr("Orphaned", "a role of the identity on the archive would be left behind")
	}
	for key := range s.Resources {
		if key == strings.ToLower(id) || strings.HasPrefix(key, strings.ToLower(id)+"/") {
			delete(s.Resources, key)
		}
	}
	if strings.Contains(id, "/Microsoft.Web/sites/") && isTop(strings.ToLower(id)) {
		s.Settings = nil
	}
	return nil
}

// below finds a resource with this in its id.
func (s subscription) below(part string) string {
	for key := range s.Resources {
		if strings.Contains(key, strings.ToLower(part)) {
			return key
		}
	}
	return ""
}

// rest plays az rest: ARM by ids, and Microsoft Graph by addresses.
func (s *subscription) rest(args []string) (any, error) {
	method, address := option(args, "--method"), option(args, "--url")
	if strings.HasPrefix(address, "https://graph.") {
		return s.graph(method, address, option(args, "--body"))
	}
	u, err := url.Parse(address)
	if err != nil || u.Query().Get("api-version") == "" || !strings.HasPrefix(u.Path, "/subscriptions/") {
		return nil, fmt.Errorf("Bad Request: %s", address)
	}
	id := u.Path
	switch method {
	case "get":
		return s.restGet(id, u.Query().Get("$filter"))
	case "put":
		var body arm
		if err := json.Unmarshal([]byte(option(args, "--body")), &body); err != nil {
			return nil, err
		}
		return s.put(id, body), nil
	case "delete":
		return nil, s.remove(id)
	case "post":
		if strings.HasSuffix(id, "/syncfunctiontriggers") {
			s.App.Synchronized++
			s.mend("sync")
			return nil, nil
		}
	}
	return nil, fmt.Errorf("the played ARM does not know: %s %s", method, id)
}

func (s *subscription) restGet(id, filter string) (any, error) {
	switch {
	case id == rgID || id == strings.Replace(rgID, "rg-ledger", "rg-other", 1):
		if s.GroupLocation == "" || id != rgID {
			return nil, arErr("ResourceGroupNotFound", "Resource group 'rg-ledger' could not be found.")
		}
		return arm{"id": rgID, "location": s.GroupLocation}, nil
	case strings.HasSuffix(id, "/Microsoft.Storage/skus"):
		return arm{"value": s.skus()}, nil
	case strings.HasSuffix(id, "/locks"):
		return arm{"value": s.locksAt(id)}, nil
	case id == rgID+"/providers/Microsoft.Authorization/roleAssignments":
		return arm{"value": s.rolesOf(filter)}, nil
	}
	if r := s.get(id); r != nil {
		return r, nil
	}
	if account, isBlobs := strings.CutSuffix(id, "/blobServices/default"); isBlobs && s.get(account) != nil {
		return arm{"id": id, "properties": arm{}}, nil // each account has it
	}
	if strings.HasSuffix(id, "/scheduledQueryRules") {
		return arm{"value": s.inFolder(id)}, nil
	}
	return nil, arErr("ResourceNotFound", "The Resource '"+id+"' was not found.")
}

// locksAt lists the locks that apply to a resource: its own, and those of its parents.
func (s *subscription) locksAt(id string) []arm {
	out := []arm{}
	for key, r := range s.Resources {
		scope, _, isLock := strings.Cut(key, "/providers/microsoft.authorization/locks/")
		if isLock && strings.HasPrefix(strings.ToLower(id), scope+"/") {
			out = append(out, r)
		}
	}
	return out
}

// inFolder are the resources of one type.
func (s *subscription) inFolder(id string) []arm {
	out := []arm{}
	for key, r := range s.Resources {
		if strings.HasPrefix(key, strings.ToLower(id)+"/") {
			out = append(out, r)
		}
	}
	return out
}

// rolesOf are the roles in the group of the principal that a filter names.
func (s *subscription) rolesOf(filter string) []arm {
	out := []arm{}
	for key, r := range s.Resources {
		if strings.Contains(key, "/roleassignments/") &&
			filter == fmt.Sprintf("principalId eq '%s'", r["properties"].(arm)["principalId"]) {
			out = append(out, r)
		}
	}
	return out
}

func (s *subscription) skus() (out []arm) {
	for _, location := range s.Locations {
		for _, name := range []string{"Standard_LRS", "Standard_GRS", "Standard_RAGRS", "Standard_ZRS",
			"Standard_GZRS", "Standard_RAGZRS", "Premium_LRS"} {
			if !strings.Contains(name, "ZRS") || !slices.Contains(s.Zoneless, location) {
				out = append(out, arm{"name": name, "kind": "StorageV2", "resourceType": "storageAccounts",
					"locations": []string{location}, "restrictions": []any{}})
			}
		}
	}
	return out
}

// graph plays the assignments of application permissions, and the caller's directory roles.
func (s *subscription) graph(method, address, body string) (any, error) {
	value := []arm{}
	switch {
	case strings.Contains(address, "/me/"):
		for _, r := range s.DirectoryRoles {
			value = append(value, arm{"roleTemplateId": r})
		}
		return arm{"value": value}, nil
	case method == "get":
		for _, g := range s.Granted {
			value = append(value, arm{"appRoleId": g})
		}
		return arm{"value": value}, nil
	}
	var grant struct{ PrincipalID, ResourceID, AppRoleID string }
	if err := json.Unmarshal([]byte(body), &grant); err != nil {
		return nil, err
	}
	if grant.PrincipalID != principal || grant.ResourceID != "graph-object" {
		return nil, fmt.Errorf("Bad Request: %s", body)
	}
	if slices.Contains(s.Granted, grant.AppRoleID) {
		return nil, fmt.Errorf("Bad Request({\"error\":{\"code\":\"Request_BadRequest\",\"message\":\"Permission " +
			"being assigned already exists on the object\"}})")
	}
	s.Granted = append(s.Granted, grant.AppRoleID)
	return arm{}, nil
}

package infra_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// subscription is what the played az knows; it is a file, so that what one call changes the next
// one sees.
type subscription struct {
	SignedOut      bool
	Cloud          string
	Principal      bool     // a service principal is signed in, and no person
	Locations      []string // of the subscription
	Flex           []string // that offer Flex Consumption
	Roles          []string // the deployer's
	DirectoryRoles []string // the deployer's, their template ids
	Unregistered   []string // resource providers
	GroupLocation  string   // empty: there is none
	WhatIfFails    bool
	DeployFails    int // so many times
	PublishFails   int
	Deployed       bool
	Published      bool
	GrantsInBicep  bool
	HeadsState     string
	HeadsLocked    string            // what the deployment was told
	Settings       map[string]string // of the app, as they are now
	Granted        []string
	GrantRefused   bool
	ArchiveLock    bool
	Resources      []resource
	API            string
	Log            []string
}

type resource struct{ Type, Name, Part string }

const key = "a-key-that-nobody-else-may-see"

// deployedSettings are the template's output.
func deployedSettings() map[string]string {
	return map[string]string{"ARCHIVE_STREAMS": "directoryAudits", "ARCHIVE_HOLD": "", "HTTP_AUTHORIZATION": "key"}
}

func lines(m map[string]string) string {
	var out []string
	for name, value := range m {
		out = append(out, name+"\t"+value)
	}
	return strings.Join(out, "\n")
}

// playAz answers as az does with --output tsv, as far as the scripts ask.
func playAz(args []string) int {
	file := os.Getenv("AZ_STATE")
	data, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	var s subscription
	if err := json.Unmarshal(data, &s); err != nil {
		panic(err)
	}
	call := strings.Join(args, " ")
	s.Log = append(s.Log, call)
	out, code := s.answer(call, args)
	if data, err = json.Marshal(s); err != nil {
		panic(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		panic(err)
	}
	if out != "" {
		fmt.Println(out)
	}
	return code
}

func option(args []string, name string) string {
	for i, a := range args {
		if a == name && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

func failure(text string) (string, int) {
	fmt.Fprintln(os.Stderr, "ERROR: "+text)
	return "", 1
}

func (s *subscription) answer(call string, args []string) (string, int) {
	starts := func(text string) bool { return strings.HasPrefix(call, text+" ") || call == text }
	query := option(args, "--query")
	switch {
	case starts("account show"):
		if s.SignedOut {
			return failure("Please run 'az login' to setup account.")
		}
		if s.Principal {
			return "sub-1\nContoso\n" + s.Cloud + "\nservicePrincipal\n77777777-2222-3333-4444-555555555555", 0
		}
		return "sub-1\nContoso\n" + s.Cloud + "\nuser\nada@contoso.example", 0
	case starts("account list-locations"):
		return pick(s.Locations, query), 0
	case starts("functionapp list-flexconsumption-locations"):
		return strings.Join(s.Flex, "\n"), 0
	case starts("ad signed-in-user show"):
		return "me", 0
	case starts("role assignment list"):
		return strings.Join(s.Roles, "\n"), 0
	case starts("provider show"):
		if slices.Contains(s.Unregistered, option(args, "--namespace")) {
			return "NotRegistered", 0
		}
		return "Registered", 0
	case starts("provider register"):
		s.Unregistered = nil
		return "", 0
	case starts("group show"):
		if s.GroupLocation == "" {
			return failure("Resource group could not be found.")
		}
		if query == "location" {
			return s.GroupLocation, 0
		}
		return "", 0
	case starts("group create"):
		s.GroupLocation = option(args, "--location")
		return "", 0
	case starts("deployment group"):
		return s.deployment(call, args, query)
	case starts("functionapp"):
		return s.app(call, query)
	}
	return s.directory(call, args, query)
}

// directory answers what is asked of the tenant, and of resources one by one.
func (s *subscription) directory(call string, args []string, query string) (string, int) {
	starts := func(text string) bool { return strings.HasPrefix(call, text+" ") }
	switch {
	case starts("cloud show"):
		return "https://graph.microsoft.com/", 0
	case starts("ad sp show"):
		if query == "id" {
			return "graph-sp", 0
		}
		return "role-" + strings.Split(query, "'")[1], 0
	case starts("rest"):
		return s.rest(args, query)
	case starts("storage container immutability-policy show"):
		return s.HeadsState, 0
	case starts("resource list"):
		return s.list(args, query), 0
	case starts("resource delete"):
		return s.remove(option(args, "--ids"))
	case starts("lock list"):
		if s.ArchiveLock {
			return "the-lock", 0
		}
		return "", 0
	case starts("lock delete"):
		s.ArchiveLock = false
		return "", 0
	}
	return failure("the played az does not know: " + call)
}

func (s *subscription) deployment(call string, args []string, query string) (string, int) {
	switch {
	case strings.HasPrefix(call, "deployment group what-if"):
		if s.WhatIfFails {
			return failure("InvalidTemplateDeployment: the policy 'no-public-storage' denies it")
		}
		return "Resource changes: 24 to create.", 0
	case strings.HasPrefix(call, "deployment group create"):
		if s.DeployFails > 0 {
			s.DeployFails--
			return failure("DeploymentFailed: a conflict")
		}
		s.Deployed, s.Settings = true, deployedSettings()
		s.GrantsInBicep = strings.Contains(call, "grantGraphPermissions=true")
		for _, a := range args {
			if v, ok := strings.CutPrefix(a, "headsLocked="); ok {
				s.HeadsLocked = v
			}
		}
		return "", 0
	}
	if !s.Deployed {
		return failure("Deployment could not be found.")
	}
	switch outputs := map[string]string{"appName": "func-ledger-x", "apiUrl": s.API, "principalId": "11111111-2222-3333-4444-555555555555",
		"archiveAccount": "stledgerxa", "headsContainer": "entraledger-heads"}; {
	case strings.Contains(query, "appSettings"):
		return lines(deployedSettings()), 0
	case strings.Contains(query, "graphPermissions"):
		return "AuditLog.Read.All\nUser.Read.All", 0
	default:
		return outputs[strings.Split(query, ".")[2]], 0
	}
}

func (s *subscription) app(call, query string) (string, int) {
	switch {
	case strings.HasPrefix(call, "functionapp show"):
		if !s.Deployed {
			return failure("not found")
		}
	case strings.HasPrefix(call, "functionapp config appsettings list"):
		return lines(s.Settings), 0
	case strings.HasPrefix(call, "functionapp deployment source config-zip"):
		if s.PublishFails > 0 {
			s.PublishFails--
			return failure("403 Forbidden")
		}
		s.Published = true
	case strings.HasPrefix(call, "functionapp keys list"):
		return key, 0
	}
	return "", 0
}

func (s *subscription) rest(args []string, query string) (string, int) {
	switch {
	case strings.Contains(option(args, "--url"), "/me/"):
		return strings.Join(s.DirectoryRoles, "\n"), 0
	case option(args, "--method") == "GET":
		role := strings.Split(query, "'")[1]
		if slices.Contains(s.Granted, role) {
			return "assignment", 0
		}
		return "", 0
	case s.GrantRefused:
		return failure("Authorization_RequestDenied")
	}
	var body struct{ PrincipalID, ResourceID, AppRoleID string }
	if err := json.Unmarshal([]byte(option(args, "--body")), &body); err != nil {
		return failure(err.Error())
	}
	s.Granted = append(s.Granted, body.AppRoleID)
	return "", 0
}

func (s *subscription) list(args []string, query string) string {
	var out []string
	for _, r := range s.Resources {
		isArchive := r.Part == "archive"
		if r.Type == option(args, "--resource-type") && isArchive == strings.Contains(query, "tags.part=='archive'") {
			out = append(out, "/subscriptions/sub-1/"+r.Type+"/"+r.Name)
		}
	}
	return strings.Join(out, "\n")
}

func (s *subscription) remove(id string) (string, int) {
	name := id[strings.LastIndex(id, "/")+1:]
	i := slices.IndexFunc(s.Resources, func(r resource) bool { return r.Name == name })
	switch {
	case i < 0:
		return failure("not found: " + id)
	case s.Resources[i].Part == "archive" && s.ArchiveLock:
		return failure("ScopeLocked")
	}
	s.Resources = slices.Delete(s.Resources, i, i+1)
	return "", 0
}

// pick answers a query for one of some names.
func pick(names []string, query string) string {
	for _, n := range names {
		if strings.Contains(query, "'"+n+"'") {
			return n
		}
	}
	return ""
}

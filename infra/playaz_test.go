package infra_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// subscription is what the played az knows; it is a file, so that what one call changes the next
// one sees. It answers in JSON, as az does, and knows the calls that the scripts make and no
// others.
type subscription struct {
	SignedOut      bool
	Az, Bicep      string // versions
	Cloud          string
	Principal      bool     // a service principal is signed in, and no person
	Locations      []string // of the subscription
	Flex           []string // that offer Flex Consumption
	Zoneless       []string // that offer no zones
	Roles          []role   // the deployer's
	DirectoryRoles []string // the deployer's, their template ids
	Unregistered   []string // resource providers
	GroupLocation  string   // empty: there is none
	Resources      map[string]arm
	Settings       map[string]string // of the app, as they are now
	Deployments    []arm
	Faults         []fault
	Granted        []string
	App            runningApp
	Host           string // of the app
	Log            []string
}

type role struct{ Name, Condition string }

// arm is a resource as ARM gives it; the key that it is stored under is its id in lower case.
type arm = map[string]any

// fault makes calls that contain Call fail Times times (-1: forever), before they do anything, or
// after it. With Answers the call succeeds, and az prints that; with Until it waits for that file,
// and then does what it was asked for. With Nth it is that call of the log, and no other.
type fault struct {
	Call, Says string
	Nth        int
	Answers    string
	Until      string
	Times      int
	After      bool
	Hangs      bool
}

// runningApp is what runs behind the app's address, and what would mend it.
type runningApp struct {
	Code           string // "" none, a release, or "package"
	Status         int    // what the preflight answers; 0: as it should
	Body           string
	MendedBy       string   // restart, sync, publish: a second one
	Missing        []string // functions that the platform has not found, until mended
	Stale          bool     // an older build answers, until mended
	Publishes      int
	Restarts       int
	Synchronized   int
	Answered       int
	RefusesOwnKey  bool
	Authentication bool
}

const (
	silence   = "(nothing)" // as an answer
	key       = "a-key-that-nobody-else-may-see"
	graphApp  = "00000003-0000-0000-c000-000000000000"
	principal = "11111111-2222-3333-4444-555555555555"
	subID     = "/subscriptions/99999999-8888-7777-6666-555555555555"
	rgID      = subID + "/resourceGroups/rg-ledger"
)

// playAz answers as az does with --output json, as far as the scripts ask.
func playAz(args []string) int {
	file := os.Getenv("AZ_STATE")
	s := readState(file)
	call := strings.Join(args, " ")
	s.Log = append(s.Log, call)
	code := 0
	if hit := s.fault(call, false); hit != nil {
		writeState(file, s)
		if hit.Until == "" {
			return hit.end()
		}
		waitFor(hit.Until)
	}
	out, err := s.answer(args)
	if err == nil {
		if hit := s.fault(call, true); hit != nil {
			writeState(file, s)
			return hit.end()
		}
	}
	writeState(file, s)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ERROR: "+err.Error())
		return 1
	}
	if text, isText := out.(string); isText {
		fmt.Println(text)
	} else if out != nil && !slices.Contains(args, "none") {
		data, err := json.Marshal(out)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(data))
	}
	return code
}

// waitFor waits for a file, a minute at most.
func waitFor(file string) {
	for range 6000 {
		if _, err := os.Stat(file); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (f *fault) end() int {
	if f.Hangs {
		time.Sleep(time.Minute)
	}
	switch f.Answers {
	case "":
	case silence:
		return 0
	default:
		fmt.Println(f.Answers)
		return 0
	}
	fmt.Fprintln(os.Stderr, "ERROR: "+f.Says)
	return 1
}

func (s *subscription) fault(call string, after bool) *fault {
	for i := range s.Faults {
		f := &s.Faults[i]
		if f.Times != 0 && f.After == after && (f.Nth == 0 || f.Nth == len(s.Log)) && strings.Contains(call, f.Call) {
			f.Times--
			return f
		}
	}
	return nil
}

func readState(file string) (s subscription) {
	data, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		panic(err)
	}
	return s
}

// writeState replaces the file whole: the app's server reads it at the same time.
func writeState(file string, s subscription) {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(file+".next", data, 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(file+".next", file); err != nil {
		panic(err)
	}
}

func option(args []string, name string) string {
	if i := slices.Index(args, name); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

func named(names []string) []arm {
	out := []arm{}
	for _, n := range names {
		out = append(out, arm{"name": n})
	}
	return out
}

// answer plays one call. What comes back is JSON, or text where az writes text.
func (s *subscription) answer(args []string) (any, error) {
	call := strings.Join(args, " ")
	starts := func(text string) bool { return strings.HasPrefix(call+" ", text+" ") }
	switch {
	case starts("version"):
		return arm{"azure-cli": s.Az, "extensions": arm{}}, nil
	case starts("bicep version"):
		return "Bicep CLI version " + s.Bicep + " (0123456789)", nil
	case starts("account show"):
		return s.account()
	case starts("account list-locations"):
		return named(s.Locations), nil
	case starts("functionapp list-flexconsumption-locations"):
		return named(s.Flex), nil
	case starts("ad signed-in-user show"):
		return arm{"id": "me"}, nil
	case starts("role assignment list"):
		out := []arm{}
		for _, r := range s.Roles {
			out = append(out, arm{"roleDefinitionName": r.Name, "condition": r.Condition})
		}
		return out, nil
	case starts("provider list"):
		return s.providers(), nil
	case starts("provider register"):
		s.Unregistered = slices.DeleteFunc(s.Unregistered, func(p string) bool {
			return p == option(args,
				"--namespace")
		})
		return nil, nil
	case starts("group create"):
		s.GroupLocation = option(args, "--location")
		return nil, nil
	case starts("cloud show"):
		return arm{"endpoints": arm{"microsoftGraphResourceId": "https://graph.microsoft.com/"}}, nil
	case starts("ad sp show"):
		return s.servicePrincipal(option(args, "--id")), nil
	case starts("rest"):
		return s.rest(args)
	case starts("resource list"):
		return s.list(), nil
	case starts("resource delete"):
		return nil, s.remove(option(args, "--ids"))
	case starts("deployment group"):
		return s.deployment(args)
	case starts("functionapp"):
		return s.functionApp(args)
	}
	return nil, fmt.Errorf("the played az does not know: %s", call)
}

func (s *subscription) account() (any, error) {
	if s.SignedOut {
		return nil, fmt.Errorf("Please run 'az login' to setup account.")
	}
	user := arm{"type": "user", "name": "ada@contoso.example"}
	if s.Principal {
		user = arm{"type": "servicePrincipal", "name": "77777777-2222-3333-4444-555555555555"}
	}
	return arm{"id": strings.TrimPrefix(subID, "/subscriptions/"), "name": "Contoso", "environmentName": s.Cloud,
		"user": user}, nil
}

func (s *subscription) providers() (out []arm) {
	for _, p := range []string{"Microsoft.Web", "Microsoft.App", "Microsoft.Storage", "microsoft.insights",
		"Microsoft.OperationalInsights",
		"Microsoft.ManagedIdentity", "Microsoft.Network", "Microsoft.Quantum"} {
		state := "Registered"
		if slices.Contains(s.Unregistered, p) {
			state = "NotRegistered"
		}
		out = append(out, arm{"namespace": p, "registrationState": state})
	}
	return out
}

// graphRoles are the application permissions of Microsoft Graph that are played; their ids are
// their names.
var graphRoles = []string{"AuditLog.Read.All", "User.Read.All", "Application.Read.All",
	"Policy.Read.ConditionalAccess", "ProvisioningLog.Read.All",
	"GroupMember.Read.All", "Member.Read.Hidden", "CustomSecAttributeAuditLogs.Read.All"}

func (s *subscription) servicePrincipal(id string) arm {
	if id != graphApp {
		return arm{"id": "me-as-an-app"}
	}
	var roles []arm
	for _, r := range graphRoles {
		roles = append(roles, arm{"value": r, "id": "of-people-" + r, "allowedMemberTypes": []string{"User"}},
			arm{"value": r, "id": "role-of-" + r, "allowedMemberTypes": []string{"Application"}})
	}
	return arm{"id": "graph-object", "appRoles": roles}
}

func (s *subscription) functionApp(args []string) (any, error) {
	switch strings.Join(args[1:3], " ") {
	case "config appsettings":
		if s.below("/microsoft.web/sites/") == "" {
			return nil, arErr("ResourceNotFound", "The Resource 'Microsoft.Web/sites' was not found.")
		}
		out := []arm{}
		for name, value := range s.Settings {
			out = append(out, arm{"name": name, "value": value, "slotSetting": false})
		}
		return out, nil
	case "deployment source":
		s.publish("package")
		return nil, nil
	case "keys list":
		return arm{"masterKey": "the-master-key", "functionKeys": arm{"default": key}}, nil
	case "function list":
		out := []arm{}
		for _, n := range s.functions() {
			out = append(out, arm{"name": option(args, "--name") + "/" + n})
		}
		return out, nil
	}
	if args[1] == "restart" {
		s.App.Restarts++
		s.mend("restart")
		return nil, nil
	}
	return nil, fmt.Errorf("the played az does not know: %v", args)
}

func (s *subscription) functions() (out []string) {
	if s.App.Code == "" {
		return nil
	}
	data, err := os.ReadFile(os.Getenv("AZ_FUNCTIONS"))
	if err != nil {
		panic(err)
	}
	for _, n := range strings.Fields(string(data)) {
		if !slices.Contains(s.App.Missing, n) {
			out = append(out, n)
		}
	}
	return out
}

func (s *subscription) publish(code string) {
	s.App.Code = code
	s.App.Publishes++
	if s.App.Publishes > 1 {
		s.mend("publish")
	}
}

// mend makes the app answer, where this is what helps it.
func (s *subscription) mend(by string) {
	if s.App.MendedBy == by {
		s.App.Status, s.App.Body, s.App.Missing, s.App.Stale, s.App.MendedBy = 0, "", nil, false, ""
	}
}

func arErr(code, message string) error {
	data, err := json.Marshal(arm{"error": arm{"code": code, "message": message}})
	if err != nil {
		panic(err)
	}
	return fmt.Errorf("%s(%s)", code, data)
}

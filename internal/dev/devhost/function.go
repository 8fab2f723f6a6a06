package devhost

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/web/router"
)

// function is one folder with a function.json.
type function struct {
	name     string
	file     string // its function.json, relative to the app root
	disabled bool
	ignored  string // what its function.json says and the host does not heed; empty: nothing
	timer    *timerTrigger
	http     *httpTrigger
	retry    *retryPolicy
}

type timerTrigger struct {
	binding      string
	schedule     schedule
	useMonitor   bool
	runOnStartup bool
}

type httpTrigger struct {
	template  router.Template
	path      string // as in function.json, with the prefix
	methods   []string
	authLevel string
}

type functionJSON struct {
	Bindings []bindingJSON
	Disabled bool
	Retry    *retryJSON
}

type bindingJSON struct {
	Type         string
	Direction    string
	Name         string
	Schedule     string
	UseMonitor   *bool
	RunOnStartup bool
	AuthLevel    string
	Methods      []string
	Route        string
}

func (b bindingJSON) isTrigger() bool {
	return strings.HasSuffix(strings.ToLower(b.Type), "trigger")
}

func readFunctions(root, prefix string, env environment) (functions []*function, problems []error) {
	files, err := filepath.Glob(filepath.Join(globEscape(root), "*", "function.json"))
	if err != nil {
		return nil, []error{fmt.Errorf("list functions: %w", err)}
	}
	for _, path := range files {
		f := &function{name: filepath.Base(filepath.Dir(path))}
		f.file = f.name + "/function.json"
		if reasons := f.read(path, prefix, env); len(reasons) > 0 {
			problems = append(problems, reasons...)
			continue
		}
		functions = append(functions, f)
	}
	if len(files) == 0 {
		problems = append(problems, Problem{"host.json",
			"no function stands beside it, and without one the host does not start the handler",
			"add <Function>/function.json"})
	}
	return functions, problems
}

// globEscape keeps a root with brackets in its name from being read as a pattern.
func globEscape(path string) string {
	if filepath.Separator == '\\' {
		return path
	}
	return regexp.MustCompile(`[*?\[\\]`).ReplaceAllString(path, `\$0`)
}

func (f *function) read(path, prefix string, env environment) (problems []error) {
	refuse := func(what, remedy string) {
		problems = append(problems, Problem{f.file, what, remedy})
	}
	data, err := os.ReadFile(path)
	if err != nil {
		refuse("can't be read ("+err.Error()+")", "check the file")
		return problems
	}
	var j functionJSON
	if err := json.Unmarshal(data, &j); err != nil {
		refuse("is not valid ("+err.Error()+")", "correct the JSON")
		return problems
	}
	if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,127}$`).MatchString(f.name) {
		refuse(fmt.Sprintf("folder name %q is no function name", f.name),
			"use letters, digits, _ and -, beginning with a letter")
	}
	f.disabled = isTrue(env["AzureWebJobs."+f.name+".Disabled"]) || isTrue(env["AzureWebJobs_"+f.name+"_Disabled"])
	if j.Disabled {
		f.ignored = `"disabled" is ignored by the host; set AzureWebJobs.` + f.name + `.Disabled=true`
	}
	checkBindingNames(j.Bindings, refuse)
	trigger := oneTrigger(j.Bindings, refuse)
	if trigger == nil {
		return problems
	}
	if trigger.Direction != "" && !strings.EqualFold(trigger.Direction, "in") {
		refuse(fmt.Sprintf("trigger %q has direction %q", trigger.Name, trigger.Direction), `write "direction": "in"`)
	}
	switch strings.ToLower(trigger.Type) {
	case "timertrigger":
		f.readTimer(*trigger, j.Bindings, env, refuse)
	case "httptrigger":
		f.readHTTP(*trigger, j.Bindings, prefix, refuse)
	default:
		refuse(fmt.Sprintf("trigger type %q is not offered here", trigger.Type),
			"use timerTrigger or httpTrigger, or Core Tools")
	}
	if j.Retry != nil {
		policy, err := j.Retry.policy()
		if err != nil {
			refuse("is refused: "+err.Error(), "correct the retry section")
		}
		f.retry = policy
	}
	return problems
}

func isTrue(setting string) bool {
	return setting == "1" || strings.EqualFold(setting, "true")
}

func checkBindingNames(bindings []bindingJSON, refuse func(what, remedy string)) {
	valid := regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]{0,127}|\$return)$`)
	seen := map[string]bool{}
	for _, b := range bindings {
		if !valid.MatchString(b.Name) {
			refuse(fmt.Sprintf("binding name %q is not allowed", b.Name),
				"use letters and digits, beginning with a letter")
		}
		if seen[strings.ToLower(b.Name)] {
			refuse(fmt.Sprintf("two bindings are named %q", b.Name), "rename one")
		}
		seen[strings.ToLower(b.Name)] = true
	}
}

func oneTrigger(bindings []bindingJSON, refuse func(what, remedy string)) *bindingJSON {
	var triggers []bindingJSON
	for _, b := range bindings {
		if b.isTrigger() {
			triggers = append(triggers, b)
		}
	}
	switch len(triggers) {
	case 0:
		refuse("there is no trigger", "add one binding whose type ends in Trigger")
		return nil
	case 1:
		return &triggers[0]
	}
	refuse(fmt.Sprintf("there are %d triggers", len(triggers)),
		"keep one and move the others to functions of their own")
	return nil
}

func (f *function) readTimer(b bindingJSON, all []bindingJSON, env environment, refuse func(what, remedy string)) {
	if len(all) > 1 {
		refuse("bindings beside the timer are not offered here",
			"remove them and let the handler talk to the service itself")
	}
	text, err := env.resolve(b.Schedule)
	if err != nil {
		refuse("schedule: "+err.Error(), "the host would not index this function")
		return
	}
	parsed, err := parseSchedule(text)
	if err != nil {
		refuse(err.Error(), cronHelp)
		return
	}
	f.timer = &timerTrigger{
		binding: b.Name, schedule: parsed,
		useMonitor:   b.UseMonitor == nil || *b.UseMonitor,
		runOnStartup: b.RunOnStartup,
	}
}

func (f *function) readHTTP(b bindingJSON, all []bindingJSON, prefix string, refuse func(what, remedy string)) {
	outputs := slices.DeleteFunc(slices.Clone(all), func(o bindingJSON) bool {
		return !strings.EqualFold(o.Type, "http") || !strings.EqualFold(o.Direction, "out")
	})
	if len(all) != 2 || len(outputs) != 1 {
		refuse("is not HTTP in and HTTP out alone, so the host would send envelopes instead of the request",
			`keep the httpTrigger and one {"type":"http","direction":"out","name":"res"}`)
	}
	level := strings.ToLower(b.AuthLevel)
	if level == "" {
		level = "function"
	}
	if !slices.Contains([]string{"anonymous", "function", "admin"}, level) {
		refuse(fmt.Sprintf("authLevel %q is unknown", b.AuthLevel), "write anonymous, function or admin")
	}
	if fault := routeFault(b.Route); fault != "" {
		refuse(fmt.Sprintf("route %q %s", b.Route, fault), "correct the route")
	}
	path := strings.Trim(b.Route, "/")
	if path == "" {
		path = f.name
	}
	if lower := strings.ToLower(path); strings.HasPrefix(lower, "admin") || strings.HasPrefix(lower, "runtime") {
		refuse(fmt.Sprintf("route %q conflicts with the host's own routes", path),
			"begin it with another word than admin or runtime")
	}
	path = strings.TrimPrefix(prefix+"/"+path, "/")
	parsed, err := router.Parse(path)
	if err != nil {
		refuse(err.Error(), "correct the route")
	}
	f.http = &httpTrigger{template: parsed, path: path, authLevel: level}
	for _, method := range b.Methods {
		f.http.methods = append(f.http.methods, strings.ToUpper(method))
	}
}

// routeFault is what the host does not take in a route, or takes and nobody wants, beside what
// router.Parse refuses. Where ASP.NET can't read a route, all functions of the app are gone.
func routeFault(route string) string {
	if strings.Contains(route, "%") {
		return "has a %, and settings are not resolved in routes"
	}
	if strings.HasPrefix(route, "/") {
		return "begins with a slash"
	}
	names := map[string]bool{}
	for part := range strings.SplitSeq(route, "/") {
		if !strings.HasPrefix(part, "{") {
			if strings.Contains(part, "?") {
				return "has a ? in a literal part"
			}
			continue
		}
		name := strings.ToLower(strings.TrimLeft(part, "{*"))
		if end := strings.IndexAny(name, ":?}"); end >= 0 {
			name = name[:end]
		}
		if names[name] {
			return "names the parameter " + name + " twice"
		}
		names[name] = true
	}
	return ""
}

// routeConflicts finds functions that would compete for the same requests.
func routeConflicts(functions []*function) (problems []error) {
	for i, f := range functions {
		for _, other := range functions[:i] {
			if f.http == nil || other.http == nil || f.http.template.Shape() != other.http.template.Shape() {
				continue
			}
			shared := len(f.http.methods) == 0 || len(other.http.methods) == 0 ||
				slices.ContainsFunc(f.http.methods, func(m string) bool {
					return slices.Contains(other.http.methods, m)
				})
			if shared {
				problems = append(problems, Problem{f.file, fmt.Sprintf("route %q conflicts with that of %s",
					f.http.path, other.name), "change one route or its methods"})
			}
		}
	}
	return problems
}

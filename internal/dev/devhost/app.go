package devhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Problem is one reason why the host would not load the app.
type Problem struct {
	File   string // relative to the app root
	What   string
	Remedy string
}

func (p Problem) Error() string {
	return fmt.Sprintf("%s: %s; %s", p.File, p.What, p.Remedy)
}

// app is what host.json and the function.json files say, checked.
type app struct {
	root        string
	executable  string
	arguments   []string
	workingDir  string
	timeout     time.Duration // of one invocation; 0 is none
	initTimeout time.Duration
	routePrefix string
	functions   []*function
}

type hostJSON struct {
	Version         string
	FunctionTimeout string
	CustomHandler   json.RawMessage
	Extensions      struct {
		HTTP struct{ RoutePrefix *string }
	}
}

type handlerJSON struct {
	Description *struct {
		DefaultExecutablePath string
		Arguments             []string
		WorkingDirectory      string
	}
	EnableForwardingHTTPRequest bool
	EnableProxyingHTTPRequest   bool
	InitializationTimeout       string
}

// loadApp reads the app and returns every problem found, joined.
func loadApp(root string, env environment) (*app, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find app root: %w", err)
	}
	data, err := os.ReadFile(filepath.Join(root, "host.json"))
	if err != nil {
		return nil, fmt.Errorf("read host.json: %w; point --app at the folder that holds host.json", err)
	}
	var h hostJSON
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, Problem{"host.json", "is not valid (" + err.Error() + ")", "correct the JSON"}
	}
	a := &app{root: root, initTimeout: 30 * time.Second, timeout: 30 * time.Minute, routePrefix: "api"}
	var problems []error
	problems = append(problems, a.readHost(h)...)
	problems = append(problems, a.readHandler(h.CustomHandler, env)...)
	functions, found := readFunctions(root, a.routePrefix, env)
	a.functions = functions
	problems = append(problems, found...)
	problems = append(problems, routeConflicts(functions)...)
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *app) readHost(h hostJSON) (problems []error) {
	if h.Version != "2.0" {
		problems = append(problems, Problem{"host.json", fmt.Sprintf("version is %q", h.Version),
			`write "version": "2.0"`})
	}
	if p := h.Extensions.HTTP.RoutePrefix; p != nil {
		a.routePrefix = strings.Trim(*p, "/")
	}
	switch h.FunctionTimeout {
	case "":
	case "-1":
		a.timeout = 0
	default:
		d, err := parseTimeSpan(h.FunctionTimeout)
		if err != nil || d <= 0 {
			problems = append(problems, Problem{"host.json",
				fmt.Sprintf("functionTimeout %q is not understood",
					h.FunctionTimeout), `write hh:mm:ss, or "-1" for none`})
		}
		a.timeout = d
	}
	return problems
}

// readHandler checks the customHandler section. Unknown keys are refused: the
// real host ignores them, and a misspelt flag silently changes the protocol.
func (a *app) readHandler(raw json.RawMessage, env environment) (problems []error) {
	refuse := func(what, remedy string) {
		problems = append(problems, Problem{"host.json", what, remedy})
	}
	var c handlerJSON
	if err := json.Unmarshal(raw, &c); err != nil {
		refuse("customHandler is missing or has an unknown shape",
			`write "customHandler": {"description": {"defaultExecutablePath": "handler"}, `+
				`"enableProxyingHttpRequest": true}`)
		return problems
	}
	for _, key := range unknownKeys(raw, "description", "enableForwardingHttpRequest", "enableProxyingHttpRequest",
		"initializationTimeout") {
		refuse(fmt.Sprintf("customHandler.%s is not known here", key), "remove it")
	}
	c.checkProxying(refuse)
	if c.InitializationTimeout != "" {
		d, err := parseTimeSpan(c.InitializationTimeout)
		if err != nil || d <= 0 {
			refuse(fmt.Sprintf("customHandler.initializationTimeout %q is not understood", c.InitializationTimeout),
				"write hh:mm:ss")
		}
		a.initTimeout = d
	}
	if c.Description == nil || c.Description.DefaultExecutablePath == "" {
		refuse("customHandler.description.defaultExecutablePath is missing",
			"name the program to start, relative to host.json")
		return problems
	}
	var sections map[string]json.RawMessage
	if err := json.Unmarshal(raw, &sections); err == nil {
		for _, key := range unknownKeys(sections["description"], "defaultExecutablePath", "arguments",
			"workingDirectory") {
			refuse(fmt.Sprintf("customHandler.description.%s is not known here", key), "remove it")
		}
	}
	a.workingDir = filepath.Join(a.root, c.Description.WorkingDirectory)
	for _, argument := range c.Description.Arguments {
		a.arguments = append(a.arguments, env.expand(argument))
	}
	path, what, remedy := findExecutable(a.root, c.Description.DefaultExecutablePath)
	if what != "" {
		refuse(what, remedy)
	}
	a.executable = path
	return problems
}

// checkProxying refuses what would not pass requests on as they are.
func (c handlerJSON) checkProxying(refuse func(what, remedy string)) {
	switch {
	case c.EnableProxyingHTTPRequest:
	case c.EnableForwardingHTTPRequest:
		refuse("customHandler.enableForwardingHttpRequest is the old, buffering mode",
			"set enableProxyingHttpRequest instead")
	default:
		refuse("customHandler.enableProxyingHttpRequest is not set, so HTTP would arrive in envelopes",
			"set it to true")
	}
}

// findExecutable looks beside host.json first, then along PATH, as the host does.
func findExecutable(root, name string) (path, what, remedy string) {
	path = name
	if !filepath.IsAbs(name) {
		path = filepath.Join(root, name)
	}
	info, err := os.Stat(path)
	if err != nil {
		found, lookErr := exec.LookPath(name)
		if lookErr != nil {
			return "", fmt.Sprintf("executable %q is neither beside host.json nor on PATH",
				name), "build it: go build -o " + name + " ./handler"
		}
		// A relative hit would be resolved against the working directory, not against ours.
		if found, err = filepath.Abs(found); err != nil {
			return "", fmt.Sprintf("executable %q can't be located", name), "give its full path"
		}
		return found, "", ""
	}
	if info.IsDir() {
		return "", fmt.Sprintf("executable %q is a folder", name), "name a program"
	}
	if runtime.GOOS != "windows" && info.Mode()&0o111 == 0 {
		return "", fmt.Sprintf("executable %q has no execute bit, and nothing in Azure repairs that",
			name), "run chmod +x " + name
	}
	return path, "", ""
}

// unknownKeys returns the members of a JSON object that are not listed, sorted.
func unknownKeys(raw json.RawMessage, known ...string) []string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil
	}
	var unknown []string
	for key := range members {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, key) }) {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// environment is what the handler inherits: the process environment first, the
// settings file for what that leaves open, as Core Tools do.
type environment map[string]string

func newEnvironment(process []string, settings map[string]string) environment {
	env := environment{}
	for name, value := range settings {
		env[name] = value
	}
	for _, entry := range process {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			env[name] = value
		}
	}
	return env
}

// expand replaces %NAME% where NAME is set and leaves the rest as it is.
func (e environment) expand(text string) string {
	return regexp.MustCompile(`%([^%]+)%`).ReplaceAllStringFunc(text, func(hit string) string {
		if value, ok := e[strings.Trim(hit, "%")]; ok {
			return value
		}
		return hit
	})
}

// resolve replaces every %NAME% in the schedule of a timer; each must be set.
func (e environment) resolve(text string) (string, error) {
	resolved := e.expand(text)
	if missing := regexp.MustCompile(`%[^%]+%`).FindString(resolved); missing != "" {
		return "", fmt.Errorf("setting %s is not set; add it to the environment or to local.settings.json", missing)
	}
	return resolved, nil
}

func (e environment) list() []string {
	list := make([]string, 0, len(e))
	for name, value := range e {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// ReadSettings reads a local.settings.json: {"IsEncrypted": false, "Values": {...}}.
func ReadSettings(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w; copy local.settings.json.example to it", err)
	}
	var file struct {
		IsEncrypted bool
		Values      map[string]any
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("read settings %s: %w; correct the JSON", path, err)
	}
	if file.IsEncrypted {
		return nil, fmt.Errorf("read settings %s: it is encrypted; run func settings decrypt", path)
	}
	settings := make(map[string]string, len(file.Values))
	for name, value := range file.Values {
		switch value.(type) {
		case string, bool, float64:
			settings[name] = fmt.Sprint(value)
		default:
			return nil, fmt.Errorf("read settings %s: %s is not a string; quote its value", path, name)
		}
	}
	return settings, nil
}

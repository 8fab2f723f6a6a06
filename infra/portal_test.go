package infra_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// deployTemplate is infra/azuredeploy.json, as far as the form has to agree with it.
type deployTemplate struct {
	Parameters map[string]templateParameter
	types      map[string]bool // of its resources
}

type templateParameter struct {
	Type                 string
	DefaultValue         any
	AllowedValues        []any // of a list: of its items
	MinLength, MaxLength *int
	MinValue, MaxValue   *float64
	Items                *templateParameter
}

func readTemplate() (*deployTemplate, error) {
	data, err := os.ReadFile("azuredeploy.json")
	if err != nil {
		return nil, fmt.Errorf("%w: make infra makes it", err)
	}
	t := &deployTemplate{types: make(map[string]bool)}
	for _, match := range regexp.MustCompile(`"type": "(Microsoft\.\w+/[\w/]+)"`).FindAllSubmatch(data, -1) {
		t.types[string(match[1])] = true
	}
	return t, json.Unmarshal(data, t)
}

// accepts says why a parameter can't have a value.
func (p templateParameter) accepts(value any) error {
	kind, ok := map[string]reflect.Kind{"string": reflect.String, "int": reflect.Float64, "bool": reflect.Bool,
		"array": reflect.Slice, "object": reflect.Map}[p.Type]
	if !ok || value == nil || reflect.TypeOf(value).Kind() != kind {
		return fmt.Errorf("%v is no %q", value, p.Type)
	}
	items, isList := value.([]any)
	if !isList {
		items = []any{value}
	}
	for _, item := range items {
		if len(p.AllowedValues) > 0 && !slices.Contains(p.AllowedValues, item) {
			return fmt.Errorf("%v is none of %v", item, p.AllowedValues)
		}
		if isList && p.Items != nil {
			if err := p.Items.accepts(item); err != nil {
				return err
			}
		}
	}
	if n, ok := value.(float64); ok && (p.MinValue != nil && n < *p.MinValue || p.MaxValue != nil && n > *p.MaxValue) {
		return fmt.Errorf("%v is out of range", n)
	}
	size := len(items)
	if text, ok := value.(string); ok {
		size = utf8.RuneCountInString(text)
	}
	if p.MinLength != nil && size < *p.MinLength || p.MaxLength != nil && size > *p.MaxLength {
		return fmt.Errorf("%v is too short or too long", value)
	}
	return nil
}

// formChecks are all that is asked of the form. The mutations below show that each of them can
// fail.
var formChecks = []struct {
	name string
	run  func(raw []byte, f *formDefinition, t *deployTemplate) error
}{
	{"It is valid by Microsoft's schema", checkSchema},
	{"Every control says what it is for", checkHelp},
	{"Expressions can be read and name what is there", checkExpressions},
	{"What it gives are the template's parameters", checkOutputs},
	{"Lists and defaults are the template's", checkLists},
	{"It asks about the providers and types that the template has", checkProviders},
	{"Sizes are the parameter files", checkSizes},
	{"Texts are refused as the template and the app would", checkTexts},
	{"It stops where a deployment would fail or do harm", checkStops},
	{"What was filled in arrives", checkChoices},
}

func TestThePortalsForm(t *testing.T) {
	raw, err := os.ReadFile("portal.json")
	require.NoError(t, err)
	f, err := readForm(raw)
	require.NoError(t, err)
	template, err := readTemplate()
	require.NoError(t, err)
	for _, check := range formChecks {
		t.Run(check.name, func(t *testing.T) { require.NoError(t, check.run(raw, f, template)) })
	}
}

func checkSchema(raw []byte, f *formDefinition, _ *deployTemplate) error {
	file := filepath.Join("..", "..", "shared", "facts", "schemas", "uiFormDefinition.schema.json")
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("find Microsoft's schema of forms: %w; it lies in facts/schemas of the folder shared, "+
			"beside this checkout", err)
	}
	schema, err := jsonschema.NewCompiler().Compile(file)
	if err != nil {
		return err
	}
	var form any
	if err := json.Unmarshal(raw, &form); err != nil {
		return err
	}
	if len(f.View.Properties.Steps) > 5 {
		return errors.New("more than five steps")
	}
	return schema.Validate(form)
}

// checkHelp finds controls that ask without a label or help, and refusals that don't say what to
// do.
func checkHelp(raw []byte, f *formDefinition, _ *deployTemplate) (err error) {
	release, err := os.ReadFile("release.txt")
	// Pages of the release that the form deploys: those of main may describe another one.
	links := regexp.MustCompile(`entraledger/(?:blob|tree|raw)/([^/]+)/([^)\s"]+)`).FindAllSubmatch(raw, -1)
	if len(links) == 0 {
		err = errors.Join(err, errors.New("no link leads to a page"))
	}
	for _, link := range links {
		if string(link[1]) != strings.TrimSpace(string(release)) {
			err = errors.Join(err, fmt.Errorf("%s is of %s, and not of the release", link[2], link[1]))
		}
		err = errors.Join(err, leadsSomewhere(string(link[2])))
	}
	f.controls(func(place string, c formControl) {
		switch c.Type {
		case "Microsoft.Common.TextBox", "Microsoft.Common.DropDown", "Microsoft.Common.OptionsGroup":
			if len(c.Label) < 4 || len(c.ToolTip) < 40 {
				err = errors.Join(err, fmt.Errorf("%s has no label or no help", place))
			}
		case "Microsoft.Common.ResourceScope":
			if c.Location.ToolTip == "" {
				err = errors.Join(err, fmt.Errorf("%s has no help", place))
			}
		}
		for _, v := range c.Constraints.Validations {
			if len(v.Message) < 30 {
				err = errors.Join(err, fmt.Errorf("%s refuses without saying what to do", place))
			}
		}
	})
	return err
}

// leadsSomewhere looks for a page of this repository and the heading in it:
// docs/deploy.md#with-the-script.
func leadsSomewhere(page string) error {
	file, anchor, _ := strings.Cut(page, "#")
	text, err := os.ReadFile(filepath.Join("..", file))
	if err == nil && !strings.Contains(strings.ToLower(string(text)), "# "+strings.ReplaceAll(anchor, "-", " ")+"\n") {
		err = fmt.Errorf("there is no heading %s in %s", anchor, file)
	}
	return err
}

func checkExpressions(_ []byte, f *formDefinition, _ *deployTemplate) (err error) {
	elements := make(map[string]bool)
	f.controls(func(place string, _ formControl) {
		if elements[place] {
			err = errors.Join(err, fmt.Errorf("%s is there twice", place))
		}
		elements[place] = true
	})
	for place, text := range f.expressions() {
		e, bad := parseExpression(strings.TrimSuffix(text[1:], "]"))
		if bad == nil {
			bad = references(e, elements)
		}
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", place, bad))
		}
	}
	return err
}

// references finds out whether every steps('x').y is a control of the form.
func references(e *expression, elements map[string]bool) error {
	if e.kind == "call" && e.name == "steps" {
		return errors.New("steps() is asked for no control")
	}
	if e.kind == "member" && e.args[0].kind == "call" && e.args[0].name == "steps" {
		if of := e.args[0].args; len(of) != 1 || !elements[fmt.Sprintf("%v.%s", of[0].at, e.name)] {
			return fmt.Errorf("there is no control %s in %v", e.name, of)
		}
		return nil
	}
	for _, a := range e.args {
		if err := references(a, elements); err != nil {
			return err
		}
	}
	return nil
}

// notAsked are parameters that the form leaves alone, with the reason.
var notAsked = map[string]string{
	"archiveAccountName":       "an archive that was moved needs infra/deploy.sh",
	"attributeAudits":          "seen later, where such a log is chosen and no sign-in is asked for",
	"cloud":                    "that of the portal",
	"conditionalAccessDetails": "what is left out can't be had later",
	"graphRequests":            "the default suits everybody",
	"hiddenGroups":             "seen later, where the preflight names it",
	"headsLocked":              "a first deployment has no locked policy",
	"indexSchedule":            "the default suits everybody",
	"maximumInstanceCount":     "the default suits everybody",
	"otherSettings":            "a first deployment has none",
	"packageUri":               "follows from release",
	"passes":                   "the default suits everybody",
	"provisioningPermission":   "seen later, where a tenant asks for it",
	"mimPartsKeyReference":     "no server of Identity Manager sends anything to an app that is not there",
	"publicBaseUrl":            "no gateway stands before an app that is not there",
	"purgeSchedule":            "the default suits everybody",
	"release":                  "the button is a release's",
	"graceAfterRestore":        "the default suits everybody",
	"runBudget":                "the default suits everybody",
}

func checkOutputs(_ []byte, f *formDefinition, t *deployTemplate) error {
	given := slices.Sorted(maps.Keys(f.View.Outputs.Parameters))
	all := slices.Sorted(maps.Keys(t.Parameters))
	left := slices.Sorted(maps.Keys(notAsked))
	if !slices.Equal(slices.Sorted(slices.Values(slices.Concat(given, left))), all) {
		return fmt.Errorf("the form gives %v and leaves out %v, and the template has %v", given, left, all)
	}
	if f.View.Outputs.Kind != "ResourceGroup" {
		return errors.New("the template is deployed to a resource group")
	}
	return nil
}

// checkLists compares lists to choose from with what a parameter allows, and the untouched value
// with its default.
func checkLists(_ []byte, f *formDefinition, t *deployTemplate) error {
	for place, allowed := range map[string][]any{
		"archive.redundancy":  t.Parameters["archiveRedundancy"].AllowedValues,
		"access.network":      t.Parameters["network"].AllowedValues,
		"logs.streams":        t.Parameters["streams"].AllowedValues,
		"archive.lockArchive": {true, false}, "archive.auditArchiveAccess": {true, false},
		"basics.size": {"small", "large"},
	} {
		var offered []any
		for _, choice := range f.control(place).Constraints.AllowedValues {
			offered = append(offered, choice.Value)
		}
		if !sameValues(offered, allowed) {
			return fmt.Errorf("%s offers %v, and %v is allowed", place, offered, allowed)
		}
	}
	untouched, err := f.play(fine())
	if err != nil || len(untouched.refused) > 0 {
		return fmt.Errorf("nobody touched it: %w, refused: %v", err, untouched)
	}
	for name, value := range untouched.outputs {
		bySize := slices.Contains([]string{"location", "archiveSchedule"}, name)
		if p := t.Parameters[name]; !bySize && !reflect.DeepEqual(value, p.DefaultValue) {
			return fmt.Errorf("%s is %v where nobody touched it, and %v by default", name, value, p.DefaultValue)
		}
	}
	return nil
}

func sameValues(a, b []any) bool {
	text := func(list []any) []string {
		out := make([]string, len(list))
		for i, v := range list {
			out[i] = fmt.Sprintf("%T %v", v, v)
		}
		return slices.Sorted(slices.Values(out))
	}
	return len(a) > 0 && slices.Equal(text(a), text(b))
}

// checkProviders compares what the form asks Azure about with what the template makes.
func checkProviders(raw []byte, f *formDefinition, t *deployTemplate) error {
	// Flex Consumption needs it, and no resource of the template is its
	wanted := map[string]bool{"microsoft.app": true}
	for name := range t.types {
		provider, _, _ := strings.Cut(strings.ToLower(name), "/")
		if provider != "microsoft.resources" && provider != "microsoft.authorization" { // of every subscription
			wanted[provider] = true
		}
	}
	// Microsoft.Network is asked for where a network is chosen.
	delete(wanted, "microsoft.network")
	list := regexp.MustCompile(`parse\('(\[\\"microsoft\.app[^']*)'\)`).FindAllSubmatch(raw, -1)
	if len(list) == 0 {
		return errors.New("the form looks at no list of providers")
	}
	for _, match := range list {
		var asked []string
		if err := json.Unmarshal([]byte(strings.ReplaceAll(string(match[1]), `\"`, `"`)), &asked); err != nil {
			return err
		}
		if slices.Sort(asked); !slices.Equal(asked, slices.Sorted(maps.Keys(wanted))) {
			return fmt.Errorf("the form looks at %v, and the template needs %v", asked,
				slices.Sorted(maps.Keys(wanted)))
		}
	}
	for _, name := range f.control("basics.resourceScope").Location.ResourceTypes {
		if !t.types[name] {
			return fmt.Errorf("regions are offered by %s, which the template does not make", name)
		}
	}
	return nil
}

// checkSizes compares what a size gives with the parameter file of its name, but for what the form
// asks by itself.
func checkSizes(_ []byte, f *formDefinition, t *deployTemplate) error {
	for _, size := range []string{"small", "large"} {
		var file struct {
			Parameters map[string]struct{ Value any }
		}
		data, err := os.ReadFile(filepath.Join("parameters", size+".json"))
		if err == nil {
			err = json.Unmarshal(data, &file)
		}
		if err != nil {
			return err
		}
		a := fine()
		a.choices["basics.size"] = size
		form, err := f.play(a)
		if err != nil {
			return err
		}
		for _, name := range []string{"instanceMemoryMB", "archiveSchedule", "snapshotSchedule", "softDeleteDays",
			"logRetentionDays", "logDailyCapGb"} {
			value := t.Parameters[name].DefaultValue
			if p, ok := file.Parameters[name]; ok {
				value = p.Value
			}
			if form.outputs[name] != value {
				return fmt.Errorf("%s: %s is %v, and %v by the parameter file", size, name, form.outputs[name], value)
			}
			delete(file.Parameters, name)
		}
		delete(file.Parameters, "archiveRedundancy")
		delete(file.Parameters, "headsImmutableDays")
		if len(file.Parameters) > 0 {
			return fmt.Errorf("infra/parameters/%s.json has %v, which the form does not know", size, file.Parameters)
		}
	}
	return nil
}

// Links to the portal carry the addresses of the release's own files, and nothing else.
func TestLinksToThePortalOpenTheReleasesFiles(t *testing.T) {
	release, err := os.ReadFile("release.txt")
	require.NoError(t, err)
	files := "https://raw.githubusercontent.com/entraledger/entraledger/" + strings.TrimSpace(string(release)) +
		"/infra/"
	found := make(map[string]int)
	for _, page := range []string{"../README.md", "../docs/deploy.md"} {
		data, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, link := range regexp.MustCompile(`https://portal\.azure\.(?:com|us|cn)/[^)\s"<]*`).
			FindAllString(string(data), -1) {
			_, rest, ok := strings.Cut(link, "/#create/Microsoft.Template/uri/")
			require.True(t, ok, "%s: %s", page, link)
			template, form, hasForm := strings.Cut(rest, "/uiFormDefinitionUri/")
			for _, part := range []string{template, form} {
				address, err := url.PathUnescape(part)
				require.NoError(t, err)
				require.Equal(t, url.QueryEscape(address), part, "%s: everything is percent-encoded", page)
				if part != "" {
					name, ok := strings.CutPrefix(address, files)
					require.True(t, ok, "%s: %s is not of %s", page, address, files)
					require.FileExists(t, name)
					found[filepath.Base(page)+" "+name]++
				}
			}
			require.Equal(t, hasForm, form != "", link)
			if hasForm {
				require.Equal(t, files+"azuredeploy.json/"+files+"portal.json", decoded(t, template)+"/"+
					decoded(t, form))
			}
		}
	}
	require.Equal(t, 1, found["README.md portal.json"])
	require.Equal(t, 1, found["README.md azuredeploy.json"])
	require.Positive(t, found["deploy.md upgrade.json"])
	require.Positive(t, found["deploy.md portal.json"])
}

func decoded(t *testing.T, part string) string {
	address, err := url.PathUnescape(part)
	require.NoError(t, err)
	return address
}

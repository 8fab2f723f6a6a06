package infra_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// formDefinition is infra/portal.json: all keys that it has are played here, and another one is an
// error.
type formDefinition struct {
	Schema string `json:"$schema"`
	View   struct {
		Kind       string
		Properties struct {
			Title string
			Steps []formStep
		}
		Outputs struct {
			Kind, ResourceGroupID, Location string
			Parameters                      map[string]string
		}
	}
	parsed   map[string]*expression    // by text
	patterns map[string]*regexp.Regexp // compiled, by their text
}

type formStep struct {
	Name, Label, Description string
	Elements                 []formControl
}

type formControl struct {
	Name, Type, Label, ToolTip, Placeholder, DefaultValue string
	InstanceDetailsLabel                                  string
	Visible, Condition                                    string
	Multiselect, SelectAll, MultiLine                     bool
	Request                                               struct{ Method, Path string }
	Options                                               struct{ Style, Text, URI string }
	ResourceGroup                                         struct{ AllowExisting bool }
	Location                                              struct {
		Label, ToolTip string
		ResourceTypes  []string
	}
	Constraints struct {
		Required      bool
		AllowedValues []formChoice
		Validations   []formValidation
	}
}

type formChoice struct {
	Label, Description string
	Value              any
}

type formValidation struct{ Regex, IsValid, Message string }

func readForm(data []byte) (*formDefinition, error) {
	f := formDefinition{parsed: make(map[string]*expression), patterns: make(map[string]*regexp.Regexp)}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return nil, fmt.Errorf("infra/portal.json: %w", err)
	}
	return &f, nil
}

// controls calls do with every control and its place, as in basics.name.
func (f *formDefinition) controls(do func(place string, c formControl)) {
	for _, s := range f.View.Properties.Steps {
		for _, c := range s.Elements {
			do(s.Name+"."+c.Name, c)
		}
	}
}

func (f *formDefinition) control(place string) (found formControl) {
	f.controls(func(p string, c formControl) {
		if p == place {
			found = c
		}
	})
	return found
}

// expressions are all texts that are expressions, with their places.
func (f *formDefinition) expressions() map[string]string {
	out := make(map[string]string)
	add := func(place, text string) {
		if strings.HasPrefix(text, "[") {
			out[place] = text
		}
	}
	f.controls(func(place string, c formControl) {
		add(place+" visible", c.Visible)
		add(place+" condition", c.Condition)
		add(place+" default", c.DefaultValue)
		add(place+" text", c.Options.Text)
		add(place+" path", c.Request.Path)
		for i, v := range c.Constraints.Validations {
			add(fmt.Sprintf("%s validation %d", place, i), v.IsValid)
		}
	})
	add("outputs resourceGroupId", f.View.Outputs.ResourceGroupID)
	add("outputs location", f.View.Outputs.Location)
	for name, text := range f.View.Outputs.Parameters {
		add("output "+name, text)
	}
	return out
}

// answers plays Azure Resource Manager and the person before the form.
type answers struct {
	scope   map[string]any // what the scope picker gives
	arm     map[string]any // answers of Azure Resource Manager by path; an empty one: it can't be read
	choices map[string]any // by place; what is not here stays at its default
	form    *formDefinition
	steps   map[string]map[string]any // values of the controls, by step
}

// filled is a completed form.
type filled struct {
	refused map[string]string // messages, by place
	notes   map[string]string // boxes that are shown: text, by place
	outputs map[string]any    // nil where something was refused
}

// play fills in the form. Each pass sees the values of the one before, as the portal's controls see
// each other's: the first one nothing at all, the second one the scope, and only then come the
// answers of Azure Resource Manager.
func (f *formDefinition) play(a answers) (*filled, error) {
	a.form, a.steps = f, make(map[string]map[string]any)
	for pass := 0; ; pass++ {
		after, shown, err := f.pass(a)
		switch {
		case err != nil:
			return nil, fmt.Errorf("pass %d: %w", pass, err)
		case !reflect.DeepEqual(after, a.steps):
			a.steps = after
		case len(shown.refused) > 0:
			return shown, nil
		default:
			shown.outputs, err = f.outputs(a)
			return shown, err
		}
		if pass > 9 {
			return nil, errors.New("its values never settle")
		}
	}
}

func (f *formDefinition) pass(a answers) (map[string]map[string]any, *filled, error) {
	after := make(map[string]map[string]any)
	shown := &filled{refused: map[string]string{}, notes: map[string]string{}}
	for _, s := range f.View.Properties.Steps {
		after[s.Name] = make(map[string]any)
		for _, c := range s.Elements {
			place := s.Name + "." + c.Name
			value, err := f.value(a, place, c)
			if err == nil {
				after[s.Name][c.Name] = value
				err = shown.look(a, place, c)
			}
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", place, err)
			}
		}
	}
	return after, shown, nil
}

// evaluate gives a text, or what it evaluates to where it is an expression.
func (a answers) evaluate(text string) (any, error) {
	if !strings.HasPrefix(text, "[") {
		return text, nil
	}
	e, ok := a.form.parsed[text]
	if !ok {
		var err error
		if e, err = parseExpression(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err != nil {
			return nil, err
		}
		a.form.parsed[text] = e
	}
	return e.eval(a.steps, nil)
}

func (f *formDefinition) matches(pattern, text string) bool {
	if _, ok := f.patterns[pattern]; !ok {
		f.patterns[pattern] = regexp.MustCompile(pattern)
	}
	return f.patterns[pattern].MatchString(text)
}

// holds evaluates a condition; none holds.
func (a answers) holds(text string) (bool, error) {
	if text == "" {
		return true, nil
	}
	value, err := a.evaluate(text)
	truth, ok := value.(bool)
	if err == nil && !ok {
		err = fmt.Errorf("%s is %v", text, value)
	}
	return truth, err
}

// value is what a control gives: nil where it is hidden, or has nothing to give.
func (f *formDefinition) value(a answers, place string, c formControl) (any, error) {
	visible, err := a.holds(c.Visible)
	if err != nil || !visible {
		return nil, err
	}
	switch c.Type {
	case "Microsoft.Common.ResourceScope":
		return a.scope, nil
	case "Microsoft.Solutions.ArmApiControl":
		return a.request(c)
	case "Microsoft.Common.TextBox", "Microsoft.Common.DropDown", "Microsoft.Common.OptionsGroup":
		if chosen, ok := a.choices[place]; ok {
			return chosen, nil
		}
		return a.standard(c)
	}
	return nil, nil
}

func (a answers) request(c formControl) (any, error) {
	path, err := a.evaluate(c.Request.Path)
	if err != nil {
		// The portal does not ask while the condition does not hold.
		path = err
	}
	if due, err := a.holds(c.Condition); err != nil || !due {
		return nil, err
	}
	answer, ok := a.arm[fmt.Sprint(path)]
	if !ok || c.Request.Method != "GET" {
		return nil, fmt.Errorf("Azure Resource Manager knows no %s %v", c.Request.Method, path)
	}
	return answer, nil
}

// standard is the value of an untouched control: lists name theirs by label.
func (a answers) standard(c formControl) (any, error) {
	value, err := a.evaluate(c.DefaultValue)
	if err != nil || c.Type == "Microsoft.Common.TextBox" {
		return value, err
	}
	labels := []any{value}
	if c.Multiselect {
		labels, _ = value.([]any)
	}
	values := []any{}
	for _, label := range labels {
		i := slices.IndexFunc(c.Constraints.AllowedValues, func(v formChoice) bool { return v.Label == label })
		if i < 0 {
			return nil, fmt.Errorf("its default %v is none of its labels", label)
		}
		values = append(values, c.Constraints.AllowedValues[i].Value)
	}
	if c.Multiselect {
		return values, nil
	}
	return values[0], nil
}

// look shows a control's box, or checks its value.
func (shown *filled) look(a answers, place string, c formControl) error {
	visible, err := a.holds(c.Visible)
	if err != nil {
		return err
	}
	if c.Type == "Microsoft.Common.InfoBox" {
		text, err := a.evaluate(c.Options.Text)
		if visible && err == nil {
			shown.notes[place] = text.(string)
		}
		return err
	}
	step, name, _ := strings.Cut(place, ".")
	value := a.steps[step][name]
	if visible && c.Constraints.Required && (value == nil || isEmpty(reflect.ValueOf(value))) {
		shown.refused[place] = "a value is needed"
	}
	for _, v := range slices.Backward(c.Constraints.Validations) {
		valid, err := a.holds(v.IsValid)
		if err != nil {
			return err
		}
		text, _ := value.(string)
		if visible && (!valid || !a.form.matches(v.Regex, text)) {
			shown.refused[place] = v.Message // the first one that fails, as they are gone through backwards
		}
	}
	return nil
}

func (f *formDefinition) outputs(a answers) (map[string]any, error) {
	out := make(map[string]any)
	for name, text := range f.View.Outputs.Parameters {
		value, err := a.evaluate(text)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
		out[name] = value
	}
	return out, nil
}

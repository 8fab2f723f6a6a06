package odata

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Kind is what a value of a record is.
type Kind int

// The kinds.
const (
	KindText Kind = iota
	KindNumber
	KindBool
	KindTime
	KindObject
	KindList
	KindOpen // anything: objects whose members Graph does not name
)

// Shape is what records, or parts of them, look like.
type Shape struct {
	Kind   Kind
	Name   string            // of the type, for errors
	Fields map[string]*Shape // of an object
	Elem   *Shape            // of a list
	fold   bool              // texts are compared without regard to case
}

// ParseShape reads a shape from words: name (a text), name:n (number), name:b (boolean), name:t
// (time), name:f (a text compared without regard to case), name:* (anything), name{...} (object),
// name[] (list of texts), name[{...}] (list of objects).
func ParseShape(name, text string) (*Shape, error) {
	s := &Shape{Kind: KindObject, Name: name, Fields: map[string]*Shape{}}
	rest, err := s.readFields(strings.Fields(spaced(text)))
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("read the shape of %s: %q is left over", name, rest[0])
	}
	return s, err
}

func spaced(text string) string {
	return strings.NewReplacer("{", " { ", "}", " } ", "[", " [ ", "]", " ] ").Replace(text)
}

func (s *Shape) readFields(words []string) ([]string, error) {
	for len(words) > 0 && words[0] != "}" {
		name, kind, _ := strings.Cut(words[0], ":")
		words = words[1:]
		field := &Shape{Name: name}
		switch {
		case len(words) > 0 && words[0] == "{":
			field.Kind, field.Fields = KindObject, map[string]*Shape{}
			rest, err := field.readFields(words[1:])
			if err != nil || len(rest) == 0 {
				return nil, fmt.Errorf("read the shape of %s: it does not end", name)
			}
			words = rest[1:]
		case len(words) > 1 && words[0] == "[" && words[1] == "]":
			field.Kind, field.Elem = KindList, &Shape{Name: name}
			words = words[2:]
		case len(words) > 1 && words[0] == "[":
			field.Kind, field.Elem = KindList, &Shape{Kind: KindObject, Name: name, Fields: map[string]*Shape{}}
			rest, err := field.Elem.readFields(words[2:])
			if err != nil || len(rest) < 2 {
				return nil, fmt.Errorf("read the shape of %s: it does not end", name)
			}
			words = rest[2:]
		default:
			kinds := map[string]Kind{"": KindText, "n": KindNumber, "b": KindBool, "t": KindTime, "f": KindText,
				"*": KindOpen}
			var ok bool
			if field.Kind, ok = kinds[kind]; !ok {
				return nil, fmt.Errorf("read the shape of %s: %q is no kind", name, kind)
			}
			field.fold = kind == "f"
		}
		s.Fields[name] = field
	}
	return words, nil
}

// ShapeOf is the shape of a stream's records.
func ShapeOf(s entra.Stream) (*Shape, error) {
	words := logs.Of(s).Shape
	if words == "" {
		return nil, fmt.Errorf("read the shape of %s: there is no such log", s)
	}
	shape, err := ParseShape("", words)
	if err != nil {
		return nil, fmt.Errorf("read the shape of %s: %w", s, err)
	}
	return shape, nil
}

// Names are the properties, in order.
func (s *Shape) Names() []string {
	names := make([]string, 0, len(s.Fields))
	for name := range s.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// find follows a path; a property that is not there is an error that names the nearest one.
func (s *Shape) find(names []string, at int) (*Shape, error) {
	for i, name := range names {
		switch s.Kind {
		case KindOpen:
			return s, nil
		case KindList:
			return nil, problem(at, fmt.Sprintf("%s is a list", s.Name),
				fmt.Sprintf("ask for its elements: %s/any(x: x/%s ...)", s.Name, strings.Join(names[i:], "/")))
		case KindObject:
		default:
			return nil, problem(at, fmt.Sprintf("%s has no properties of its own", s.Name), "compare "+s.Name+" itself")
		}
		field, ok := s.Fields[name]
		if !ok {
			why := fmt.Sprintf("there is no property %s", clip(name))
			if i > 0 || s.Name != "" {
				why += " of " + s.Name
			}
			return nil, problem(at, why, s.didYouMean(name))
		}
		s, at = field, at+len(name)+1
	}
	return s, nil
}

func (s *Shape) didYouMean(name string) string {
	names := s.Names()
	if near := Nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	const most = 12
	if len(names) > most {
		return "accepted are " + strings.Join(names[:most], ", ") + ", ..."
	}
	return "accepted are " + strings.Join(names, ", ")
}

// Nearest is the word that is most like a mistyped one; empty where none is like it.
func Nearest(typed string, words []string) string {
	best, least := "", max(2, len(typed)/3)+1
	for _, word := range words {
		if d := Distance(strings.ToLower(typed), strings.ToLower(word)); d < least {
			best, least = word, d
		}
	}
	return best
}

// Distance is Levenshtein's: how many letters have to be changed, added or left out.
func Distance(a, b string) int {
	if len(a) > 200 || len(b) > 200 {
		return 200
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

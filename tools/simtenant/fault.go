package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

func kinds() string {
	var names []string
	for _, k := range simtenant.AllKinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, " ")
}

// faultFields set the fields of a fault, by the names that they have on the command line.
func faultFields(f *simtenant.Fault) map[string]func(value string) error {
	text := func(to *string) func(string) error {
		return func(value string) error { *to = value; return nil }
	}
	number := func(to *int) func(string) error {
		return func(value string) (err error) { *to, err = strconv.Atoi(value); return err }
	}
	span := func(to *time.Duration) func(string) error {
		return func(value string) (err error) { *to, err = time.ParseDuration(value); return err }
	}
	at := func(to *time.Time) func(string) error {
		return func(value string) (err error) { *to, err = time.Parse(time.RFC3339, value); return err }
	}
	return map[string]func(string) error{
		"stream": func(value string) (err error) {
			if f.Stream = entra.Stream(value); !slices.Contains(simtenant.DirectoryCollections(), f.Stream) {
				f.Stream, err = logs.Parse(value)
			}
			return err
		},
		"form": text(&f.Form), "page": number(&f.Page), "from": at(&f.From), "until": at(&f.Until),
		"after": number(&f.After), "every": number(&f.Every), "count": number(&f.Count),
		"retry-after": text(&f.RetryAfter), "delay": span(&f.Delay), "span": span(&f.Span),
		"status": number(&f.Status), "code": text(&f.Code), "body": text(&f.Body),
		"records": number(&f.Records), "back": number(&f.Back), "bytes": number(&f.Bytes), "id": text(&f.ID),
	}
}

func faultNames() string {
	return strings.Join(slices.Sorted(maps.Keys(faultFields(new(simtenant.Fault)))), " ")
}

func readFault(text string) (simtenant.Fault, error) {
	parts := strings.Split(text, ",")
	f := simtenant.Fault{Kind: simtenant.Kind(parts[0])}
	if !slices.Contains(simtenant.AllKinds(), f.Kind) {
		return f, fmt.Errorf("%q is no kind of fault", parts[0])
	}
	fields := faultFields(&f)
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		set, ok := fields[name]
		if !ok {
			return f, fmt.Errorf("%q is none of %s", name, faultNames())
		}
		if err := set(value); err != nil {
			return f, err
		}
	}
	return f, f.Check()
}

package main

import (
	"fmt"
	"strings"

	"github.com/entraledger/entraledger/internal/report"
)

// legacyTable lists the names of the first reports API, and what each answers.
func legacyTable() string {
	var b strings.Builder
	b.WriteString("| name | what it had | `LicenseRequired` | now |\n| --- | --- | --- | --- |\n")
	for _, r := range report.Legacy() {
		required := "False"
		if r.LicenseRequired {
			required = "True"
		}
		now := r.Source
		switch {
		case r.Gone != "":
			now = "410 `retired`: " + r.Gone
		case r.Unknown != "":
			now = "409 `unknown`: " + r.Unknown
		case r.NoData != "":
			now += "; else 409 `unknown`: " + r.NoData
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Name, r.Text, required, now)
	}
	return b.String()
}

// legacyColumns lists the properties of each old report's rows.
func legacyColumns() string {
	var b strings.Builder
	for _, r := range report.Legacy() {
		if len(r.Columns) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n| property | type | of the old API | meaning |\n| --- | --- | --- | --- |\n",
			r.Name)
		for _, c := range r.Columns {
			old := "yes"
			if c.Ours {
				old = "no"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Name, kindOf(c.Kind), old, c.Text)
		}
	}
	return b.String() + "\n"
}

// reportTable lists the reports that the first reports API did not have.
func reportTable() string {
	var b strings.Builder
	b.WriteString("| name | what it has | made of | properties |\n| --- | --- | --- | --- |\n")
	for _, r := range report.All() {
		if !r.Legacy {
			fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` |\n", r.Name, r.Text, r.Source, strings.Join(r.Names(), "`, `"))
		}
	}
	return b.String()
}

func kindOf(k report.Kind) string {
	return map[report.Kind]string{report.Text: "text", report.Number: "number", report.Flag: "boolean",
		report.Texts: "list", report.Time: "time"}[k]
}

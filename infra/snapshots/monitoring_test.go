package snapshots_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// minutes of the periods that alert rules may have. Source: learn.microsoft.com, "Types of alerts",
// log search alerts.
var minutes = map[string]int{"PT5M": 5, "PT10M": 10, "PT15M": 15, "PT30M": 30, "PT45M": 45, "PT1H": 60,
	"PT2H": 120, "PT3H": 180, "PT4H": 240,
	"PT5H": 300, "PT6H": 360, "P1D": 1440, "P2D": 2880}

// alerts are the rules that there have to be: how grave each is, how many rows make it fire, how
// often it looks, and how far back.
var alerts = map[string]struct {
	severity, threshold         float64
	operator, frequency, window string
}{
	"archive-stale":      {1, 1, "LessThan", "PT15M", "PT1H"},
	"timers-silent":      {2, 1, "GreaterThanOrEqual", "PT6H", "P2D"},
	"invocations-failed": {2, 3, "GreaterThanOrEqual", "PT15M", "PT30M"},
	"throttled":          {3, 20, "GreaterThanOrEqual", "PT30M", "PT1H"},
	"handler-restarting": {2, 3, "GreaterThanOrEqual", "PT15M", "PT1H"},
	"log-cap":            {2, 1, "GreaterThanOrEqual", "PT1H", "PT6H"},
}

var monitoringRules = map[string]rule{
	"logs go to one workspace, with a cap and an end": func(s *snapshot) (out []string) {
		for _, r := range s.of(components) {
			out = append(out, want(r, "WorkspaceResourceId", textOf(s.one(workspaces).ID))...)
		}
		for _, r := range s.of(workspaces) {
			days, _ := r.at("retentionInDays").(float64)
			cap, _ := r.at("workspaceCapping.dailyQuotaGb").(float64)
			if days < 30 || days > 730 || cap < 1 || r.at("sku.name") != "PerGB2018" {
				out = append(out, fmt.Sprintf("%v days, %v GB a day, %v", days, cap, r.at("sku.name")))
			}
		}
		return out
	},
	"there is an alert for each thing that must not go unseen": func(s *snapshot) (out []string) {
		if !s.isApp() {
			return nil
		}
		have, wanted := slices.Sorted(maps.Keys(rulesByName(s))), slices.Sorted(maps.Keys(alerts))
		if !slices.Equal(wanted, have) || len(s.of(alertRules)) != len(wanted) {
			out = append(out, fmt.Sprintf("the alerts are %v, not %v", have, wanted))
		}
		return out
	},
	"each alert is as grave, as patient and as quick as was thought out": func(s *snapshot) (out []string) {
		for name, r := range rulesByName(s) {
			a := alerts[name]
			out = append(out, wantAll(r, map[string]any{"severity": a.severity, "evaluationFrequency": a.frequency,
				"windowSize": a.window})...)
			for _, v := range r.list("criteria.allOf") {
				out = append(out, wantAll(&predicted{Name: r.Name, Properties: v.(map[string]any)},
					map[string]any{"threshold": a.threshold,
						"operator": a.operator, "timeAggregation": "Count",
						"failingPeriods": map[string]any{"numberOfEvaluationPeriods": 1.0,
							"minFailingPeriodsToAlert": 1.0}})...)
			}
		}
		return out
	},
	"no alert asks for what is older than what it looks at": func(s *snapshot) (out []string) {
		for _, r := range s.of(alertRules) {
			window := time.Duration(minutes[textOf(r.at("windowSize"))]) * time.Minute
			for _, v := range r.list("criteria.allOf") {
				query := textOf(v.(map[string]any)["query"])
				for _, found := range regexp.MustCompile(`ago\((\w+)\)`).FindAllStringSubmatch(query, -1) {
					if span(found[1]) >= window {
						out = append(out, fmt.Sprintf("%s asks for %s ago, and sees %v", r.name(), found[1], window))
					}
				}
			}
		}
		return out
	},
	"each alert asks the workspace, is on, and tells the group": func(s *snapshot) (out []string) {
		for _, r := range s.of(alertRules) {
			out = append(out, wantAll(r, map[string]any{"enabled": true,
				"scopes": []any{textOf(s.one(workspaces).ID)}, "autoMitigate": true,
				"actions.actionGroups": []any{textOf(s.one(mailGroups).ID)}, "skipQueryValidation": true})...)
			if textOf(r.at("displayName")) == "" || !strings.Contains(textOf(r.at("description")), "docs/runbook.md") {
				out = append(out, fmt.Sprintf("%s says %v", r.name(), r.at("description")))
			}
		}
		for _, r := range s.of(mailGroups) {
			out = append(out, want(r, "enabled", true)...)
			var names []string
			for _, v := range r.list("emailReceivers") {
				receiver := v.(map[string]any)
				if names = append(names, textOf(receiver["name"])); receiver["useCommonAlertSchema"] != true {
					out = append(out, fmt.Sprintf("%v gets mails of another form", receiver["emailAddress"]))
				}
			}
			if slices.Sort(names); len(slices.Compact(slices.Clone(names))) != len(names) {
				out = append(out, fmt.Sprintf("the group's receivers are named %v", names))
			}
		}
		return out
	},
	"each alert looks often enough at what it looks at": func(s *snapshot) (out []string) {
		for _, r := range s.of(alertRules) {
			every, window := minutes[textOf(r.at("evaluationFrequency"))], minutes[textOf(r.at("windowSize"))]
			if every == 0 || window == 0 || every > window {
				out = append(out, fmt.Sprintf("%s looks every %v at the last %v", r.name(),
					r.at("evaluationFrequency"), r.at("windowSize")))
			}
		}
		return out
	},
	"an alert's query is known before the deployment, asks for this app, and bears that a table is not there yet": func(s *snapshot) (out []string) {
		for _, r := range s.of(alertRules) {
			for _, v := range r.list("criteria.allOf") {
				c := &predicted{Properties: v.(map[string]any)}
				query, isText := c.at("query").(string)
				isOurs := strings.Contains(query, `AppRoleName == "`+s.one(sites).name()+`"`) ||
					strings.Contains(query, "_LogOperation")
				if !isText || !isOurs || !strings.Contains(query, "union isfuzzy=true (datatable(") {
					out = append(out, fmt.Sprintf("%s asks %v", r.name(), c.at("query")))
				}
			}
			if len(r.list("criteria.allOf")) != 1 {
				out = append(out, r.name()+" has not one criterion")
			}
		}
		return out
	},
	"each access to the archive is logged where that was asked for": func(s *snapshot) (out []string) {
		if !s.isApp() {
			return nil
		}
		var wanted, have []string
		if s.audit {
			for _, service := range []string{"blobServices", "tableServices"} {
				wanted = append(wanted, s.account("a")+"/"+service+"/default/providers/"+logging+"/access")
			}
		}
		for _, r := range s.of(logging) {
			have = append(have, textOf(r.ID))
			var categories []string
			for _, v := range r.list("logs") {
				if entry := v.(map[string]any); entry["enabled"] == true {
					categories = append(categories, textOf(entry["category"]))
				}
			}
			if slices.Sort(categories); !slices.Equal(categories,
				[]string{"StorageDelete", "StorageRead", "StorageWrite"}) {
				out = append(out, fmt.Sprintf("%v logs %v", r.ID, categories))
			}
			out = append(out, want(r, "workspaceId", textOf(s.one(workspaces).ID))...)
		}
		if slices.Sort(have); !slices.Equal(wanted, have) {
			out = append(out, fmt.Sprintf("logged are %v, not %v", have, wanted))
		}
		return out
	},
}

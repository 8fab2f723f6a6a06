package snapshots_test

import (
	"fmt"
	"slices"
	"strings"
)

// minutes of the periods that alert rules may have. Source: learn.microsoft.com, "Types of alerts",
// log search alerts.
var minutes = map[string]int{"PT5M": 5, "PT10M": 10, "PT15M": 15, "PT30M": 30, "PT45M": 45, "PT1H": 60,
	"PT2H": 120, "PT3H": 180, "PT4H": 240,
	"PT5H": 300, "PT6H": 360, "P1D": 1440, "P2D": 2880}

// alerts are the rules that there have to be.
var alerts = []string{"archive-stale", "handler-restarting", "invocations-failed", "log-cap", "throttled",
	"timers-silent"}

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
		var have []string
		for _, r := range s.of(alertRules) {
			name := strings.TrimPrefix(r.name(), "alert-")
			have = append(have, name[:max(0, strings.LastIndex(name, "-"+s.base+"-"))])
		}
		if slices.Sort(have); !slices.Equal(alerts, have) {
			out = append(out, fmt.Sprintf("the alerts are %v, not %v", have, alerts))
		}
		return out
	},
	"each alert asks the workspace, is on, and tells the group": func(s *snapshot) (out []string) {
		for _, r := range s.of(alertRules) {
			out = append(out, wantAll(r, map[string]any{"enabled": true,
				"scopes": []any{textOf(s.one(workspaces).ID)}, "autoMitigate": true,
				"actions.actionGroups": []any{textOf(s.one(mailGroups).ID)}, "skipQueryValidation": true})...)
			severity, _ := r.at("severity").(float64)
			if severity < 1 || severity > 3 || textOf(r.at("displayName")) == "" ||
				!strings.Contains(textOf(r.at("description")), "docs/runbook.md") {
				out = append(out, fmt.Sprintf("%s has severity %v, and says %v", r.name(), severity,
					r.at("description")))
			}
		}
		for _, r := range s.of(mailGroups) {
			out = append(out, want(r, "enabled", true)...)
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
				if !slices.Contains([]any{"LessThan", "GreaterThan", "GreaterThanOrEqual"}, c.at("operator")) ||
					c.at("timeAggregation") != "Count" {
					out = append(out, fmt.Sprintf("%s compares %v by %v", r.name(), c.at("timeAggregation"),
						c.at("operator")))
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

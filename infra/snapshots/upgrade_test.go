package snapshots_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// failure is the message of fail(): of an upgrade's settings, only in the branch that is used.
type failure string

// upgradeOf are the functions of the expression for an upgrade's settings, for an app that has
// these.
func upgradeOf(current map[string]any) map[string]func(args []any) any {
	return map[string]func(args []any) any{
		"list": func([]any) any { return map[string]any{"properties": current} },
		"parameters": func(args []any) any {
			return map[any]any{"currentSettings": current,
				"appName": "func-x"}[args[0]]
		},
		"equals":   func(args []any) any { return args[0] == args[1] },
		"and":      func(args []any) any { return args[0] == true && args[1] == true },
		"contains": func(args []any) any { return args[0].(map[string]any)[args[1].(string)] != nil },
		"fail":     func(args []any) any { return failure(args[0].(string)) },
		"if": func(args []any) any {
			if args[0] == true {
				return args[1]
			}
			return args[2]
		},
		"split": func(args []any) any {
			text, isText := args[0].(string)
			if !isText {
				return nil // in a branch that is not used
			}
			var out []any
			for part := range strings.SplitSeq(text, args[1].(string)) {
				out = append(out, part)
			}
			return out
		},
		"union": func(args []any) any {
			out := map[string]any{}
			for _, a := range args {
				if said, failed := a.(failure); failed {
					return said
				}
				maps.Copy(out, a.(map[string]any))
			}
			return out
		},
	}
}

// upgraded are the settings that an upgrade writes, or why it writes none.
func upgraded(t *testing.T, cloud string, current map[string]any) any {
	union := string(load(t, "upgrade").one(configs).Properties[""].(open))
	e := evaluator{environment: clouds[cloud], run: upgradeOf(current)}
	got, err := e.value("[" + union + "]")
	require.NoError(t, err)
	return got
}

// TestAnUpgradeKeepsEverySettingAndAddsThoseThatAreMissing evaluates what it writes, for apps of
// two clouds.
func TestAnUpgradeKeepsEverySettingAndAddsThoseThatAreMissing(t *testing.T) {
	const hostStorage = "AzureWebJobsStorage__blobServiceUri"
	added := map[string]any{}
	for name, value := range deployed(t, plain) {
		if !slices.Contains(platform, name) && !strings.HasPrefix(value, "<") {
			added[name] = value
		}
	}
	for _, c := range []struct {
		what, cloud string
		current     map[string]any
		more        map[string]any // beside what is there and what is added
		says        failure        // why nothing is written
	}{
		{"an app in the public cloud", "AzureCloud",
			map[string]any{hostStorage: "https://sthost.blob.core.windows.net"},
			map[string]any{"AzureWebJobsStorage__accountName": "sthost"}, ""},
		{"an app in another cloud, where the name would not do", "AzureUSGovernment",
			map[string]any{hostStorage: "https://sthost.blob.core.usgovcloudapi.net"},
			map[string]any{"AZURE_CLOUD": "AzureUSGovernment"}, ""},
		{"an app with a name that was set by hand", "AzureCloud",
			map[string]any{hostStorage: "https://sthost.blob.core.windows.net/",
				"AzureWebJobsStorage__accountName": "stother"}, nil, ""},
		{"an app without that address", "AzureCloud", map[string]any{}, nil, ""},
		{"an app with a hold, and settings of its own", "AzureCloud",
			map[string]any{"ARCHIVE_HOLD": "*=2026-01-01/2026-03-31", "HTTP_AUTHORIZATION": "entra",
				"MY_OWN": "x"}, nil, ""},
		{"an app with a bare AzureWebJobsStorage", "AzureCloud",
			map[string]any{"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, nil,
			"the app has the setting AzureWebJobsStorage, which goes before its identity: remove it, and " +
				"deploy this again"},
		{"an app of somebody else", "AzureCloud", map[string]any{"ARCHIVE_STORAGE__tableServiceUri": nil}, nil,
			"func-x is no app of Entra Ledger: it has no setting ARCHIVE_STORAGE__tableServiceUri"},
	} {
		current := map[string]any{"ARCHIVE_STORAGE__tableServiceUri": "https://st.table.core.windows.net"}
		maps.Copy(current, c.current)
		wanted := maps.Clone(added)
		for _, some := range []map[string]any{current, c.more} {
			maps.Copy(wanted, some)
		}
		if got := upgraded(t, c.cloud, current); c.says != "" {
			require.Equal(t, any(c.says), got, c.what)
		} else {
			require.Equal(t, any(wanted), got, c.what)
		}
	}
}

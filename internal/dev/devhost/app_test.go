package devhost

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func timerJSON(schedule string) string {
	return fmt.Sprintf(`{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer","schedule":%q}]}`, schedule)
}

func httpJSON(route, more string) string {
	return fmt.Sprintf(`{"bindings":[{"type":"httpTrigger","direction":"in","name":"req","route":%q%s},{"type":"http","direction":"out","name":"res"}]}`, route, more)
}

func handlerSection(text string) string { return `{"version":"2.0","customHandler":` + text + `}` }

func TestAnAppTheHostWouldRefuseIsRefusedWithFileAndRemedy(t *testing.T) {
	const described = `"description":{"defaultExecutablePath":"handler"},"enableProxyingHttpRequest":true`
	timer := `{"type":"timerTrigger","direction":"in","name":"timer","schedule":"0 */5 * * * *"}`
	cases := []struct {
		name, file, text, want string
	}{
		{"two triggers", "F/function.json", `{"bindings":[` + timer +
			`,{"type":"queueTrigger","direction":"in","name":"q"}]}`,
			"F/function.json: there are 2 triggers; keep one"},
		{"no trigger", "F/function.json", `{"bindings":[{"type":"http","direction":"out","name":"res"}]}`,
			"F/function.json: there is no trigger; add"},
		{"duplicate names", "F/function.json", `{"bindings":[{"type":"httpTrigger","direction":"in","name":"req"},{"type":"http","direction":"out","name":"Req"}]}`, `two bindings are named "Req"; rename one`},
		{"bad binding name", "F/function.json", `{"bindings":[{"type":"timerTrigger","name":"my-timer","schedule":"0 */5 * * * *"}]}`, `binding name "my-timer" is not allowed`},
		{"trigger going out", "F/function.json", `{"bindings":[{"type":"timerTrigger","direction":"out","name":"timer","schedule":"0 */5 * * * *"}]}`, `has direction "out"`},
		{"unknown trigger", "F/function.json", `{"bindings":[{"type":"blobTrigger","direction":"in","name":"b"}]}`,
			`trigger type "blobTrigger" is not offered`},
		{"timer with output", "F/function.json", `{"bindings":[` + timer +
			`,{"type":"queue","direction":"out","name":"q"}]}`, "bindings beside the timer"},
		{"missing setting", "F/function.json", timerJSON("%Absent%"), "setting %Absent% is not set; add it"},
		{"missing setting inside text", "F/function.json", timerJSON("0 %Minutes% * * * *"),
			"setting %Minutes% is not set; add it"},
		{"setting in a route", "F/function.json", httpJSON("a/%Schedule%", ""), "settings are not resolved in routes"},
		{"slash before a route", "F/function.json", httpJSON("/a", ""), "begins with a slash"},
		{"question mark in a route", "F/function.json", httpJSON("a?b", ""), "has a ? in a literal part"},
		{"parameter twice", "F/function.json", httpJSON("{a}/{A:int?}", ""), "names the parameter a twice"},
		{"invalid cron", "F/function.json", timerJSON("every day"), `read schedule "every day"`},
		{"cron that never occurs", "F/function.json", timerJSON("0 0 0 30 2 *"), "never occurs"},
		{"hours over 23", "F/function.json", timerJSON("24:00:00"), "write 1.00:00:00"},
		{"route under admin", "F/function.json", httpJSON("Admin/x", ""),
			`route "Admin/x" conflicts with the host's own`},
		{"route under runtime", "F/function.json", httpJSON("runtime", ""), `route "runtime" conflicts`},
		{"broken route", "F/function.json", httpJSON("a/{b", ""), `part "{b" is not understood`},
		{"catch-all in the middle", "F/function.json", httpJSON("{*all}/x", ""), "must come last"},
		{"unknown authLevel", "F/function.json", httpJSON("x", `,"authLevel":"everyone"`),
			`authLevel "everyone" is unknown`},
		{"http without output", "F/function.json",
			`{"bindings":[{"type":"httpTrigger","direction":"in","name":"req"}]}`, "would send envelopes"},
		{"bad retry", "F/function.json", `{"bindings":[` + timer + `],"retry":{"strategy":"often","maxRetryCount":2}}`,
			`retry strategy "often" is unknown`},
		{"retry without count", "F/function.json", `{"bindings":[` + timer +
			`],"retry":{"strategy":"fixedDelay","delayInterval":"00:00:01"}}`, "no valid maxRetryCount"},
		{"broken function.json", "F/function.json", `{`, "F/function.json: is not valid"},
		{"bad folder name", "1st/function.json", timerJSON("0 */5 * * * *"), "is no function name"},
		{"broken host.json", "host.json", `{`, "host.json: is not valid"},
		{"wrong version", "host.json", `{"customHandler":{` + described + `}}`, `write "version": "2.0"`},
		{"no customHandler", "host.json", `{"version":"2.0"}`, "customHandler is missing or has an unknown shape"},
		{"customHandler of another shape", "host.json", handlerSection(`["handler"]`), "unknown shape"},
		{"unknown key", "host.json", handlerSection(`{` + described + `,"enableProxyingHttpRequests":true}`),
			"customHandler.enableProxyingHttpRequests is not known here; remove it"},
		{"unknown key in description", "host.json",
			handlerSection(`{"description":{"defaultExecutablePath":"handler","args":[]},"enableProxyingHttpRequest":true}`), "customHandler.description.args is not known"},
		{"no executable named", "host.json", handlerSection(`{"enableProxyingHttpRequest":true}`),
			"defaultExecutablePath is missing"},
		{"missing executable", "host.json", handlerSection(`{"description":{"defaultExecutablePath":"no-such-program"},"enableProxyingHttpRequest":true}`), `"no-such-program" is neither beside host.json nor on PATH; build it`},
		{"executable without its bit", "host.json",
			handlerSection(`{"description":{"defaultExecutablePath":"plain"},"enableProxyingHttpRequest":true}`),
			"has no execute bit, and nothing in Azure repairs that; run chmod +x plain"},
		{"executable is a folder", "host.json", handlerSection(`{"description":{"defaultExecutablePath":"folder"},"enableProxyingHttpRequest":true}`), "is a folder"},
		{"forwarding mode", "host.json", handlerSection(`{"description":{"defaultExecutablePath":"handler"},"enableForwardingHttpRequest":true}`), "set enableProxyingHttpRequest instead"},
		{"neither mode", "host.json", handlerSection(`{"description":{"defaultExecutablePath":"handler"}}`),
			"HTTP would arrive in envelopes; set it to true"},
		{"bad functionTimeout", "host.json", `{"version":"2.0","functionTimeout":"ten","customHandler":{` + described +
			`}}`, `functionTimeout "ten" is not understood`},
		{"bad initializationTimeout", "host.json", handlerSection(`{` + described + `,"initializationTimeout":"30"}`),
			`initializationTimeout "30" is not understood`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root := appFiles(t, map[string]string{"Good/function.json": fiveMinute, "plain": "", "folder/x": "",
				c.file: c.text})
			_, err := Load(Options{AppRoot: root, Environ: []string{},
				Settings: map[string]string{"Schedule": "0 */5 * * * *"}})
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n", "one problem, one line")
		})
	}
}

func TestAnAppWithoutFunctionsOrHostFileIsRefused(t *testing.T) {
	_, err := Load(Options{AppRoot: appFiles(t, nil), Environ: []string{}})
	require.ErrorContains(t, err, "no function stands beside it")
	_, err = Load(Options{AppRoot: t.TempDir()})
	require.ErrorContains(t, err, "read host.json")
	require.ErrorContains(t, err, "point --app at")
}

func TestEveryProblemIsReportedOnALineOfItsOwn(t *testing.T) {
	root := appFiles(t, map[string]string{"A/function.json": timerJSON("x"), "B/function.json": `{}`})
	_, err := Load(Options{AppRoot: root, Environ: []string{}})
	require.ErrorContains(t, err, "A/function.json: ")
	require.ErrorContains(t, err, "\nB/function.json: ")
}

func TestTwoFunctionsMayShareARouteOnlyWithDifferentMethods(t *testing.T) {
	load := func(first, second string) error {
		root := appFiles(t, map[string]string{"A/function.json": httpJSON("x/{a}", first),
			"B/function.json": httpJSON("X/{b}", second)})
		_, err := Load(Options{AppRoot: root, Environ: []string{}})
		return err
	}
	require.NoError(t, load(`,"methods":["get"]`, `,"methods":["post"]`))
	require.ErrorContains(t, load(`,"methods":["get"]`, ``), "conflicts with that of A")
}

func TestTheEnvironmentWinsOverTheSettingsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "local.settings.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"IsEncrypted":false,"Values":{"A":"file","B":"file","N":5,"T":true}}`), 0o600))
	settings, err := ReadSettings(path)
	require.NoError(t, err)
	env := newEnvironment([]string{"A=process", "=C:=odd"}, settings)
	require.Equal(t, environment{"A": "process", "B": "file", "N": "5", "T": "true"}, env)
	require.Equal(t, "x-process-%Z%", env.expand("x-%A%-%Z%"))
}

func TestASettingsFileThatCannotBeUsedIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                          "correct the JSON",
		`{"IsEncrypted":true}`:       "func settings decrypt",
		`{"Values":{"A":{"b":"c"}}}`: "A is not a string",
	} {
		path := filepath.Join(t.TempDir(), "local.settings.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := ReadSettings(path)
		require.ErrorContains(t, err, want)
	}
	_, err := ReadSettings(filepath.Join(t.TempDir(), "absent"))
	require.ErrorContains(t, err, "local.settings.json.example")
}

// TestAFunctionIsDisabledBySettingAlone has what the real host ignores in a function.json.
func TestAFunctionIsDisabledBySettingAlone(t *testing.T) {
	root := appFiles(t, map[string]string{
		"A/function.json": `{"disabled":true,"bindings":[{"type":"timerTrigger","name":"timer","schedule":"0 0 0 * * *"}]}`,
		"B/function.json": httpJSON("b", ""), "C/function.json": httpJSON("c", ""),
		"D/function.json": httpJSON("d", ""),
	})
	out := newConsole()
	h, err := Load(Options{AppRoot: root, Out: out,
		Environ: []string{"AzureWebJobs.B.Disabled=true", "AzureWebJobs_D_Disabled=1"}})
	require.NoError(t, err)
	require.Contains(t, h.timers, "A")
	require.Nil(t, h.find("GET", "/api/b"))
	require.NotNil(t, h.find("GET", "/api/c"))
	require.Nil(t, h.find("GET", "/api/d"))
	h.announce()
	require.Contains(t, out.String(), `A/function.json: "disabled" is ignored by the host`)
}

func TestSettingsStandAnywhereInASchedule(t *testing.T) {
	root := appFiles(t, map[string]string{"A/function.json": timerJSON("0 30 %HOUR% * * *")})
	h, err := Load(Options{AppRoot: root, Environ: []string{"HOUR=7"}})
	require.NoError(t, err)
	require.Equal(t, "0 30 7 * * *", h.timers["A"].function.timer.schedule.text)
}

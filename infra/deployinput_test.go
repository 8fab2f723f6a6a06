package infra_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatTheScriptDecidesIsRefusedAsAParameterAndNotIgnored(t *testing.T) {
	c := newCloud(t, nil)
	file := c.file("named.json", `{"parameters": {"name": {"value": "contoso"}}}`)
	for given, says := range map[string]string{"name=contoso": "--name", "location=eastus": "--location",
		"headsLocked=true": "read from the archive", file: "--name"} {
		option := "--set"
		if given == file {
			option = "--parameters"
		}
		out, code := c.deploy(option, given)
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "a parameter that this script decides: give ")
		require.Contains(t, out, says)
	}
	require.Empty(t, c.state().Deployments)
	c.deployed("--set", "name=ledger") // what it decides anyway is no mistake
}

func TestOtherSettingsTakeNoNamesOfTheTemplateAndNoSecondSpelling(t *testing.T) {
	c := afterDeploying(t, "--set", `otherSettings={"MINE":"1"}`, "--set", `tags={"CostCenter":"1"}`)
	reference := c.file("reference.json",
		`{"parameters": {"otherSettings": {"reference": {"keyVault": {"id": "/x"}, "secretName": "s"}}}}`)
	for _, m := range [][]string{
		{"--set", `otherSettings={"ARCHIVE_HOLD":"*=2026-01-01/2026-03-31"}`, "otherSettings has ARCHIVE_HOLD"},
		{"--set", `otherSettings={"azure_client_id":"x"}`, "otherSettings has azure_client_id"},
		{"--set", `otherSettings={"WEBSITE_RUN_FROM_PACKAGE":"x"}`, "otherSettings has WEBSITE_RUN_FROM_PACKAGE"},
		{"--set", `otherSettings={"mine":"2"}`, "mine is MINE in other letters"},
		{"--set", `otherSettings={"A":"2","a":"3"}`, "a is A in other letters"},
		{"--set", `tags={"costcenter":"2"}`, "costcenter is CostCenter in other letters"},
		{"--parameters", reference, "otherSettings has to be a map with values, and not a reference"},
		{"--set", "tags=5", "tags has to be a map"},
	} {
		out, code := c.deploy(m[0], m[1], "--overwrite-settings")
		require.Equal(t, 1, code, out)
		require.Contains(t, out, m[2])
	}
	require.Equal(t, "1", c.state().Settings["MINE"])
}

func TestOfSecretsOfWhichOneBeginsAnotherNothingIsShown(t *testing.T) {
	c := afterDeploying(t)
	c.change(func(s *subscription) {
		s.Settings["A1"], s.Settings["B1"], s.Settings["C1"], s.Settings["D1"] = "pass", "password-123456", "xyz",
			"a.b*[c]\\d"
	})
	out := c.deployed()
	for _, part := range []string{"pass]", "word-123456", "xyz", "a.b*"} {
		require.NotContains(t, out, part)
	}
	require.Contains(t, out, "A1:(not shown) B1:(not shown) C1:(not shown) D1:(not shown)")
}

// TestATurkishLocaleChangesNoNames needs no such locale: whatever is set, the scripts go by bytes.
func TestATurkishLocaleChangesNoNames(t *testing.T) {
	c := newCloud(t, nil)
	c.env = []string{"LC_ALL=tr_TR.UTF-8"}
	// Bash itself warns where there is no such locale.
	require.Regexp(t, `(^|\n)C\n$`, c.bash(`. ./common.sh; echo "$LC_ALL"`))
	text := "microsoft.insights/actiongroups"
	require.Regexp(t, "(^|\n)"+text+"\n$", c.bash(`. ./common.sh; a=Microsoft.Insights/actionGroups; echo "${a,,}"`))
}

func TestAnExportedCDPATHLeadsNowhere(t *testing.T) {
	c := newCloud(t, nil)
	require.NoError(t, os.MkdirAll(filepath.Join(c.folder, "elsewhere", "infra"), 0o700))
	for _, script := range []string{"deploy.sh", "destroy.sh", "grant.sh"} {
		cmd := c.command(script, "--help")
		cmd.Args[1], cmd.Dir = "infra/"+script, filepath.Dir(filepath.Dir(cmd.Args[1]))
		cmd.Env = append(cmd.Env, "CDPATH="+filepath.Join(c.folder, "elsewhere"))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), "Usage: infra/"+script)
	}
}

func TestBashOnWindowsIsNamedAsWhatDoesNotWork(t *testing.T) {
	c := newCloud(t, nil)
	for _, kind := range []string{"msys", "cygwin"} {
		out := c.bash("yes=true; . ./common.sh; OSTYPE=" + kind + "; begin; check_tools 2>&1 || true")
		require.Contains(t, out, "this is bash on Windows")
		require.Contains(t, out, "Subsystem for Linux")
	}
}

func TestASettingOnTheCommandLineOfMakeKeepsItsQuotes(t *testing.T) {
	c := newCloud(t, nil)
	require.NoError(t, os.Mkdir(filepath.Join(c.folder, "infra"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(c.folder, "infra", "deploy.sh"),
		[]byte("#!/bin/bash\nprintf '<%s>' \"$@\"\n"), 0o700))
	makefile, err := filepath.Abs(filepath.Join("..", "Makefile"))
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-f", makefile, "deploy", "RG=rg-ledger",
		"LOCATION=westeurope", `SET=alertEmails=["ada@contoso.example"]`, "MAKE=true")
	cmd.Dir = c.folder
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), `<--set><alertEmails=["ada@contoso.example"]>`)
}

// bash runs some lines in the folder of the scripts.
func (c *cloud) bash(lines string) string {
	c.Helper()
	cmd := c.command("", "")
	here, err := os.Getwd()
	require.NoError(c, err)
	cmd.Args, cmd.Dir = []string{"bash", "-c", "set -euo pipefail; " + lines}, here
	out, err := cmd.CombinedOutput()
	if err != nil {
		require.ErrorContains(c, err, "exit status 1", string(out))
	}
	return string(out)
}

const called = ". ./common.sh; . ./azure.sh; begin; pause=0; group=rg-ledger\n"

func TestACallThatTakesTooLongIsEndedWithAllThatItStarted(t *testing.T) {
	c := newCloud(t, nil)
	// As the packages have it: a script that waits for another program, which writes late.
	stub := "#!/bin/bash\ncase $1 in slow) sh -c 'echo $$ >\"" + c.folder +
		"/pid\"; sleep 60; echo late' ;; *) echo right ;; esac\nexit $?\n"
	require.NoError(t, os.WriteFile(filepath.Join(c.folder, "az"), []byte(stub), 0o700))
	out := c.bash(called + `limit=1 tries=1; attempt slow || echo "$failure"
	  pid=$(<"` + c.folder + `/pid"); for n in {1..500}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.01; done
	  ! kill -0 "$pid" 2>/dev/null || echo "it goes on"
	  attempt other; echo "$out"`)
	require.Equal(t, "no answer within 1 seconds\nright\n", out)
}

func TestAReadingThatHangsIsTriedAgainAndAWritingIsNot(t *testing.T) {
	c := newCloud(t, nil)
	out := c.bash(called + `failure='no answer'; for limit in 1 120 900 3600; do if passes 124; then echo again; else echo no; fi; done
	  if passes 137; then echo again; else echo no; fi`)
	require.Equal(t, "again\nagain\nno\nno\nno\n", out)
}

func TestTemporaryFilesAreForTheirOwnerOnly(t *testing.T) {
	c := newCloud(t, nil)
	out := c.bash(called + `attempt version; stat -c %a "$scratch"/out.1 "$scratch"; echo x >"$scratch/x"; stat -c %a "$scratch/x"`)
	require.Equal(t, "600\n700\n600\n", out)
}

func TestWhatASubstringOfAnErrorSaysIsNoProofThatNothingIsThere(t *testing.T) {
	c := newCloud(t, nil)
	for text, none := range map[string]string{
		"ResourceNotFound: The Resource was not found.": "none", "(ResourceGroupNotFound) could not be found": "none",
		"ContainerNotFound: The specified container does not exist.": "none",
		"SubscriptionNotFound: could not be found":                   "no",
		"InvalidResourceType: not found":                             "no",
		"AuthorizationFailed: ResourceNotFound":                      "no",
		"ResourceNotFoundElsewhere: x":                               "no"} {
		out := c.bash(called + "failure='" + text + "'; if none; then echo none; else echo no; fi")
		require.Equal(t, none, strings.TrimSpace(out), text)
	}
}

func TestAnExpiredTokenIsMendedBySigningInAgain(t *testing.T) {
	c := newCloud(t, func(s *subscription) {
		s.Faults = []fault{{Call: "list-locations", Says: kinds["signed out"].Says, Times: -1}}
	})
	out, code := c.deploy()
	require.Equal(t, 1, code)
	require.Contains(t, out, "sign in again: az login")
}

func TestABicepThatDoesNotTellItsVersionIsTakenForAnOldOne(t *testing.T) {
	c := newCloud(t, func(s *subscription) {
		s.Faults = []fault{{Call: "bicep version", Answers: "no text of a version", Times: -1}}
	})
	out, code := c.deploy("--grants", "bicep")
	require.Equal(t, 1, code)
	require.Contains(t, out, "Bicep is version unknown")
}

func TestAnEndOfInputIsANo(t *testing.T) {
	c := newCloud(t, nil)
	// There is no terminal in a test: confirm is made to see one.
	out := c.bash(`. ./common.sh; yes=false; begin; eval "$(declare -f confirm | sed 's/-t 0/1 = 1/')"; confirm "Deploy this?" </dev/null 2>&1 || true`)
	require.Contains(t, out, "STOP: you said no")
	require.NotContains(t, out, "the script ended before its work did")
}

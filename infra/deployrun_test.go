package infra_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAnAppThatDoesNotRunAfterASuccessIsMendedByWhatHelpedOthers breaks the app in each way that
// public reports describe, and lets one remedy help. Each is tried once, in its order.
func TestAnAppThatDoesNotRunAfterASuccessIsMendedByWhatHelpedOthers(t *testing.T) {
	cases := []struct {
		name     string
		app      runningApp
		release  bool
		restarts int
		syncs    int
		codes    int // publishings
	}{
		{"all functions are 404, until a restart", runningApp{Status: 404, Missing: []string{"preflight"},
			MendedBy: "restart"}, false, 1, 0, 1},
		{"it answers 503, until the triggers are told", runningApp{Status: 503, MendedBy: "sync"}, false, 1, 1, 1},
		{"it answers 503, until the package is published again", runningApp{Status: 503, MendedBy: "publish"}, false,
			1, 1, 2},
		{"a release is 404, until the template deploys it again", runningApp{Status: 404, MendedBy: "publish"}, true,
			1, 1, 2},
		{"a timer is missing, until the triggers are told", runningApp{Missing: []string{"archivelogs"},
			MendedBy: "sync"}, false, 1, 1, 1},
		{"the build before runs still, until a restart", runningApp{Stale: true, MendedBy: "restart"}, false, 1, 0, 1},
		{"the release before runs still, until a restart", runningApp{Stale: true, MendedBy: "restart"}, true, 1, 0, 1},
	}
	for _, m := range cases {
		t.Run(m.name, func(t *testing.T) {
			c := newCloud(t, func(s *subscription) { s.App = m.app })
			run := c.deploy
			if m.release {
				run = c.deployRelease
			}
			out, code := run("--grants", "print")
			require.Zero(t, code, out)
			require.Contains(t, out, "The app runs, and reaches everything.")
			s := c.state()
			require.Equal(t, []int{m.restarts, m.syncs, m.codes}, []int{s.App.Restarts, s.App.Synchronized,
				s.App.Publishes})
			for _, name := range m.app.Missing {
				require.Contains(t, out, "missing: "+name)
			}
		})
	}
}

func TestAnAppThatNothingMendsEndsInOneStop(t *testing.T) {
	cases := []struct {
		name string
		app  runningApp
		args []string
		says []string
	}{
		{"404 for ever", runningApp{Status: 404}, nil, []string{"it answers 404", "did not help",
			`"After a deployment nothing answers"`}},
		{"503 for ever", runningApp{Status: 503}, nil, []string{"it answers 503", "did not help"}},
		{"a function that stays missing", runningApp{Missing: []string{"purge"}}, nil,
			[]string{"functions are missing: purge", "did not help"}},
		{"an old build for ever", runningApp{Stale: true}, nil, []string{"another build runs still: SHA-256 " +
			digest("an old program"), "did not help"}},
		{"its own key refused", runningApp{RefusesOwnKey: true}, nil,
			[]string{"the app refuses its own function key", "it has to be off"}},
		{"an authentication that is not there", runningApp{Status: 503,
			Body: `{"error":{"code":"authenticationOff","message":"..."}}`}, nil,
			[]string{"told that App Service authenticates", "entraClientId"}},
	}
	for _, m := range cases {
		t.Run(m.name, func(t *testing.T) {
			c := newCloud(t, func(s *subscription) { s.App = m.app })
			out, code := c.deploy("--grants", "print")
			require.Equal(t, 1, code)
			for _, words := range m.says {
				require.Contains(t, out, words)
			}
			require.NotContains(t, out, "log tail", "SCM streams no logs on this plan")
			s := c.state()
			require.LessOrEqual(t, s.App.Restarts, 1)
			require.LessOrEqual(t, s.App.Synchronized, 1)
			require.LessOrEqual(t, s.App.Publishes, 2)
		})
	}
}

func TestAnAppBehindEntraAuthenticationRefusesTheKeyAloneAsItShould(t *testing.T) {
	c := newCloud(t, nil)
	out := c.deployed("--set", "entraClientId=0a1b2c3d-0000-0000-0000-00000000000e")
	require.Contains(t, out, "asks for a Microsoft Entra token beside the key")
	require.Equal(t, "entra", c.state().Settings["HTTP_AUTHORIZATION"])
	// It stays so without being given again; and is switched off on purpose only.
	require.Contains(t, c.deployed(), "asks for a Microsoft Entra token beside the key")
	_, code := c.deploy("--set", "entraClientId=")
	require.Equal(t, 1, code)
	require.True(t, c.state().App.Authentication)
	require.Contains(t, c.deployed("--set", "entraClientId=", "--overwrite-settings"),
		"The app runs, and reaches everything.")
	require.Equal(t, "key", c.state().Settings["HTTP_AUTHORIZATION"])
}

func TestAPublishingThatHangsIsEndedAndTheAppIsAsked(t *testing.T) {
	t.Run("and the code is there", func(t *testing.T) {
		c := newCloud(t, func(s *subscription) {
			s.Faults = []fault{{Call: "config-zip", Hangs: true, After: true,
				Times: 1}}
		})
		c.env = []string{"PUBLISH_SECONDS=1"}
		began := time.Now()
		out := c.deployed()
		require.Contains(t, out, "az did not end within 1 seconds")
		require.Contains(t, out, "The app runs, and reaches everything.")
		require.Less(t, time.Since(began), 50*time.Second)
	})
	t.Run("and it is not", func(t *testing.T) {
		c := newCloud(t, func(s *subscription) { s.Faults = []fault{{Call: "config-zip", Hangs: true, Times: -1}} })
		c.env = []string{"PUBLISH_SECONDS=1"}
		out, code := c.deploy()
		require.Equal(t, 1, code)
		require.Contains(t, out, "it answers 404")
		require.Equal(t, -3, c.state().Faults[0].Times, "published twice, and no more")
	})
}

func TestAServiceForPublishingThatAnswers503(t *testing.T) {
	text := "An error occured during deployment. Status Code: 503, Details: Service Unavailable"
	t.Run("until the app is restarted", func(t *testing.T) {
		c := newCloud(t, func(s *subscription) { s.Faults = []fault{{Call: "config-zip", Says: text, Times: 1}} })
		require.Contains(t, c.deployed("--grants", "print"), "not yet (try 1 of 3): "+text)
		require.Equal(t, 1, c.state().App.Restarts)
	})
	t.Run("for ever: the platform fetches the release's package instead", func(t *testing.T) {
		c := newCloud(t, func(s *subscription) { s.Faults = []fault{{Call: "config-zip", Says: text, Times: -1}} })
		out, code := c.deploy()
		require.Equal(t, 1, code)
		require.Contains(t, out, "the package was not published. Azure says: "+text)
		require.Contains(t, out, "run it without --package")
		out, code = c.deployRelease()
		require.Zero(t, code, out)
	})
}

func TestThePackageIsNamedByItsSHA256AndComparedWithWhatRuns(t *testing.T) {
	c := newCloud(t, nil)
	c.packed("app.zip", "another program")
	out, code := c.deploy()
	require.Equal(t, 1, code)
	require.Contains(t, out, "SHA-256 of "+c.folder+"/app.zip: ")
	require.Contains(t, out,
		"another build runs still: SHA-256 "+digest("a program")+", and not "+digest("another program"))
}

func TestWhoMayNotGrantGetsTheCommandsForWhoMay(t *testing.T) {
	c := newCloud(t, func(s *subscription) { s.DirectoryRoles = []string{"88d8e3e3-8f55-4a1e-953a-9b9898b8876b"} })
	out := c.deployed()
	require.Empty(t, c.state().Granted)
	require.Contains(t, out, "Privileged Role Administrator")
	require.Contains(t, out, "entraledger/infra/grant.sh --app func-ledger-x1y2z3w4")
	require.Contains(t, out,
		"az rest --method POST --url 'https://graph.microsoft.com/v1.0/servicePrincipals/"+principal+
			"/appRoleAssignments'")
	require.Contains(t, out, `"appRoleId":"role-of-AuditLog.Read.All"`)
	require.Contains(t, out, "# User.Read.All")
	require.Equal(t, "package", c.state().App.Code)
	require.Zero(t, c.state().App.Restarts, "nothing was granted")
	// It was done by hand: there is nothing to hand on.
	c.change(func(s *subscription) {
		for _, permission := range graphRoles {
			s.Granted = append(s.Granted, "role-of-"+permission)
		}
	})
	out = c.deployed()
	require.Contains(t, out, "all are granted already")
	require.NotContains(t, out, "az rest")
}

func TestGrantsByBicepComeAfterEverythingElse(t *testing.T) {
	c := newCloud(t, func(s *subscription) {
		s.Faults = []fault{{Call: "--template-file grants.bicep", Says: "Request_ResourceNotFound: Resource '" +
			principal + "' does not exist", Times: 1}}
	})
	c.deployed("--grants", "bicep")
	s := c.state()
	require.Len(t, s.Granted, 4)
	app, grants := -1, -1
	for i, call := range s.Log {
		if strings.Contains(call, "create") && strings.Contains(call, "azuredeploy.json") {
			app = i
		}
		if strings.Contains(call, "grants.bicep") {
			grants = i
		}
	}
	require.Less(t, app, grants)
	require.Equal(t, 1, s.App.Restarts)
}

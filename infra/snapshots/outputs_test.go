package snapshots_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/blobs"
)

// reference is a property of a resource that only a deployment knows.
func reference(r *predicted, property string) open {
	return open(fmt.Sprintf("reference('%s', '%s').%s", textOf(r.ID), r.APIVersion, property))
}

// grantCommandOf is the line that a case's administrator runs in Cloud Shell.
func grantCommandOf(s *snapshot) string {
	line := `az account set --subscription "` + subscriptionID + `"` +
		` && cd "$(mktemp -d)"` +
		` && curl -fsSLO "https://github.com/entraledger/entraledger/releases/download/` + s.release +
		`/{entraledger-release.zip,SHA256SUMS}"` +
		` && sha256sum --check --ignore-missing SHA256SUMS` +
		` && unzip -q entraledger-release.zip` +
		` && entraledger/infra/grant.sh --resource-group "rg-ledger" --app "` + s.one(sites).name() + `"`
	for _, permission := range s.Outputs["graphPermissions"].([]any) {
		line += " " + permission.(string)
	}
	return line
}

// TestEveryOutputOfEveryCaseSaysWhatItPromises; the permissions have a test of their own, which
// compares them with the code.
func TestEveryOutputOfEveryCaseSaysWhatItPromises(t *testing.T) {
	for name, c := range cases {
		s := load(t, name)
		wanted := map[string]any{}
		switch c.template {
		case "":
			app := s.one(sites)
			wanted = map[string]any{"appName": app.name(),
				"apiUrl":         "https://" + textOf(reference(app, "defaultHostName")) + "/api",
				"principalId":    reference(s.one(identities), "principalId"),
				"archiveAccount": s.account("a")[len(group+accounts+"/"):], "headsContainer": blobs.Container,
				"grantCommand":     grantCommandOf(s),
				"graphPermissions": s.Outputs["graphPermissions"], "appSettings": handlersOwn(s)}
		case "upgrade.bicep":
			app := predicted{ID: group + sites + "/func-ledger-7vewlqxk", APIVersion: s.one(configs).APIVersion}
			wanted["preflightUrl"] = "https://" + textOf(reference(&app, "defaultHostName")) + "/api/preflight"
		case "tenant.bicep":
			wanted["id"] = s.one(tenantLogs).ID
		}
		require.Equal(t, wanted, s.Outputs, name)
	}
}

// handlersOwn are the settings that the handler reads, in the order of the app's: not the
// platform's, and nothing that was added by hand, because anybody who may read the deployment sees
// its outputs.
func handlersOwn(s *snapshot) any {
	out := []any{}
	for _, v := range s.one(sites).list("siteConfig.appSettings") {
		if entry, isSetting := v.(map[string]any); isSetting && !slices.Contains(platform, textOf(entry["name"])) {
			out = append(out, map[string]any{"name": entry["name"], "value": entry["value"]})
		}
	}
	return out
}

// sums are the lines of SHA256SUMS for some files.
func sums(files map[string][]byte) []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(files[name]), name)
	}
	return b.Bytes()
}

// releaseZip is a release whose grant.sh writes down its version and what it is asked for.
func releaseZip(t *testing.T, version string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: "entraledger/infra/grant.sh"}
	header.SetMode(0o755)
	f, err := w.CreateHeader(header)
	require.NoError(t, err)
	_, err = fmt.Fprintf(f, "#!/bin/sh\necho %s \"$@\" >> \"$PLAYED/granted\"\n", version)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// TestTheGrantCommandRunsOnlyWhatTheSumsAreOf runs the line in a folder, with played programs for
// what is not on this machine: curl fetches from the folder release.
func TestTheGrantCommandRunsOnlyWhatTheSumsAreOf(t *testing.T) {
	s := load(t, plain)
	right := map[string][]byte{"entraledger-release.zip": releaseZip(t, "new"), "entraledger.zip": []byte("app")}
	arguments := strings.TrimSpace(strings.SplitN(grantCommandOf(s), "grant.sh ", 2)[1])
	granted := "new " + strings.ReplaceAll(arguments, `"`, "") + "\n"
	changed := slices.Clone(right["entraledger-release.zip"])
	changed[len(changed)/2] ^= 1
	for _, c := range []struct {
		what    string
		release map[string][]byte // what is published beside right's sums; nil: it is not there
		before  map[string][]byte // files in the folder beforehand
		granted string
	}{
		{"as it was released", nil, nil, granted},
		{"one byte is another", map[string][]byte{"entraledger-release.zip": changed}, nil, ""},
		{"another zip", map[string][]byte{"entraledger-release.zip": releaseZip(t, "another")}, nil, ""},
		{"another zip, and sums of other files alone", map[string][]byte{"entraledger-release.zip": releaseZip(t,
			"another"),
			"SHA256SUMS": sums(map[string][]byte{"entraledger.zip": right["entraledger.zip"]})}, nil, ""},
		{"sums of other files alone", map[string][]byte{"SHA256SUMS": sums(map[string][]byte{"x": nil})}, nil, ""},
		{"no sums", map[string][]byte{"SHA256SUMS": nil}, nil, ""},
		{"no zip", map[string][]byte{"entraledger-release.zip": nil}, nil, ""},
		{"no zip, and an older one in the folder", map[string][]byte{"entraledger-release.zip": nil},
			map[string][]byte{"entraledger-release.zip": right["entraledger-release.zip"],
				"SHA256SUMS": sums(right)}, ""},
		{"an older release in the folder", nil, map[string][]byte{"entraledger-release.zip": releaseZip(t, "old"),
			"entraledger.zip": []byte("old"), "SHA256SUMS": sums(map[string][]byte{"entraledger.zip": nil}),
			"entraledger/infra/grant.sh": []byte("#!/bin/sh\necho old >> \"$PLAYED/granted\"\n")}, granted},
	} {
		t.Run(c.what, func(t *testing.T) {
			played, here := t.TempDir(), t.TempDir()
			published := maps.Clone(right)
			published["SHA256SUMS"] = sums(right)
			maps.Copy(published, c.release)
			for name, data := range published {
				if data != nil {
					write(t, filepath.Join(played, "release", name), data)
				}
			}
			for name, data := range c.before {
				write(t, filepath.Join(here, name), data)
			}
			write(t, filepath.Join(played, "bin", "az"), []byte("#!/bin/sh\necho \"$@\" >> \"$PLAYED/asked\"\n"))
			write(t, filepath.Join(played, "bin", "curl"), []byte(playedCurl))
			cmd := exec.Command("bash", "-c", s.Outputs["grantCommand"].(string))
			cmd.Dir = here
			cmd.Env = append(os.Environ(), "PLAYED="+played, "TMPDIR="+t.TempDir(), "PATH="+filepath.Join(played,
				"bin")+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			got, _ := os.ReadFile(filepath.Join(played, "granted"))
			require.Equal(t, c.granted, string(got), "%s", out)
			require.Equal(t, c.granted == "", err != nil, "%s", out)
			asked, err := os.ReadFile(filepath.Join(played, "asked"))
			require.NoError(t, err)
			require.Equal(t, "account set --subscription "+subscriptionID+"\n", string(asked))
		})
	}
}

// playedCurl knows one way to be called, and fails as curl does where a file is not there.
const playedCurl = `#!/bin/bash
[ "$1" = -fsSLO ] && [ $# = 2 ] || exit 2
for name in $(sed 's/.*{\(.*\)}/\1/; s/,/ /g' <<<"$2"); do
  cp "$PLAYED/release/$name" . || exit 22
done
`

func write(t *testing.T, path string, data []byte) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, 0o755))
}

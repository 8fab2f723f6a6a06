package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func workflow(t *testing.T, name string) string {
	text, err := os.ReadFile(filepath.Join("..", "..", ".github", "workflows", name))
	require.NoError(t, err)
	return string(text)
}

// TestActionsOfOthersAreNamedByCommit: a tag can be moved to other code, a commit can't.
func TestActionsOfOthersAreNamedByCommit(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", ".github", "workflows", "*.yml"))
	require.NoError(t, err)
	uses := regexp.MustCompile(`(?m)^\s*(?:- )?uses:\s*(.+)$`)
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*$`)
	commits := make(map[string]string)
	for _, file := range files {
		for _, m := range uses.FindAllStringSubmatch(workflow(t, filepath.Base(file)), -1) {
			what := strings.TrimSpace(m[1])
			if strings.HasPrefix(what, "./") {
				continue
			}
			require.Regexp(t, pinned, what, file)
			action, rest, _ := strings.Cut(what, "@")
			if known := commits[action]; known != "" {
				require.Equal(t, known, rest, "%s: all workflows use one version of %s", file, action)
			}
			commits[action] = rest
		}
	}
	require.GreaterOrEqual(t, len(commits), 5)
}

// TestEachJobOfAReleaseHasOnlyTheRightsOfItsWork reads the jobs' rights, and what they run.
func TestEachJobOfAReleaseHasOnlyTheRightsOfItsWork(t *testing.T) {
	text := workflow(t, "release.yml")
	require.Contains(t, text, "\npermissions: {}\n")
	jobs := regexp.MustCompile(`(?m)^  (\w+):\n`).Split(text[strings.Index(text, "\njobs:\n"):], -1)[1:]
	names := regexp.MustCompile(`(?m)^  (\w+):\n`).FindAllStringSubmatch(text[strings.Index(text, "\njobs:\n"):], -1)
	require.Len(t, jobs, 4)
	want := map[string][]string{
		"test": {"contents: read"}, "build": {"contents: read"}, "attest": {"id-token: write",
			"attestations: write"}, "publish": {"contents: write"},
	}
	block := regexp.MustCompile(`(?m)^    permissions:\n((?:      \S.*\n)+)`)
	for i, job := range jobs {
		name := names[i][1]
		rights := block.FindStringSubmatch(job)
		require.NotNil(t, rights, name)
		var got []string
		for line := range strings.Lines(rights[1]) {
			got = append(got, strings.TrimSpace(line))
		}
		require.Equal(t, want[name], got, name)
		if name == "attest" || name == "publish" {
			require.NotContains(t, job, "actions/checkout", "%s runs nothing of the repository", name)
			require.NotContains(t, job, "make ")
		}
	}
	require.Contains(t, text, `"$GITHUB_REF_NAME" != "$(cat infra/release.txt)"`)
	for _, file := range []string{"entraledger.zip", "entraledger-release.zip", "entraledger.cdx.json",
		"handler.sha256", "SHA256SUMS"} {
		require.GreaterOrEqual(t, strings.Count(text, "dist/"+file), 2, "%s is handed over and published", file)
	}
}

// TestEveryFileOfAReleaseIsAttested: the sums are those of the other files and of the handler, and
// don't name themselves.
func TestEveryFileOfAReleaseIsAttested(t *testing.T) {
	text := workflow(t, "release.yml")
	step := regexp.MustCompile(`(?m)^      - uses: actions/attest@.*\n        with:\n((?:          \S.*\n)+)`)
	var got []string
	for _, with := range step.FindAllStringSubmatch(text, -1) {
		var inputs []string
		for line := range strings.Lines(with[1]) {
			input, _, _ := strings.Cut(strings.TrimSpace(line), " #")
			inputs = append(inputs, input)
		}
		got = append(got, strings.Join(inputs, ", "))
	}
	require.ElementsMatch(t, []string{"subject-checksums: dist/SHA256SUMS", "subject-checksums: dist/handler.sha256",
		"subject-path: dist/SHA256SUMS", "subject-path: dist/entraledger.zip, sbom-path: dist/entraledger.cdx.json"},
		got)
	require.Equal(t, len(got), strings.Count(text, "actions/attest@"))
}

// TestTheTestsFindTheSharedFolderBesideThisRepository reads where the workflow puts both.
func TestTheTestsFindTheSharedFolderBesideThisRepository(t *testing.T) {
	text := workflow(t, "ci.yml")
	require.Contains(t, text, "\ndefaults:\n  run:\n    working-directory: main\njobs:\n")
	require.NotContains(t, text[strings.Index(text, "\njobs:\n"):], "working-directory")
	jobs := regexp.MustCompile(`(?m)^  \w+:\n`).Split(text[strings.Index(text, "\njobs:\n"):], -1)[1:]
	require.Len(t, jobs, 2)
	checkout := regexp.MustCompile(`(?m)^      - uses: actions/checkout@.*\n        with:\n((?:          \S.*\n)+)`)
	var places []string
	for _, job := range jobs {
		for _, with := range checkout.FindAllStringSubmatch(job, -1) {
			repository := regexp.MustCompile(`(?m)^ +repository: (.*)$`).FindStringSubmatch(with[1])
			place := regexp.MustCompile(`(?m)^ +path: (.*)$`).FindStringSubmatch(with[1])
			require.NotNil(t, place, "%s", with[1])
			require.Contains(t, with[1], "persist-credentials: false")
			if repository == nil {
				require.Contains(t, with[1], "fetch-depth: 0")
				repository = []string{"", "this"}
			}
			places = append(places, repository[1]+" in "+place[1])
		}
		require.Equal(t, strings.Count(job, "-file: "), strings.Count(job, "-file: main/go.mod"))
	}
	// The job that tests has both, the other one runs no tests.
	require.Equal(t, []string{"this in main", "${{ github.repository_owner }}/shared in shared", "this in main"},
		places)
	require.Contains(t, jobs[0], "timeout-minutes: 60\n")
	require.Contains(t, jobs[0], "run: .ci/run\n")
	require.NotContains(t, jobs[1], ".ci/run")
}

// TestAnAuditTakesACopyOfTheDatabase reads what make would run.
func TestAnAuditTakesACopyOfTheDatabase(t *testing.T) {
	show := func(arguments ...string) string {
		cmd := exec.Command("make", append([]string{"--dry-run", "audit"}, arguments...)...)
		cmd.Dir = filepath.Join("..", "..")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.NotContains(t, show(), "-db")
	require.Contains(t, show("VULNDB=/srv/vulndb"), `-db "file:///srv/vulndb" ./...`)
	absolute, err := filepath.Abs(filepath.Join("..", "..", "vulndb"))
	require.NoError(t, err)
	require.Contains(t, show("VULNDB=vulndb"), `-db "file://`+absolute+`"`)
}

// script is what a named step of the release runs, or what follows the text it begins with.
func script(t *testing.T, step string) string {
	_, after, ok := strings.Cut(workflow(t, "release.yml"), "      - name: "+step+"\n")
	require.True(t, ok, step)
	_, block, ok := strings.Cut(after, "        run: |\n")
	require.True(t, ok, step)
	var lines []string
	for line := range strings.Lines(block) {
		line, inside := strings.CutPrefix(line, "          ")
		if !inside {
			break
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "")
}

// runStep runs a script as the workflow does, for the tag v1.2.3, with a gh in place of GitHub's.
// It returns what gh was asked.
func runStep(t *testing.T, script, gh string) (asked string, err error) {
	folder := t.TempDir()
	for name, text := range map[string]string{"infra/release.txt": "v1.2.3\n",
		"bin/gh": "#!/bin/sh\necho \"$*\" >> asked\n" + gh} {
		file := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o755))
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-e", "-c", script)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(folder, "bin")+":"+os.Getenv("PATH"), "GITHUB_REF_NAME=v1.2.3",
		"GH_REPO=contoso/ledger")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	text, _ := os.ReadFile(filepath.Join(folder, "asked")) // gh may not have been asked
	return string(text), err
}

// TestOnlyAPublishedReleaseIsInTheWayOfANewOne: a draft that a failed publish left is not, and
// without an answer from GitHub nothing is built.
func TestOnlyAPublishedReleaseIsInTheWayOfANewOne(t *testing.T) {
	check := script(t, "the tag is the version that the files name, and is new")
	for name, c := range map[string]struct {
		gh   string
		goes bool
	}{
		"the first release":      {"exit 0", true},
		"others were published":  {"echo v1.2.2; echo v1.2.30; echo v1x2.3", true},
		"it was published":       {"echo v1.2.4; echo v1.2.3; echo v1.2.2", false},
		"GitHub does not tell":   {"exit 1", false},
		"there is a draft of it": {`case "$*" in *--exclude-drafts*) ;; *) echo v1.2.3 ;; esac`, true},
	} {
		t.Run(name, func(t *testing.T) {
			asked, err := runStep(t, check, c.gh)
			require.Contains(t, asked, "release list")
			require.Equal(t, c.goes, err == nil)
		})
	}
}

// TestTheDraftOfAFailedPublishIsDroppedFirst: which of two drafts would be published is undefined.
func TestTheDraftOfAFailedPublishIsDroppedFirst(t *testing.T) {
	text := workflow(t, "release.yml")
	drop := script(t, "drop the draft that a failed try left")
	require.Less(t, strings.Index(text, "drop the draft"), strings.Index(text, "gh release create"))
	asked, err := runStep(t, drop, `case "$*" in *DELETE*) ;; *) echo 11; echo 12 ;; esac`)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(asked), "\n")
	require.Len(t, lines, 3)
	require.Contains(t, lines[0], "select(.draft and .tag_name == env.GITHUB_REF_NAME)")
	require.Equal(t, []string{"api --method DELETE repos/contoso/ledger/releases/11",
		"api --method DELETE repos/contoso/ledger/releases/12"}, lines[1:])
	asked, err = runStep(t, drop, "")
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(asked, "\n"), "there was none")
	_, err = runStep(t, drop, "exit 1")
	require.Error(t, err)
}

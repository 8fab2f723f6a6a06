package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// printJobsFile describes a log that is like none of the real ones: another property dates it, it
// is both ordered and strict, and its tables, columns and files have names of their own.
const printJobsFile = `package logs

import "github.com/entraledger/entraledger/internal/entra"

func printJobs() *Log {
	return &Log{
		Stream: "printJobs", Title: "what was printed", Source: MicrosoftGraph(),
		Collection: "printJobs", Unfiltered: true, Forms: []string{entra.FormBeta},
		TimeProperty: "printedDateTime", Ordered: true, Strict: true,
		Licensed: true, Permission: "PrintJob.Read.All", Alternative: "PrintJob.ReadBasic.All",
		Optional: &Grant{Name: "Printer.Read.All", For: "names of printers", Without: "Graph leaves the names out"},
		Table: "printedjobs", SignsIn: true,
		Shape: "printedDateTime:t id category pageCount:n user{id principalName} printer{id name} " +
			"status{errorCode:n outcome} sheets[{number:n side}]",
		Columns: []Column{
			{Path: "user/id", Name: "UserId"},
			{Path: "printer/id", Name: "PrinterId", Indexed: true},
			{Path: "status/errorCode", Name: "ErrorCode"},
			{Path: "status/outcome", Name: "Outcome", Since: 2, Usual: []string{"done"}},
		},
		GroupedBy: []string{"printer/name", "status/errorCode"},
		Files: []File{
			{Name: "PrintJobs", Columns: []FileColumn{
				{Name: "Date (UTC)", Path: "printedDateTime", As: AsTime}, {Name: "Job ID", Path: "id"},
				{Name: "Printer", Path: "printer.name"}, {Name: "Outcome", Path: "status.outcome"},
			}},
			{Name: "PrintJobs_Sheets", Each: "sheets", Columns: []FileColumn{
				{Name: "Job ID", Path: "id"}, {Name: "Sheet", Path: ".number"}, {Name: "Side", Path: ".side"},
			}},
		},
	}
}
`

// printJobsLine is what the list of logs gets.
const printJobsLine = "\tprintJobs(),\n"

// madeUpLog writes a go command's overlay in which the module has one log more: its file, and its
// line in the list.
func madeUpLog(t *testing.T) (overlay string) {
	folder, err := filepath.Abs("../internal/logs")
	require.NoError(t, err)
	real, err := os.ReadFile(filepath.Join(folder, "all.go"))
	require.NoError(t, err)
	begin, rest, found := strings.Cut(string(real), "= newIndex(\n")
	require.True(t, found, "all.go has no list of logs")
	list, end, found := strings.Cut(rest, "\n)\n")
	require.True(t, found)
	require.NotContains(t, end, "newIndex(\n", "the list is one")
	for line := range strings.Lines(list + "\n") {
		require.Regexp(t, `^\t\w+\(\),\n$`, line, "a log takes one line of the list")
	}
	files := t.TempDir()
	replace := map[string]string{}
	longer := begin + "= newIndex(\n" + list + "\n" + printJobsLine + ")\n" + end
	for name, text := range map[string]string{"printjobs.go": printJobsFile, "all.go": longer} {
		replace[filepath.Join(folder, name)] = filepath.Join(files, name)
		require.NoError(t, os.WriteFile(filepath.Join(files, name), []byte(text), 0o600))
	}
	require.NoFileExists(t, filepath.Join(folder, "printjobs.go"), "the log is made up")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	overlay = filepath.Join(files, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, text, 0o600))
	return overlay
}

// goCommand runs the go command on the module.
func goCommand(t *testing.T, args ...string) string {
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "go %s\n%s", strings.Join(args, " "), out)
	return string(out)
}

// TestALogTakesOneFileAndOneLine adds a made-up log and sees it collected, stored, sealed, read
// back, downloaded and documented without another line of code. The journey itself is
// TestTheMadeUpLog, which only a program with that log can make.
func TestALogTakesOneFileAndOneLine(t *testing.T) {
	overlay := madeUpLog(t)
	t.Run("it goes all the way of a log", func(t *testing.T) {
		out := goCommand(t, "test", "-overlay", overlay, "-tags", "madeuplog", "-race=false", "-vet=off", "-count=1",
			"-timeout", "3m", "-v",
			"-run", "^TestTheMadeUpLog$", "./handler")
		require.Contains(t, out, "\n--- PASS: TestTheMadeUpLog (", "it ran")
	})
	t.Run("it is documented", func(t *testing.T) {
		root := t.TempDir()
		docs := filepath.Join(root, "docs")
		for _, folder := range []string{"docs", "infra"} {
			require.NoError(t, os.CopyFS(filepath.Join(root, folder), os.DirFS("../"+folder)))
		}
		goCommand(t, "run", "-overlay", overlay, "-race=false", "./tools/docs", "-root", root)
		for name, rows := range printJobsDocs {
			before, err := os.ReadFile(filepath.Join("..", "docs", name))
			require.NoError(t, err)
			after, err := os.ReadFile(filepath.Join(docs, name))
			require.NoError(t, err)
			added := slices.DeleteFunc(strings.Split(string(after), "\n"), func(line string) bool {
				return strings.Contains(string(before), line+"\n")
			})
			for _, row := range rows {
				require.Regexp(t, `(?m)^`+row+`$`, strings.Join(added, "\n"), name)
			}
		}
	})
}

// printJobsDocs are forms of what docs/ says of the log, by file: lines that are not there without
// it.
var printJobsDocs = map[string][]string{
	"tables.md": {
		"[|] `printJobs` [|] what was printed [|] `printJobs` [|] `beta` [|] `PrintJob.Read.All` or " +
			"`PrintJob.ReadBasic.All`; " +
			"`Printer.Read.All` for more [|] yes [|]  [|] `printedjobs\\d{6}` [|]",
		"`printJobs`:",
		"[|] `PrinterId` [|] `printer/id` [|]  [|] yes [|] 1 [|]",
		"[|] `Outcome` [|] `status/outcome` [|] `done` [|]  [|] 2 [|]",
	},
	"http.md": {
		"[|] `printJobs` [|] none [|] `printJobs` [|] `printedDateTime` [|] `printer/name`, `status/errorCode` [|]",
		"[|] `PrintJobs` [|] `printJobs` [|] a record [|] 4 [|]",
		"[|] `PrintJobs_Sheets` [|] `printJobs` [|] an element of `sheets`, joined to `PrintJobs` by " +
			"`Job ID` [|] 3 [|]",
	},
	"permissions.md": {
		"[|] `AuditLog.Read.All` [|] all logs but .*`printJobs`; .*",
		"[|] `PrintJob.Read.All` [|] `printJobs` [|] .*",
		"[|] `PrintJob.ReadBasic.All` [|] `printJobs`, where .* `PrintJob.Read.All` [|] .*",
		"[|] `Printer.Read.All` [|] optional: names of printers [|] Graph leaves the names out [|]",
	},
	"settings.md": {"[|] `ARCHIVE_STREAMS` [|] .* [|] .*,printJobs [|] `.*,printJobs` [|]"},
}

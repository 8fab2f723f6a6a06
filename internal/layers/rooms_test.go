package layers_test

// room is a kind of package.
type room string

const (
	program     room = "the program"
	list        room = "the list of functions"
	function    room = "a function"
	adapter     room = "an adapter"
	useCase     room = "a use case"
	development room = "development"
)

// mayImport are the arrows between the rooms. One adapter imports no other one.
var mayImport = map[room][]room{
	program:     {list, function, adapter, useCase},
	list:        {function, useCase},
	function:    {useCase},
	adapter:     {adapter, useCase},
	useCase:     {useCase},
	development: {program, list, function, adapter, useCase, development},
}

// folders are the rooms whose packages may import all that their room may: a package, or with /*
// all below a folder.
var folders = map[room][]string{
	program:  {"handler"},
	list:     {"functions"},
	function: {"functions/*"},
	development: {"internal/dev/*", "internal/pack", "internal/search/searchtest", "internal/tables/tablestest",
		"tools/*"},
}

// useCases name their imports from the program, all without "internal/". What is not here is wrong,
// and so is what is here and not used.
var useCases = map[string]string{
	// The words that all share.
	"entra": "",
	"logs":  "entra",
	"mim":   "entra",

	// Identity Manager.
	"mim/deliveries": "arrivals collect entra ledger logs mim",

	"newest":    "",
	"odata":     "entra logs",
	"parallel":  "entra",
	"reference": "",
	"skiptoken": "entra",
	"streams":   "entra",
	"turns":     "",

	// The archive.
	"arrivals": "clocks entra ledger logs purge seal sealing",
	"clocks":   "entra",
	"collect":  "arrivals clocks entra ledger logs parallel seal sealing turns",
	"derive":   "entra ledger logs newest parallel",
	"lastseen": "derive directory entra ledger logs newest",
	"ledger":   "entra logs parallel seal",
	"purge":    "entra ledger seal sealing",
	"records":  "entra",
	"repair":   "entra ledger logs seal sealing verify",
	"seal":     "entra logs",
	"sealing":  "entra ledger seal",
	"verify":   "entra ledger logs seal turns",

	// The directory.
	"directory":             "directory/cursors directory/rules directory/timeline entra newest skiptoken turns",
	"directory/collections": "directory directory/rules entra",
	"directory/cursors":     "directory/timeline entra skiptoken",
	"directory/rules":       "entra",
	"directory/snapshots":   "directory directory/collections directory/rules directory/timeline entra newest",
	"directory/timeline":    "entra",

	// What is asked.
	"cost":            "",
	"export":          "entra logs records reference",
	"importing":       "entra logs odata",
	"importing/runs":  "arrivals entra importing importing/spool ledger logs",
	"importing/spool": "entra",
	"jobs":            "entra",
	"questions":       "entra",
	"preflight":       "directory/collections entra jobs logs parallel",
	"runs":            "entra jobs",
	"search":          "derive entra ledger logs odata parallel records reference turns",
	"settings":        "entra ledger logs purge",
	"status":          "directory entra ledger preflight runs",
	"report":          "directory entra ledger logs mim odata records reference search",

	// The one way over HTTP.
	"web":          "entra ledger logs parallel questions records turns web/router",
	"web/describe": "web",
	"web/router":   "",
}

// adapters talk to a service. They name their imports as use cases do. What is below an adapter
// belongs to it.
var adapters = map[string]string{
	"blobs": "entra seal sealing verify",
	"graph": "directory directory/collections directory/rules directory/snapshots entra logs parallel preflight",
	"tables": "arrivals collect derive directory directory/cursors directory/timeline entra jobs ledger logs mim " +
		"mim/deliveries parallel preflight purge questions " +
		"records repair seal sealing tables/rows verify",
	"tables/rows": "entra parallel",
}

// sdks are the packages of Azure's and Graph's SDKs: who may import them, and what is below them.
// Each is named: an SDK has as few doors as it can.
var sdks = map[string]string{
	"github.com/Azure/azure-sdk-for-go/sdk/azcore": "handler internal/blobs internal/dev/explore internal/dev/lab" +
		" internal/graph internal/tables/rows tools/bench",
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity":     "handler internal/graph internal/tables/rows tools/bench",
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables":  "internal/dev/lab internal/tables/rows tools/bench",
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob": "internal/blobs",

	"github.com/microsoft/kiota-abstractions-go":       "internal/graph tools/bench",
	"github.com/microsoft/kiota-http-go":               "internal/graph",
	"github.com/microsoft/kiota-serialization-json-go": "internal/graph tools/bench",
	"github.com/microsoftgraph/msgraph-sdk-go":         "internal/graph tools/bench",
	"github.com/microsoftgraph/msgraph-sdk-go-core":    "internal/graph tools/bench",
}

// libraries are the modules that every package may import. None of them leads to an SDK.
var libraries = []string{
	"github.com/cenkalti/backoff/v5",
	"github.com/google/uuid",
	"github.com/jedib0t/go-pretty/v6",
	"github.com/klauspost/compress",
	"github.com/oklog/run",
	"github.com/robfig/cron/v3",
	"github.com/stretchr/testify",
	"github.com/tidwall/gjson",
	"github.com/twmb/avro",
	"golang.org/x/mod",
	"golang.org/x/sync",
	"golang.org/x/time",
}

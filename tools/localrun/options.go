package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// options are what the command line says.
type options struct {
	records  string // a folder of records; empty: a generated tenant
	backfill string // ARCHIVE_BACKFILL; empty: by the source of the records
	once     bool
	host     string // what runs the handler
	port     int    // of the stand-in for the Functions host
	tables   int    // port of Azurite's tables
	blobs    int    // port of its blobs
	tenant   tenantOptions
}

// tenantOptions are the size of a generated tenant.
type tenantOptions struct {
	users, apps, days, policies int
	seed                        uint64
}

// What can run the handler.
const (
	hostStandIn   = "devhost"
	hostCoreTools = "func" // Azure Functions Core Tools
)

// mostBackfillDays is the longest ARCHIVE_BACKFILL that the handler accepts.
const mostBackfillDays = 7300

func readOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("localrun", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.records, "records", "",
		"serve the records of this `folder` (<stream>.jsonl) instead of a generated tenant")
	flags.StringVar(&o.backfill, "backfill", "", "how far back to archive, as 30d (default: --days; "+
		"5000d with --records)")
	flags.BoolVar(&o.once, "once", false, "end after the summary; fails where the run failed")
	flags.StringVar(&o.host, "host", hostStandIn, "what runs the handler: devhost, or func (Azure Functions "+
		"Core Tools)")
	flags.IntVar(&o.port, "port", 7071, "`port` of the Functions host; 0: a free one")
	flags.IntVar(&o.tables, "table-port", 10002, "`port` of Azurite's tables; 0: a free one")
	flags.IntVar(&o.blobs, "blob-port", 10000, "`port` of Azurite's blobs; 0: a free one")
	flags.IntVar(&o.tenant.users, "users", 300, "users of the generated tenant")
	flags.IntVar(&o.tenant.apps, "apps", 40, "applications of the generated tenant")
	flags.IntVar(&o.tenant.days, "days", 30, "days of logs of the generated tenant")
	flags.IntVar(&o.tenant.policies, "policies", 12, "Conditional Access policies of the generated tenant")
	flags.Uint64Var(&o.tenant.seed, "seed", 1, "the same seed generates the same tenant")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("read arguments: %q is not a flag; see --help", flags.Arg(0))
	}
	return o, o.check()
}

func (o *options) check() error {
	if o.records != "" {
		if info, err := os.Stat(o.records); err != nil || !info.IsDir() {
			return fmt.Errorf("read --records %s: it is no folder; name one that holds files such as "+
				"signIns.interactiveUser.jsonl", o.records)
		}
	}
	if o.host != hostStandIn && o.host != hostCoreTools {
		return fmt.Errorf("read --host %s: it is no host; give %s or %s", o.host, hostStandIn, hostCoreTools)
	}
	t := o.tenant
	if t.users < 1 || t.apps < 1 || t.policies < 0 || t.days < 1 || t.days > mostBackfillDays {
		return fmt.Errorf("read arguments: a tenant needs --users and --apps of 1 or more, --policies of 0 or "+
			"more and --days of 1 to %d", mostBackfillDays)
	}
	for _, port := range []int{o.port, o.tables, o.blobs} {
		if port < 0 || port > 65535 {
			return fmt.Errorf("read arguments: %d is no port; give 0 to 65535", port)
		}
	}
	if o.port == o.tables && o.port != 0 {
		return errors.New("read arguments: --port and --table-port are the same; give two ports")
	}
	if o.backfill == "" {
		o.backfill = fmt.Sprintf("%dd", t.days)
		if o.records != "" {
			o.backfill = "5000d"
		}
	}
	return nil
}

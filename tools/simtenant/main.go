// Command simtenant serves a simulated Microsoft Entra tenant on loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/entraledger/entraledger/internal/dev/command"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

func main() { command.Main("simtenant: ", run) }

type options struct {
	listen   string
	tenant   simtenant.Config
	generate generate.Config
	signIns  int
	faults   []simtenant.Fault
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := readOptions(args, stderr)
	if err != nil {
		return err
	}
	tenant, err := simtenant.New(o.tenant)
	if err != nil {
		return err
	}
	for _, f := range o.faults {
		tenant.Inject(f)
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; end what uses the port, or choose another with --listen", o.listen, err)
	}
	fmt.Fprintf(stdout, "simtenant listening on http://%s\n", listener.Addr())
	fmt.Fprintf(stdout,
		"its clock: %s; token endpoint: %s; controls: /_sim/faults /_sim/requests /_sim/records/<stream> /_sim/clock\n",
		tenant.Now().Format(time.RFC3339), simtenant.IdentityPath)
	server := &http.Server{Handler: tenant, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func readOptions(args []string, stderr io.Writer) (options, error) {
	o := options{}
	var now string
	flags := flag.NewFlagSet("simtenant", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:7080", "`address` on loopback; port 0 takes a free one")
	flags.StringVar(&o.tenant.Records, "records", "",
		"serve the records of a `folder` (files named after their stream) instead of made-up ones")
	flags.Uint64Var(&o.generate.Seed, "seed", 1, "of the made-up records")
	flags.IntVar(&o.generate.Users, "users", 300, "of the made-up tenant")
	flags.IntVar(&o.generate.Apps, "apps", 40, "of the made-up tenant")
	flags.IntVar(&o.generate.Days, "days", 30, "that the records span")
	flags.IntVar(&o.generate.Policies, "policies", 12, "Conditional Access policies in each sign-in")
	flags.IntVar(&o.signIns, "signins", 0, "exactly so many interactive sign-ins")
	flags.StringVar(&now, "now", "",
		"the tenant's clock at the start, as 2026-11-21T14:00:00Z; default: the real time, or after the newest record")
	flags.DurationVar(&o.tenant.Retention, "retention", 0,
		"how long the tenant keeps records (default 720h, or all of --records)")
	flags.IntVar(&o.tenant.PageSize, "page-size", 0, "the most records of a page, below what $top asks for; 0: $top")
	flags.IntVar(&o.tenant.RequestsPer10s, "requests-per-10s", 0, "ceiling of reporting requests; 0: none")
	flags.BoolVar(&o.tenant.NoRetryAfter, "no-retry-after", false, "a 429 comes without Retry-After")
	flags.BoolVar(&o.tenant.NoGzip, "no-gzip", false, "never compress")
	flags.StringVar(&o.tenant.IdentityHeader, "identity-header", "simtenant", "`secret` of the token endpoint")
	flags.BoolVar(&o.tenant.OtherSpelling, "other-spelling", false,
		"v1.0 writes equal values otherwise than beta: times, numbers, letters")
	flags.Func("fault", "`KIND[,NAME=VALUE...]`, repeatable; names: "+faultNames()+"; kinds: "+kinds(),
		func(text string) error {
			f, err := readFault(text)
			o.faults = append(o.faults, f)
			return err
		})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	err := o.complete(now)
	return o, err
}

// complete checks the options, and works out those that follow from others.
func (o *options) complete(now string) error {
	if now != "" {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			return fmt.Errorf("read --now %q: accepted is a time such as 2026-11-21T14:00:00Z", now)
		}
		o.tenant.Now = at
	}
	host, _, err := net.SplitHostPort(o.listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("read --listen %q: accepted is 127.0.0.1:<port>", o.listen)
	}
	if o.signIns > 0 {
		o.generate.Exactly = map[entra.Stream]int{logs.SignInsInteractiveUser: o.signIns}
	}
	if o.tenant.Records == "" {
		o.tenant.Generate = &o.generate
	}
	return nil
}

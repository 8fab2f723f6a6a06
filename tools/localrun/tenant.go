package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
)

// tenant is the simulated tenant, served on a free port of 127.0.0.1.
type tenant struct {
	endpoint       string // the stand-in for Microsoft Graph
	identity       string // its token endpoint
	identityHeader string
	done           chan struct{} // closed when it serves no longer
	server         *http.Server
}

// identityHeader is what the token endpoint asks for.
const identityHeader = "localrun"

// tenantStopWithin is how long answers in progress may last when everything ends.
const tenantStopWithin = time.Second

func startTenant(o options) (*tenant, error) {
	config := simtenant.Config{Records: o.records, IdentityHeader: identityHeader}
	if o.records == "" {
		config.Generate = &generate.Config{
			Seed: o.tenant.seed, Users: o.tenant.users, Apps: o.tenant.apps, Days: o.tenant.days,
			Policies: o.tenant.policies,
		}
	}
	simulated, err := simtenant.New(config)
	if err != nil {
		return nil, fmt.Errorf("start the simulated tenant: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the simulated tenant: %w", err)
	}
	t := &tenant{
		endpoint: "http://" + listener.Addr().String(), identityHeader: identityHeader, done: make(chan struct{}),
		server: &http.Server{Handler: simulated, ReadHeaderTimeout: time.Minute},
	}
	t.identity = t.endpoint + simtenant.IdentityPath
	go func() {
		defer close(t.done)
		_ = t.server.Serve(listener) // that it ended is all that matters
	}()
	return t, nil
}

func (t *tenant) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), tenantStopWithin)
	defer cancel()
	if err := t.server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		_ = t.server.Close()
	}
	<-t.done
}

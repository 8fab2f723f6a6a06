package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/entraledger/entraledger/internal/dev/azurite"
	"github.com/entraledger/entraledger/internal/dev/devhost"
	"github.com/entraledger/entraledger/internal/pack"
)

// stack is everything of a local run, ready to serve.
type stack struct {
	options options
	screen  screen
	azurite *azurite.Server
	tenant  *tenant
	host    functionsHost
	logs    *logs
	logFile *os.File
}

// setUp installs and builds what is missing and starts what the handler talks to. Where it fails,
// nothing is left running.
func setUp(ctx context.Context, root string, o options, out screen) (_ *stack, err error) {
	s := &stack{options: o, screen: out}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := install(ctx, root, out); err != nil {
		return nil, err
	}
	app := filepath.Join(root, ".local", "app")
	out.say("Building the handler ...")
	if err := pack.Layout(ctx, pack.Options{Root: root, Out: app}); err != nil {
		return nil, err
	}
	if s.logFile, err = os.Create(filepath.Join(root, ".local", "handler.log")); err != nil {
		return nil, fmt.Errorf("write the handler's log: %w", err)
	}
	s.logs = &logs{file: s.logFile, screen: out}
	out.say("Starting Azurite and the tenant ...")
	if s.azurite, err = azurite.Start(ctx, azurite.Options{Root: root, Port: o.tables, Blobs: true,
		BlobPort: o.blobs}); err != nil {
		return nil, err
	}
	if s.tenant, err = startTenant(o); err != nil {
		return nil, err
	}
	settings := handlerSettings{
		storage: s.azurite.ConnectionString(azurite.DevelopmentAccount), graph: s.tenant.endpoint,
		identity: s.tenant.identity, identityHeader: s.tenant.identityHeader, backfill: o.backfill,
	}
	s.host, err = s.load(ctx, app, settings)
	return s, err
}

// load makes the host that the options name.
func (s *stack) load(ctx context.Context, app string, settings handlerSettings) (functionsHost, error) {
	o := s.options
	if o.host == hostCoreTools {
		program, err := findCoreTools(ctx)
		if err != nil {
			return nil, err
		}
		port := o.port
		if port == 0 {
			if port, err = devhost.FreePort(); err != nil {
				return nil, err
			}
		}
		return newCoreTools(program, app, port, settings, s.logs)
	}
	host, err := devhost.Load(devhost.Options{
		AppRoot: app, Listen: "127.0.0.1:" + strconv.Itoa(o.port), Environ: settings.environment(os.Environ()),
		FunctionKey: functionKey, MasterKey: masterKey, Out: s.logs, Grace: handlerGrace,
	})
	if err != nil {
		return nil, fmt.Errorf("load the app: %w", err)
	}
	return standIn{host}, nil
}

func install(ctx context.Context, root string, out screen) error {
	if azurite.Installed(root) {
		return nil
	}
	out.say("Installing Azurite from npm into tools/azurite (365 MB, about a minute) ...")
	var said bytes.Buffer
	if err := azurite.Install(ctx, root, &said); err != nil {
		return fmt.Errorf("%w; npm said:\n%s", err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// close ends what was started. The handler is gone by then, so nothing needs the rest.
func (s *stack) close() {
	if s.tenant != nil {
		s.tenant.stop()
	}
	if s.azurite != nil {
		s.azurite.Stop()
	}
	if s.logFile != nil {
		_ = s.logFile.Close() // what is lost is the end of a log
	}
}

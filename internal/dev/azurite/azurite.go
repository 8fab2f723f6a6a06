// Package azurite starts Azurite, Azure Storage's own emulator, for development and tests.
package azurite

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// DevelopmentAccount and DevelopmentKey are what Microsoft publishes for every emulator; they open
// nothing else.
const (
	DevelopmentAccount = "devstoreaccount1"
	DevelopmentKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Options of a server.
type Options struct {
	Root     string    // of the project, with tools/azurite installed below it; empty: looked for upwards from here
	Port     int       // of the table service on 127.0.0.1; 0: a free one
	Blobs    bool      // start the blob service, too
	BlobPort int       // of the blob service; 0: a free one
	Accounts []string  // beside the development account; each is a store of its own
	Log      io.Writer // nil: discarded
}

// Server is a running Azurite. Everything is held in memory and ends with it.
type Server struct {
	Port   int // of the table service
	tables *service
	blobs  *service // nil: not started
}

// service is one of Azurite's programs.
type service struct {
	name string
	port int
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// startWithin is how long Azurite may need until it accepts connections.
const startWithin = 60 * time.Second

// Start starts Azurite and waits until it answers.
func Start(ctx context.Context, o Options) (*Server, error) {
	if _, err := exec.LookPath("node"); err != nil {
		return nil, errors.New("start Azurite: there is no node on the PATH; install Node.js 20 or later")
	}
	tables, err := startService(o, "table", o.Port)
	if err != nil {
		return nil, err
	}
	s := &Server{Port: tables.port, tables: tables}
	if o.Blobs {
		if s.blobs, err = startService(o, "blob", o.BlobPort); err != nil {
			s.Stop()
			return nil, err
		}
	}
	for _, part := range s.services() {
		if err := part.await(ctx); err != nil {
			s.Stop()
			return nil, err
		}
	}
	return s, nil
}

func (s *Server) services() []*service {
	if s.blobs == nil {
		return []*service{s.tables}
	}
	return []*service{s.tables, s.blobs}
}

// startService starts the program of one service: table or blob.
func startService(o Options, name string, port int) (*service, error) {
	script, err := find(o.Root, name)
	if err != nil {
		return nil, err
	}
	if port, err = choosePort(port); err != nil {
		return nil, err
	}
	cmd := exec.Command("node", script, "--disableTelemetry", "--silent", "--inMemoryPersistence",
		"--skipApiVersionCheck",
		"--"+name+"Host", "127.0.0.1", "--"+name+"Port", strconv.Itoa(port))
	cmd.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+accounts(o.Accounts))
	cmd.Stdout, cmd.Stderr = o.Log, o.Log
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start Azurite: %w", err)
	}
	s := &service{name: name, port: port, cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is seen by who talks to it
		close(s.done)
	}()
	return s, nil
}

func (s *service) await(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, startWithin)
	defer stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", s.address())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.done:
			return fmt.Errorf("start Azurite: it ended at once; run it by hand to see why: "+
				"node_modules/.bin/azurite-%s in tools/azurite", s.name)
		case <-ctx.Done():
			return fmt.Errorf("start Azurite: it does not answer on port %d: %w", s.port, ctx.Err())
		case <-tick.C:
		}
	}
}

func (s *service) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

func (s *Server) address() string { return s.tables.address() }

// ConnectionString opens an account.
func (s *Server) ConnectionString(account string) string {
	text := fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;TableEndpoint=http://%s/%s",
		account, key(account), s.address(), account)
	if s.blobs != nil {
		text += fmt.Sprintf(";BlobEndpoint=http://%s/%s", s.blobs.address(), account)
	}
	return text
}

// PID is the id of the table service's process.
func (s *Server) PID() int { return s.tables.cmd.Process.Pid }

// Done is closed when the table service has ended.
func (s *Server) Done() <-chan struct{} { return s.tables.done }

// Stop kills Azurite and waits until it is gone. There is nothing to save.
func (s *Server) Stop() {
	for _, part := range s.services() {
		_ = part.cmd.Process.Kill() // it may have ended already
		<-part.done
	}
}

func key(account string) string {
	if account == DevelopmentAccount {
		return DevelopmentKey
	}
	return base64.StdEncoding.EncodeToString([]byte("key of " + account))
}

func accounts(names []string) string {
	list := DevelopmentAccount + ":" + DevelopmentKey
	for _, name := range names {
		list += ";" + name + ":" + key(name)
	}
	return list
}

// choosePort finds a free port, or reports that the requested one is used.
func choosePort(port int) (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return 0, fmt.Errorf("start Azurite: port %d of 127.0.0.1 is in use; end what uses it, another Azurite perhaps",
			port)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// find looks for the program of one of the installed Azurite's services.
func find(root, service string) (string, error) {
	if root == "" {
		var err error
		if root, err = Root(); err != nil {
			return "", err
		}
	}
	script := filepath.Join(root, "tools", "azurite", "node_modules", "azurite", "dist", "src", service, "main.js")
	if _, err := os.Stat(script); err != nil {
		return "", errors.New("start Azurite: it is not installed; run `make setup` (npm ci in tools/azurite)")
	}
	return script, nil
}

// Root is the project's folder: the nearest one upwards whose go.mod is the project's own.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the project: %w", err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module github.com/entraledger/entraledger\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the project: there is no go.mod of it here or above")
		}
		dir = parent
	}
}

package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
)

// checkMachine returns in one line what is missing before anything is started.
func checkMachine(ctx context.Context, o options) error {
	for _, need := range []struct{ program, remedy string }{
		{"go", "install Go 1.26 or later (go.dev/dl)"},
		{"node", "install Node.js 20.19 or later (nodejs.org)"},
		{"npm", "install npm, which comes with Node.js (nodejs.org)"},
	} {
		if _, err := exec.LookPath(need.program); err != nil {
			return fmt.Errorf("find %s: it is not on the PATH; %s", need.program, need.remedy)
		}
	}
	if o.host == hostCoreTools {
		if _, err := findCoreTools(ctx); err != nil {
			return err
		}
	}
	if err := checkPort(o.port, "the Functions host", "--port (make run PORT=0)"); err != nil {
		return err
	}
	if err := checkPort(o.tables, "Azurite's tables", "--table-port (make run TABLE_PORT=0)"); err != nil {
		return err
	}
	return checkPort(o.blobs, "Azurite's blobs", "--blob-port (make run BLOB_PORT=0)")
}

func checkPort(port int, what, flag string) error {
	if port == 0 {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("listen on port %d of 127.0.0.1 for %s: it is in use; end what uses it, another make "+
			"run perhaps, or give another with %s", port, what, flag)
	}
	return l.Close()
}

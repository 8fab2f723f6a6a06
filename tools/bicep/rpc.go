package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// session is a running compiler that answers JSON-RPC: one process for all files, because reading
// the types of Azure's resources needs most of its time. Calls are sequential.
type session struct {
	in    io.WriteCloser
	out   *bufio.Reader
	end   func() string // ends the process, and gives what it wrote to its standard error
	calls int
}

// startProcess starts the compiler at path.
func startProcess(ctx context.Context, path, home string) (*session, error) {
	var stderr bytes.Buffer
	process := exec.CommandContext(ctx, path, "jsonrpc", "--stdio")
	// Profiling its own code is no gain for a process this short: without it, it is a third faster.
	process.Env = append(os.Environ(), "HOME="+home, "DOTNET_TieredPGO=0")
	process.Stderr = &stderr
	in, err := process.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the Bicep compiler: %w", err)
	}
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the Bicep compiler: %w", err)
	}
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("start the Bicep compiler: %w", err)
	}
	end := sync.OnceValue(func() string {
		in.Close()
		_ = process.Process.Kill() // it keeps nothing that a kill could harm
		_ = process.Wait()
		return strings.TrimSpace(stderr.String())
	})
	return &session{in: in, out: bufio.NewReader(out), end: end}, nil
}

// call sends one request and decodes its result into out.
func (s *session) call(method string, params, out any) error {
	s.calls++
	request, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": s.calls, "method": method, "params": params})
	if err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	if _, err := fmt.Fprintf(s.in, "Content-Length: %d\r\n\r\n%s", len(request), request); err != nil {
		return s.lost(method, err)
	}
	var answer struct {
		ID     int
		Result json.RawMessage
		Error  *struct{ Message string }
	}
	if err := s.read(&answer); err != nil {
		return s.lost(method, err)
	}
	switch {
	case answer.Error != nil:
		return &refusedError{method: method, message: answer.Error.Message}
	case answer.ID != s.calls:
		return fmt.Errorf("call %s: the answer is to request %d and not to %d", method, answer.ID, s.calls)
	}
	if err := json.Unmarshal(answer.Result, out); err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	return nil
}

// refusedError is the compiler's own word that it can't do what it was asked.
type refusedError struct{ method, message string }

func (e *refusedError) Error() string { return "call " + e.method + ": " + e.message }

// read decodes one message: headers, an empty line, as many bytes as Content-Length says.
func (s *session) read(message any) error {
	headers, err := textproto.NewReader(s.out).ReadMIMEHeader()
	if err != nil {
		return err
	}
	length, err := strconv.Atoi(headers.Get("Content-Length"))
	if err != nil {
		return err
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(s.out, body); err != nil {
		return err
	}
	return json.Unmarshal(body, message)
}

// lost is the error where the process is gone: what it wrote last says more than the broken pipe.
func (s *session) lost(method string, err error) error {
	if said := s.end(); said != "" {
		err = errors.New(said)
	}
	return fmt.Errorf("call %s: the compiler ended: %w", method, err)
}

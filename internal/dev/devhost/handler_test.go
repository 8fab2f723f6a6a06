package devhost

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// playHandler is the handler process of the tests. The mode says how it behaves.
func playHandler(mode string) {
	switch mode {
	case "never listens":
		select {}
	case "exit 1 at start":
		fmt.Fprintln(os.Stderr, "first\nsecond\nthird\npanic: no settings")
		os.Exit(1)
	case "exit 0 at start":
		os.Exit(0)
	case "ends with 200":
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGTERM)
		go func() {
			<-told
			os.Exit(200)
		}()
	case "slow start":
		time.Sleep(200 * time.Millisecond)
	case "print":
		fmt.Println(`{"time":"2026-11-20T10:00:00.5Z","level":"WARN","msg":"page late","stream":"signIns","n":3,` +
			`"why":"two words"}`)
		fmt.Println("plain line")
		fmt.Fprintln(os.Stderr, "a WARNing of sorts")
		fmt.Fprintln(os.Stderr, "broken pipe")
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	// It ends with an exit code of its own choice, or by a kill.
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveMode(mode, w, r) }))
}

func serveMode(mode string, w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/":
		w.WriteHeader(http.StatusNotFound)
	case strings.HasPrefix(r.URL.Path, "/api/"):
		serveHTTPMode(w, r)
	default:
		serveTimer(mode, w, r)
	}
}

func serveTimer(mode string, w http.ResponseWriter, r *http.Request) {
	note(r)
	asJSON := func(status int, body string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
	switch mode {
	case "empty":
		w.WriteHeader(http.StatusOK)
	case "no content":
		w.WriteHeader(http.StatusNoContent)
	case "null":
		asJSON(200, "null")
	case "no content type":
		_, _ = io.WriteString(w, `{"Outputs":{}}`)
	case "broken json":
		asJSON(200, `{"Outputs":`)
	case "redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	case "500":
		asJSON(500, `{"Logs":["lost"]}`)
	case "exit 0":
		os.Exit(0)
	case "exit 1":
		fmt.Fprintln(os.Stderr, "panic: boom")
		os.Exit(1)
	case "exit 200":
		os.Exit(200)
	case "hang":
		select {}
	case "fail twice":
		if countMarks() <= 2 {
			asJSON(500, "{}")
			return
		}
		asJSON(200, `{}`)
	case "gate":
		fmt.Println("run begins")
		for {
			if _, err := os.Stat(os.Getenv("DEVHOST_TEST_MARK") + ".open"); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		asJSON(200, `{}`)
	default:
		asJSON(200, `{"Outputs":{"o":1},"Logs":["12 records"],"ReturnValue":7}`)
	}
}

// note appends what arrived to the mark file, one JSON object a line.
func note(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	line, err := json.Marshal(map[string]any{
		"Method": r.Method, "Path": r.URL.Path, "Header": r.Header,
		"Chunked": r.ContentLength == -1, "Body": json.RawMessage(body),
	})
	if err != nil {
		panic(err)
	}
	f, err := os.OpenFile(os.Getenv("DEVHOST_TEST_MARK"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintf(f, "%s\n", line)
}

func countMarks() int {
	data, _ := os.ReadFile(os.Getenv("DEVHOST_TEST_MARK"))
	return strings.Count(string(data), "\n")
}

// serveHTTPMode is chosen by the path, so that one process serves many tests.
func serveHTTPMode(w http.ResponseWriter, r *http.Request) {
	switch filepath.Base(r.URL.Path) {
	case "exit0":
		os.Exit(0)
	case "exit1once":
		mark := os.Getenv("DEVHOST_TEST_MARK")
		if _, err := os.Stat(mark); err != nil {
			_ = os.WriteFile(mark, nil, 0o644)
			os.Exit(1)
		}
		fmt.Fprint(w, "second try")
	case "cutoff":
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "part")
		_ = http.NewResponseController(w).Flush()
		os.Exit(1)
	case "silent":
		fmt.Println("silent begins")
		<-r.Context().Done()
		fmt.Println("silent ends")
	case "stream":
		w.Header().Set("Trailer", "X-End")
		fmt.Fprint(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case "moved":
		w.Header().Set("Location", "/there")
		w.Header().Set("Set-Cookie", "a=b")
		w.WriteHeader(http.StatusFound)
	case "teapot":
		w.WriteHeader(http.StatusTeapot)
	default:
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Path", r.RequestURI)
		w.Header().Set("Trailer", "X-End")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"host": r.Host, "header": r.Header, "body": string(body), "method": r.Method,
			"args": os.Args[1:], "env": os.Environ(), "dir": workingDir(),
		})
		w.Header().Set("X-End", "done")
	}
}

func workingDir() string {
	dir, err := os.Getwd()
	if err != nil {
		return err.Error()
	}
	return dir
}

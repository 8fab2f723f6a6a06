package graph

import (
	"bytes"
	"io"
	"net/http"
	"sync"

	"github.com/klauspost/compress/gzip"
	khttp "github.com/microsoft/kiota-http-go"
	msgraphgocore "github.com/microsoftgraph/msgraph-sdk-go-core"
)

// maxErrorBody bounds how much of an error's body is read.
const maxErrorBody = 64 << 10

// newHTTPClient builds the SDK's middleware chain by hand: its default order is random per process
// (map iteration). Its retry handler is left out, because it obeys any Retry-After without bound,
// and so is its compression of requests. Below it each request waits for its turn, whichever caller
// makes it: the SDK repeats one by itself on a claims challenge.
func newHTTPClient(base http.RoundTripper, version string) *http.Client {
	agent := khttp.NewUserAgentHandlerOptions()
	agent.ProductName, agent.ProductVersion = "entraledger", version
	return &http.Client{
		// Graph's log collections don't redirect; an answer that does is shown as it is.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: khttp.NewCustomTransportWithParentTransport(
			closeErrors{unzip{base, &sync.Pool{New: func() any { return new(gzip.Reader) }}}},
			msgraphgocore.NewGraphTelemetryHandler(&msgraphgocore.GraphClientOptions{}),
			khttp.NewUserAgentHandlerWithOptions(agent),
		),
	}
}

// onTurn makes a RoundTripper whose requests wait for their turn.
func onTurn(base http.RoundTripper) http.RoundTripper {
	switch t := base.(type) {
	case nil:
		return newSingle(http.DefaultTransport.(*http.Transport))
	case *http.Transport:
		return newSingle(t)
	}
	return turned{base}
}

// closeErrors reads and closes the body of every refused request and hands a copy on. The SDK drops
// such answers without closing them (on a claims challenge, for one), and each would cost a
// connection.
type closeErrors struct{ base http.RoundTripper }

func (c closeErrors) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.base.RoundTrip(req)
	if err != nil || resp.StatusCode < 400 {
		return resp, err
	}
	defer resp.Body.Close()
	// What can be read is kept: the status tells enough where the body breaks off.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// Package graph reads the tenant's logs from Microsoft Graph. Nothing else imports the SDK.
package graph

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	msgraphgocore "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go-core/authentication"
)

// Config of a Client.
type Config struct {
	Endpoint   string // https://graph.microsoft.com, a national cloud's, or a simulator's on loopback
	Scope      string // of the token: https://graph.microsoft.com/.default
	Credential azcore.TokenCredential
	Limiter    *Limiter // shared by everything in the process that reads reports
	Version    string   // of the app, for the User-Agent
	Log        *slog.Logger

	// Transport connects; nil: net/http's default. One that is no *http.Transport must not repeat a
	// request by itself.
	Transport http.RoundTripper
	Tries     uint          // of one request, where Refusals has no other number; 0: 5
	BackOff   time.Duration // before the second try, doubling; 0: 2 s
	Steady    bool          // pauses between tries are not spread at random
	Timeout   time.Duration // of one try, without its wait for a turn; 0: 90 s
}

const (
	defaultTries   = 5
	defaultTimeout = 90 * time.Second
)

// Client reads log collections as raw pages.
type Client struct {
	cfg     Config
	base    *url.URL
	adapter *msgraphgocore.GraphRequestAdapterBase
	// Pages are megabytes, and the next one fits where the last one was. A sync.Pool would be empty after each
	// garbage collection, which pages this large bring on.
	buffers chan *bytes.Buffer
	largest atomic.Int64 // bytes of the largest page so far
}

// keptBuffers is how many pages' memory is kept: of each stream that is read, one being written and one being fetched.
const keptBuffers = 6

func (c *Client) takeBuffer() *bytes.Buffer {
	select {
	case b := <-c.buffers:
		b.Reset()
		return b
	default:
		// A buffer that grows by doubling would end at up to twice a page, and stay there.
		b := new(bytes.Buffer)
		if n := c.largest.Load(); n > 0 {
			b.Grow(int(n + n/8))
		}
		return b
	}
}

func (c *Client) giveBuffer(b *bytes.Buffer) {
	n := int64(b.Len())
	for was := c.largest.Load(); n > was && !c.largest.CompareAndSwap(was, n); was = c.largest.Load() {
	}
	if n > 0 && int64(b.Cap()) > n+n/2 && int64(b.Cap()) > c.largest.Load()*5/4 {
		return // it grew by doubling; one of the right size takes its place
	}
	select {
	case c.buffers <- b:
	default: // enough are kept
	}
}

// New makes a Client. It sends nothing.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(cfg.Endpoint, "/"))
	if err != nil || base.Host == "" || base.Scheme != "https" && !isLoopback(base) || base.Path != "" {
		return nil, fmt.Errorf("read GRAPH_ENDPOINT %q: accepted is https://<host>, or http on 127.0.0.1", cfg.Endpoint)
	}
	if cfg.Tries == 0 {
		cfg.Tries = defaultTries
	}
	if cfg.BackOff == 0 {
		cfg.BackOff = 2 * time.Second
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	// To any other host the SDK would send requests without a token, so nextLinks are checked too.
	auth, err := authentication.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(
		cfg.Credential, []string{cfg.Scope}, []string{base.Hostname()})
	if err != nil {
		return nil, fmt.Errorf("make the Graph client: %w", err)
	}
	registry := serialization.NewParseNodeFactoryRegistry()
	jsonFactory := jsonserialization.NewJsonParseNodeFactory()
	registry.ContentTypeAssociatedFactories["application/json"] = jsonFactory
	adapter, err := msgraphgocore.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		auth, msgraphgocore.GraphClientOptions{}, registry, nil, newHTTPClient(onTurn(cfg.Transport), cfg.Version))
	if err != nil {
		return nil, fmt.Errorf("make the Graph client: %w", err)
	}
	adapter.SetBaseUrl(base.String())
	return &Client{cfg: cfg, base: base, adapter: adapter, buffers: make(chan *bytes.Buffer, keptBuffers)}, nil
}

func isLoopback(u *url.URL) bool {
	switch u.Hostname() {
	case "127.0.0.1", "localhost", "::1":
		return u.Scheme == "http"
	}
	return false
}

// answer is one HTTP answer, its body read and decompressed.
type answer struct {
	status int
	header http.Header
	body   *bytes.Buffer // from the client's pool
}

// date is the tenant's clock as the answer has it; zero without.
func (a answer) date() time.Time {
	t, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// errTurn says that a request did not leave.
type errTurn struct{ error }

func (e errTurn) Unwrap() error { return e.error }

// errSent is the error of a request that left: Graph may have begun to work on it.
type errSent struct {
	error
	after time.Duration // since it left
}

func (e errSent) Unwrap() error { return e.error }

// byteOrderMark may stand before JSON. Source: RFC 8259, section 8.1, which lets a reader ignore
// it.
var byteOrderMark = []byte("\xef\xbb\xbf")

// send makes one try, which leaves when wait returns. The SDK adds the token and its headers; the
// answer is taken raw, whatever its status. Its error is an errTurn where wait's is the reason, and
// an errSent where the request had left.
func (c *Client) send(ctx context.Context, r request) (answer, error) {
	ctx, turn, stop := withTurn(ctx, r.wait, c.cfg.Timeout)
	defer stop()
	target, err := url.Parse(r.url)
	if err != nil {
		return answer{}, fmt.Errorf("read the address of a page: %w", err)
	}
	info := abstractions.NewRequestInformation()
	info.Method = abstractions.GET
	info.SetUri(*target)
	info.Headers.Add("Accept", cmp.Or(r.accept, "application/json"))
	if r.eventual {
		info.Headers.Add("ConsistencyLevel", "eventual")
	}
	// Without it Graph gives newer members of enums as unknownFutureValue. A next link does not
	// remember it. Source: learn.microsoft.com/graph/best-practices-concept, "Handling future
	// members in evolvable enumerations".
	info.Headers.Add("Prefer", "include-unknown-enum-members")

	var (
		got      answer
		received bool
	)
	handler := abstractions.NewRequestHandlerOption()
	handler.SetResponseHandler(func(response any, _ abstractions.ErrorMappings) (any, error) {
		resp, ok := response.(*http.Response)
		if !ok {
			return nil, fmt.Errorf("read Graph's answer: the SDK handed over a %T", response)
		}
		defer resp.Body.Close()
		body := c.takeBuffer()
		_, err := body.ReadFrom(resp.Body)
		if bytes.HasPrefix(body.Bytes(), byteOrderMark) {
			body.Next(len(byteOrderMark))
		}
		got, received = answer{status: resp.StatusCode, header: resp.Header, body: body}, true
		return nil, err
	})
	info.AddRequestOptions([]abstractions.RequestOption{handler})
	_, err = c.adapter.SendPrimitive(ctx, info, "[]byte", nil)
	if turn.err != nil {
		return answer{}, errTurn{turn.err}
	}
	if err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = fmt.Errorf("%w (%w)", context.DeadlineExceeded, err)
	}
	if err != nil && !turn.left.IsZero() {
		err = errSent{err, time.Since(turn.left)}
	}
	if err != nil {
		return answer{}, err
	}
	if !received {
		return answer{}, errors.New("read Graph's answer: there was none")
	}
	return got, nil
}

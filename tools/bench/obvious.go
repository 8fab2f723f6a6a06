package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	msgraphgocore "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go-core/authentication"
	"github.com/microsoftgraph/msgraph-sdk-go/auditlogs"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
)

// obviousTable is where the obvious program puts the sign-ins.
const obviousTable = "signins"

// obvious is the program that the SDKs' own examples lead to: the typed client's page iterator,
// each sign-in serialised by the SDK, one upsert a record.
func obvious(ctx context.Context, j job) (outcome, error) {
	adapter, err := obviousAdapter(j)
	if err != nil {
		return outcome{}, err
	}
	counted := newCountingTransport()
	service, err := aztables.NewServiceClientFromConnectionString(j.Tables, &aztables.ClientOptions{
		ClientOptions: policy.ClientOptions{Transport: &http.Client{Transport: counted}},
	})
	if err != nil {
		return outcome{}, fmt.Errorf("connect to the tables: %w", err)
	}
	table := service.NewClient(obviousTable)
	if _, err := table.CreateTable(ctx, nil); err != nil {
		return outcome{}, fmt.Errorf("create the table: %w", err)
	}
	w := newUpserter(ctx, table, j.Parallel)
	err = obviousRead(ctx, adapter, w.put)
	if failed := w.wait(); failed != nil {
		err = failed
	}
	return outcome{Records: w.stored.Load(), Refused: w.refused.Load(), TableRequests: counted.requests.Load()}, err
}

// obviousAdapter is the SDK's adapter with its default middleware, signed in with the managed
// identity.
func obviousAdapter(j job) (*msgraphgocore.GraphRequestAdapterBase, error) {
	abstractions.RegisterDefaultSerializer(func() serialization.SerializationWriterFactory {
		return jsonserialization.NewJsonSerializationWriterFactory()
	})
	abstractions.RegisterDefaultDeserializer(func() serialization.ParseNodeFactory {
		return jsonserialization.NewJsonParseNodeFactory()
	})
	base, err := url.Parse(j.Graph)
	if err != nil {
		return nil, fmt.Errorf("read the tenant's address: %w", err)
	}
	if err := useIdentity(j); err != nil {
		return nil, err
	}
	credential, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	auth, err := authentication.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(
		credential, []string{"https://graph.microsoft.com/.default"}, []string{base.Hostname()})
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	adapter, err := msgraphgocore.NewGraphRequestAdapterBase(auth,
		msgraphgocore.GraphClientOptions{GraphServiceLibraryVersion: "1.89.0"})
	if err != nil {
		return nil, fmt.Errorf("connect to the tenant: %w", err)
	}
	adapter.SetBaseUrl(j.Graph + "/beta")
	return adapter, nil
}

// obviousRead hands every sign-in of the tenant to put.
func obviousRead(ctx context.Context, adapter abstractions.RequestAdapter, put func(models.SignInable) error) error {
	builder := auditlogs.NewSignInsRequestBuilderInternal(map[string]string{"baseurl": adapter.GetBaseUrl()}, adapter)
	first, err := builder.Get(ctx, nil)
	if err != nil {
		return fmt.Errorf("read the first page: %w", err)
	}
	pages, err := msgraphgocore.NewPageIterator[models.SignInable](first, adapter,
		models.CreateSignInCollectionResponseFromDiscriminatorValue)
	if err != nil {
		return fmt.Errorf("read the first page: %w", err)
	}
	var failed error
	err = pages.Iterate(ctx, func(record models.SignInable) bool {
		failed = put(record)
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("read the next page: %w", err)
	}
	return nil
}

// upserter writes one record at a time, or a few at a time with workers.
type upserter struct {
	ctx             context.Context
	table           *aztables.Client
	queue           chan []byte // nil: no workers
	workers         sync.WaitGroup
	mu              sync.Mutex
	failed          error
	stored, refused atomic.Int64
}

func newUpserter(ctx context.Context, table *aztables.Client, parallel int) *upserter {
	w := &upserter{ctx: ctx, table: table}
	if parallel <= 1 {
		return w
	}
	w.queue = make(chan []byte)
	for range parallel {
		w.workers.Go(func() {
			for entity := range w.queue {
				if err := w.upsert(entity); err != nil {
					w.mu.Lock()
					w.failed = err
					w.mu.Unlock()
				}
			}
		})
	}
	return w
}

func (w *upserter) put(record models.SignInable) error {
	entity, err := obviousEntity(record)
	if err != nil {
		return err
	}
	if w.queue == nil {
		return w.upsert(entity)
	}
	w.queue <- entity
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

func (w *upserter) upsert(entity []byte) error {
	_, err := w.table.UpsertEntity(w.ctx, entity, nil)
	var response *azcore.ResponseError
	switch {
	case err == nil:
		w.stored.Add(1)
		return nil
	case errors.As(err, &response) && response.StatusCode == http.StatusBadRequest:
		// A record over a property's limit is lost to this program; the benchmark only counts it.
		w.refused.Add(1)
		return nil
	default:
		return fmt.Errorf("upsert a record: %w", err)
	}
}

func (w *upserter) wait() error {
	if w.queue != nil {
		close(w.queue)
		w.workers.Wait()
	}
	return w.failed
}

// obviousEntity is the row of one sign-in: the day, the id, two columns to look at and the record
// as text.
func obviousEntity(record models.SignInable) ([]byte, error) {
	body, err := serialization.SerializeToJson(record)
	if err != nil {
		return nil, fmt.Errorf("serialise a record: %w", err)
	}
	created := orZero(record.GetCreatedDateTime())
	entity, err := json.Marshal(aztables.EDMEntity{
		Entity: aztables.Entity{PartitionKey: created.Format(time.DateOnly), RowKey: orZero(record.GetId())},
		Properties: map[string]any{
			"CreatedDateTime":   aztables.EDMDateTime(created),
			"UserPrincipalName": orZero(record.GetUserPrincipalName()),
			"Record":            string(body),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("serialise a row: %w", err)
	}
	return entity, nil
}

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// countingTransport counts HTTP requests on their way.
type countingTransport struct {
	base     http.RoundTripper
	requests atomic.Int64
}

// newCountingTransport has room for as many idle connections as either program uses at a time.
func newCountingTransport() *countingTransport {
	base := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}
	return &countingTransport{base: base}
}

// RoundTrip implements http.RoundTripper.
func (t *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.requests.Add(1)
	return t.base.RoundTrip(r)
}

// Package tables keeps the archive in Azure Table Storage. Nothing else imports aztables.
package tables

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/entraledger/entraledger/internal/archive"
)

// developmentStorage is what UseDevelopmentStorage=true stands for: Azurite on its default port, with the account and
// key that Microsoft publishes for it.
const developmentStorage = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
	"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
	"TableEndpoint=http://127.0.0.1:10002/devstoreaccount1"

// Config says where the archive lies. Either ConnectionString is set, or ServiceURI and Credential.
type Config struct {
	ConnectionString string
	ServiceURI       string // https://<account>.table.core.windows.net
	Credential       azcore.TokenCredential
	HTTP             *http.Client // nil: one with sensible limits
	Retries          int32        // of one request, on 408, 429 and 5xx; 0: 3, negative: none
}

// Store is an archive.Store over Table Storage. It is safe for concurrent use.
type Store struct {
	service *aztables.ServiceClient
	host    string // for errors
	codec   *codec

	dictionaries dictionaries
	commits      atomic.Int64 // made by this store; numbers their marks

	creating singleflight.Group
	created  sync.Map // table name -> struct{}{}
	secrets  sync.Map // name -> []byte
}

var _ archive.Store = (*Store)(nil)

// writers is how many transactions one call has under way at the same time.
const writers = 4

// New makes a Store. It opens no connection.
func New(cfg Config) (*Store, error) {
	codec, err := newCodec()
	if err != nil {
		return nil, err
	}
	client := cfg.HTTP
	if client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 32
		client = &http.Client{Transport: transport}
	}
	options := &aztables.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport:        client,
		PerCallPolicies:  []policy.Policy{transactionPolicy{}},
		PerRetryPolicies: []policy.Policy{listingPolicy{}},
		Telemetry:        policy.TelemetryOptions{ApplicationID: "entraledger"},
		Retry:            policy.RetryOptions{MaxRetries: cfg.Retries, RetryDelay: 500 * time.Millisecond, MaxRetryDelay: 20 * time.Second, TryTimeout: 60 * time.Second},
	}}
	s := &Store{codec: codec}
	if cfg.ConnectionString != "" {
		text := cfg.ConnectionString
		if strings.HasPrefix(strings.ReplaceAll(strings.ToLower(text), " ", ""), "usedevelopmentstorage=true") {
			text = developmentStorage
		}
		// The cause quotes nothing of the text: it holds the account's key.
		if s.service, err = aztables.NewServiceClientFromConnectionString(text, options); err != nil {
			return nil, errors.New("read ARCHIVE_STORAGE: it is not a storage connection string (AccountName=...;AccountKey=...;...) nor UseDevelopmentStorage=true")
		}
		s.host = "the storage account of ARCHIVE_STORAGE"
		return s, nil
	}
	u, err := url.Parse(cfg.ServiceURI)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("read ARCHIVE_STORAGE__tableServiceUri %q: accepted is https://<account>.table.core.windows.net", cfg.ServiceURI)
	}
	s.host = u.Host
	if s.service, err = aztables.NewServiceClient(strings.TrimRight(cfg.ServiceURI, "/"), cfg.Credential, options); err != nil {
		return nil, fmt.Errorf("make the table client: %w", err)
	}
	return s, nil
}

// ensureTable creates a table once for each process.
func (s *Store) ensureTable(ctx context.Context, name string) error {
	if _, ok := s.created.Load(name); ok {
		return nil
	}
	_, err, _ := s.creating.Do(name, func() (any, error) {
		_, err := s.service.CreateTable(ctx, name, nil)
		if err != nil && !isCode(err, "TableAlreadyExists") {
			return nil, err
		}
		s.created.Store(name, struct{}{})
		return nil, nil
	})
	return s.explain("create table "+name, err)
}

// submit writes one transaction. A table that went away since it was made (a purge) is made once more.
func (s *Store) submit(ctx context.Context, table string, actions []aztables.TransactionAction) error {
	for again := range 2 {
		if err := s.ensureTable(ctx, table); err != nil {
			return err
		}
		sending, actions := withTransaction(ctx, table, actions)
		_, err := s.service.NewClient(table).SubmitTransaction(sending, actions, nil)
		if again == 0 && isCode(err, "TableNotFound") {
			s.created.Delete(table)
			continue
		}
		return s.explain("write to table "+table, err)
	}
	return nil
}

// batch is what has to stay together: the rows of one record.
type batch struct {
	actions []aztables.TransactionAction
	size    int
	mixed   bool // it does more than insert
}

// pack puts whole batches together into transactions within the service's limits.
func pack(batches []batch) [][]aztables.TransactionAction {
	var (
		out  [][]aztables.TransactionAction
		open []aztables.TransactionAction
		size int
		most = maxTransaction - operationOverhead
	)
	if slices.ContainsFunc(batches, func(b batch) bool { return b.mixed }) {
		most = maxMixed
	}
	for _, b := range batches {
		if len(open) > 0 && (len(open)+len(b.actions) > maxOperations || size+b.size >= most) {
			out, open, size = append(out, open), nil, 0
		}
		open = append(open, b.actions...)
		size += b.size
	}
	if len(open) > 0 {
		out = append(out, open)
	}
	return out
}

// submitAll writes batches in as few transactions as the limits allow, several at the same time.
func (s *Store) submitAll(ctx context.Context, table string, batches []batch) error {
	transactions := pack(batches)
	if len(transactions) == 1 {
		return s.submit(ctx, table, transactions[0])
	}
	group, writing := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for _, actions := range transactions {
		group.Go(func() error { return s.submit(writing, table, actions) })
	}
	return group.Wait()
}

// query yields the rows of one partition with row keys in [from, below), in order. A table that does not exist has none.
func (s *Store) query(ctx context.Context, table, partition, from, below, columns string, yield func([]byte) error) error {
	return s.list(ctx, table, fmt.Sprintf("PartitionKey eq '%s' and RowKey ge '%s' and RowKey lt '%s'", partition, from, below), columns, yield)
}

// queryRange yields the rows of the partitions from first up to below, in order.
func (s *Store) queryRange(ctx context.Context, table, first, below, columns string, yield func([]byte) error) error {
	return s.list(ctx, table, fmt.Sprintf("PartitionKey ge '%s' and PartitionKey lt '%s'", first, below), columns, yield)
}

func (s *Store) list(ctx context.Context, table, filter, columns string, yield func([]byte) error) error {
	options := &aztables.ListEntitiesOptions{Filter: &filter}
	if columns != "" {
		options.Select = &columns
	}
	err := s.listWith(ctx, table, options, yield)
	if errors.Is(err, errNoTable) {
		return nil
	}
	return err
}

// errNoTable says that a table does not exist, or not any more.
var errNoTable = errors.New("there is no such table")

// listWith yields the rows of a query. A table that does not exist is errNoTable; yield's errors come as they are.
func (s *Store) listWith(ctx context.Context, table string, options *aztables.ListEntitiesOptions, yield func([]byte) error) error {
	return s.eachPage(ctx, table, options, func(rows [][]byte, _ bool) error {
		for _, body := range rows {
			if err := yield(body); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachPage yields the rows of a query page by page, and whether there may be more; errors are
// listWith's. The rows of a page share its memory, which is theirs for as long as one of them is
// held.
func (s *Store) eachPage(ctx context.Context, table string, options *aztables.ListEntitiesOptions, yield func(rows [][]byte, more bool) error) error {
	pager := s.service.NewClient(table).NewListEntitiesPager(options)
	asking, page := withListing(ctx)
	for pager.More() {
		_, err := pager.NextPage(asking)
		if isCode(err, "TableNotFound", "TableBeingDeleted") {
			return errNoTable
		}
		if err != nil {
			return s.explain("read table "+table, err)
		}
		if err := yield(page.rows, pager.More()); err != nil {
			return err
		}
	}
	return nil
}

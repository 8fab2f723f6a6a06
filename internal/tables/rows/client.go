// Package rows is the kernel of the adapters for Table Storage: a client, rows, transactions,
// paging and errors. It knows the service and its limits, and nothing of what the rows mean.
// Nothing else imports aztables.
package rows

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"golang.org/x/sync/singleflight"
)

// developmentStorage is the meaning of UseDevelopmentStorage=true: Azurite on its default port,
// with the account and key that Microsoft publishes for it.
const developmentStorage = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
	"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
	"TableEndpoint=http://127.0.0.1:10002/devstoreaccount1"

// Config says where the account is. Either ConnectionString is set, or ServiceURI and Credential.
type Config struct {
	ConnectionString string
	ServiceURI       string // https://<account>.table.core.windows.net
	Credential       azcore.TokenCredential
	HTTP             *http.Client // nil: one with sensible limits
	Retries          int32        // of one request, on 408, 429 and 5xx; 0: 3, negative: none
}

// How a request is tried again.
const (
	retryDelay = 500 * time.Millisecond
	longestTry = 60 * time.Second
	longestGap = 20 * time.Second
	idleOnHost = 32 // connections that are kept open
)

// Client is a storage account's tables. It is safe for concurrent use.
type Client struct {
	service  *aztables.ServiceClient
	host     string // for errors
	creating singleflight.Group
	created  sync.Map // table name -> struct{}{}
}

// New makes a Client. It opens no connection.
func New(cfg Config) (*Client, error) {
	options := &aztables.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport:        transport(cfg.HTTP),
		PerCallPolicies:  []policy.Policy{transactionPolicy{}},
		PerRetryPolicies: []policy.Policy{listingPolicy{}},
		Telemetry:        policy.TelemetryOptions{ApplicationID: "entraledger"},
		Retry: policy.RetryOptions{MaxRetries: cfg.Retries, RetryDelay: retryDelay, MaxRetryDelay: longestGap,
			TryTimeout: longestTry},
	}}
	if cfg.ConnectionString != "" {
		text := cfg.ConnectionString
		if strings.HasPrefix(strings.ReplaceAll(strings.ToLower(text), " ", ""), "usedevelopmentstorage=true") {
			text = developmentStorage
		}
		service, err := aztables.NewServiceClientFromConnectionString(text, options)
		if err != nil {
			// The cause is left out: it may quote the text, which holds the account's key.
			return nil, errors.New("read ARCHIVE_STORAGE: it is not a storage connection string " +
				"(AccountName=...;AccountKey=...;...) nor UseDevelopmentStorage=true")
		}
		return &Client{service: service, host: "the storage account of ARCHIVE_STORAGE"}, nil
	}
	u, err := url.Parse(cfg.ServiceURI)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil,
			fmt.Errorf("read ARCHIVE_STORAGE__tableServiceUri %q: accepted is https://<account>.table.core.windows.net",
				cfg.ServiceURI)
	}
	service, err := aztables.NewServiceClient(strings.TrimRight(cfg.ServiceURI, "/"), cfg.Credential, options)
	if err != nil {
		return nil, fmt.Errorf("make the table client: %w", err)
	}
	return &Client{service: service, host: u.Host}, nil
}

func transport(client *http.Client) *http.Client {
	if client != nil {
		return client
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = idleOnHost
	return &http.Client{Transport: transport}
}

// EnsureTable creates a table once for each process.
func (c *Client) EnsureTable(ctx context.Context, name string) error {
	if _, ok := c.created.Load(name); ok {
		return nil
	}
	_, err, _ := c.creating.Do(name, func() (any, error) {
		_, err := c.service.CreateTable(ctx, name, nil)
		if err != nil && !isCode(err, tableAlreadyExists) {
			return nil, err
		}
		c.created.Store(name, struct{}{})
		return nil, nil
	})
	return c.explain("create table "+name, err)
}

// DropTable deletes a table. One that is gone, or going, is fine.
func (c *Client) DropTable(ctx context.Context, name string) error {
	_, err := c.service.DeleteTable(ctx, name, nil)
	c.created.Delete(name)
	if isCode(err, tableNotFound, resourceNotFound, tableBeingDeleted) {
		return nil
	}
	return c.explain("drop table "+name, err)
}

// Tables lists the names of the account's tables, sorted: those with names in [from, below), or all
// where below is empty. doing is for errors.
func (c *Client) Tables(ctx context.Context, doing, from, below string) ([]string, error) {
	var options *aztables.ListTablesOptions
	if below != "" {
		filter := fmt.Sprintf("TableName ge %s and TableName lt %s", Quote(from), Quote(below))
		options = &aztables.ListTablesOptions{Filter: &filter}
	}
	pager := c.service.NewListTablesPager(options)
	var out []string
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, c.explain(doing, err)
		}
		for _, table := range page.Tables {
			if table.Name != nil {
				out = append(out, *table.Name)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// Package blobs stores the heads of the archive's logs as blobs that are written once. With an
// immutability policy on the container (infra/ sets one) they cannot be changed or deleted, even by
// a writer of the tables. Nothing else imports azblob.
package blobs

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/sealing"
	"github.com/entraledger/entraledger/internal/verify"
)

// Container is where the heads lie.
const Container = "entraledger-heads"

// developmentStorage is Azurite's blob service on its default port, with the account and key that
// Microsoft publishes.
const developmentStorage = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
	"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
	"BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1"

// Config is the archive's location. Either ConnectionString is set, or ServiceURI and Credential.
type Config struct {
	ConnectionString string
	ServiceURI       string // https://<account>.blob.core.windows.net
	Credential       azcore.TokenCredential
	HTTP             *http.Client // nil: the SDK's
}

// Store keeps the heads of logs in Blob Storage. It is safe for concurrent use.
type Store struct {
	container *container.Client
	created   atomic.Bool
}

var (
	_ sealing.HeadWriter = (*Store)(nil)
	_ verify.HeadLister  = (*Store)(nil)
)

// ErrNoBlobs says that a connection string names no blob service.
var ErrNoBlobs = errors.New("the connection string has no BlobEndpoint")

// New makes a Store. It opens no connection.
func New(cfg Config) (*Store, error) {
	options := &azblob.ClientOptions{ClientOptions: policy.ClientOptions{
		Telemetry: policy.TelemetryOptions{ApplicationID: "entraledger"},
		Retry: policy.RetryOptions{MaxRetries: 2, RetryDelay: 500 * time.Millisecond,
			MaxRetryDelay: 10 * time.Second, TryTimeout: 60 * time.Second},
	}}
	if cfg.HTTP != nil {
		options.Transport = cfg.HTTP
	}
	var (
		client *azblob.Client
		err    error
	)
	if text := cfg.ConnectionString; text != "" {
		lower := strings.ToLower(strings.ReplaceAll(text, " ", ""))
		switch {
		case strings.HasPrefix(lower, "usedevelopmentstorage=true"):
			text = developmentStorage
		case !strings.Contains(lower, "blobendpoint=") && strings.Contains(lower, "tableendpoint="):
			return nil, ErrNoBlobs
		}
		if client, err = azblob.NewClientFromConnectionString(text, options); err != nil {
			return nil, errors.New("read ARCHIVE_STORAGE: it is not a storage connection string")
		}
	} else if client, err = azblob.NewClient(cfg.ServiceURI, cfg.Credential, options); err != nil {
		return nil, fmt.Errorf("make the blob client: %w", err)
	}
	return &Store{container: client.ServiceClient().NewContainerClient(Container)}, nil
}

// ServiceURI is the blob endpoint of the account whose table endpoint is given.
func ServiceURI(tables string) (string, error) {
	u, err := url.Parse(tables)
	if err != nil || !strings.Contains(u.Host, ".table.") {
		return "", fmt.Errorf("find the blobs of %s: it has no .table. in its host", tables)
	}
	u.Host = strings.Replace(u.Host, ".table.", ".blob.", 1)
	return u.String(), nil
}

// blobName holds everything that a head says, so that listing the blobs reads them.
func blobName(h seal.Head) string {
	return fmt.Sprintf("%s/%010d-%s", h.Stream, h.Size, base64.RawURLEncoding.EncodeToString(h.Root[:]))
}

func parseBlobName(name string) (seal.Head, error) {
	stream, rest, _ := strings.Cut(name, "/")
	size, root, found := strings.Cut(rest, "-")
	n, err := strconv.ParseInt(size, 10, 64)
	hash, errRoot := base64.RawURLEncoding.DecodeString(root)
	h := seal.Head{Stream: entra.Stream(stream), Size: n}
	if !found || err != nil || errRoot != nil || copy(h.Root[:], hash) != len(h.Root) {
		return h, &entra.Error{Code: entra.CodeTampered, Doing: "read the heads in container " + Container,
			Why:    fmt.Sprintf("the name of blob %s is not <stream>/<size>-<root>", name),
			Remedy: "find out who wrote it; heads are never overwritten"}
	}
	return h, nil
}

// PutHead is sealing.HeadWriter's.
func (s *Store) PutHead(ctx context.Context, h seal.Head) error {
	doing := fmt.Sprintf("write the head of %s, size %d, to container %s", h.Stream, h.Size, Container)
	if err := s.ensure(ctx); err != nil {
		return explain(doing, err)
	}
	for had, err := range s.list(ctx, fmt.Sprintf("%s/%010d-", h.Stream, h.Size)) {
		if err != nil {
			return err
		}
		if had != h {
			return &entra.Error{Code: entra.CodeTampered, Doing: doing,
				Why:    "there is another head of that size, which was written before: the log was rewritten",
				Remedy: "ask verify what differs; nothing was written"}
		}
		return nil
	}
	isNew := &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}
	_, err := s.container.NewBlockBlobClient(blobName(h)).UploadBuffer(ctx, h.Text(), &blockblob.UploadBufferOptions{
		HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: to.Ptr("text/plain; charset=utf-8")},
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: isNew},
	})
	if bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.ConditionNotMet,
		bloberror.BlobImmutableDueToPolicy) {
		return nil // its name says the same, and so does it
	}
	return explain(doing, err)
}

// ensure makes the container where it is missing. In Azure the deployment makes it, with its
// policy.
func (s *Store) ensure(ctx context.Context) error {
	if s.created.Load() {
		return nil
	}
	_, err := s.container.Create(ctx, nil)
	if err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return err
	}
	s.created.Store(true)
	return nil
}

// Heads is verify.HeadLister's.
func (s *Store) Heads(ctx context.Context, stream entra.Stream) iter.Seq2[seal.Head, error] {
	return s.list(ctx, string(stream)+"/")
}

func (s *Store) list(ctx context.Context, prefix string) iter.Seq2[seal.Head, error] {
	return func(yield func(seal.Head, error) bool) {
		pager := s.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix})
		for pager.More() {
			page, err := pager.NextPage(ctx)
			if bloberror.HasCode(err, bloberror.ContainerNotFound) {
				return
			}
			if err != nil {
				yield(seal.Head{}, explain("list the heads in container "+Container, err))
				return
			}
			for _, item := range page.Segment.BlobItems {
				head, err := parseBlobName(*item.Name)
				if !yield(head, err) { // a name that is none of a head hides no other
					return
				}
			}
		}
	}
}

// Read gives back a head's blob as it is.
func (s *Store) Read(ctx context.Context, h seal.Head) ([]byte, error) {
	doing := "read the head " + blobName(h)
	got, err := s.container.NewBlobClient(blobName(h)).DownloadStream(ctx, nil)
	if err != nil {
		return nil, explain(doing, err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(io.LimitReader(got.Body, 1<<20))
	if err != nil {
		return nil, explain(doing, err)
	}
	return text, nil
}

// explain puts a refusal into words.
func explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	cause := entra.WithoutAddress(err)
	e := &entra.Error{Code: entra.CodeUnavailable, Doing: doing, Err: cause, Why: "the blob service does not answer",
		Remedy: "check ARCHIVE_STORAGE (or ARCHIVE_STORAGE__tableServiceUri, whose account is meant) and the " +
			"network; the next run tries again"}
	refused, ok := errors.AsType[*azcore.ResponseError](err)
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, cause)
	case !ok:
	case refused.StatusCode == 401 || refused.StatusCode == 403:
		e.Code, e.Why = entra.CodePermission, "Blob Storage answers "+strconv.Itoa(refused.StatusCode)+" "+
			refused.ErrorCode
		e.Remedy = "give the app's identity the role Storage Blob Data Contributor on the account"
	default:
		e.Why = "Blob Storage answers " + strconv.Itoa(refused.StatusCode) + " " + refused.ErrorCode
	}
	return e
}

// ProbeBlobs is preflight.Blobs's.
func (s *Store) ProbeBlobs(ctx context.Context) error {
	doing := "look into container " + Container
	if err := s.ensure(ctx); err != nil {
		return explain(doing, err)
	}
	for _, err := range s.list(ctx, "") {
		return err
	}
	return nil
}

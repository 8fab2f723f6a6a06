package blobs_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/entraledger/entraledger/internal/blobs"
	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

func TestHeadsAreWrittenOnceAndListedBySize(t *testing.T) {
	store, err := blobs.New(blobs.Config{ConnectionString: azuritetest.Account(t)})
	require.NoError(t, err)
	list := func(stream entra.Stream) (out []seal.Head) {
		for h, err := range store.Heads(t.Context(), stream) {
			require.NoError(t, err)
			out = append(out, h)
		}
		return out
	}
	require.Empty(t, list(logs.Provisioning), "there is no container yet")
	heads := []seal.Head{
		{Stream: logs.Provisioning, Size: 7, Root: tlog.RecordHash([]byte("seven"))},
		{Stream: logs.Provisioning, Size: 11, Root: tlog.RecordHash([]byte("eleven"))},
		{Stream: logs.DirectoryAudits, Size: 7, Root: tlog.RecordHash([]byte("other"))},
	}
	for range 2 { // a run that was killed writes the same head again
		for _, h := range heads {
			require.NoError(t, store.PutHead(t.Context(), h))
		}
	}
	require.Equal(t, heads[:2], list(logs.Provisioning))
	require.Equal(t, heads[2:], list(logs.DirectoryAudits))
	text, err := store.Read(t.Context(), heads[0])
	require.NoError(t, err)
	parsed, err := seal.ParseHead(text)
	require.NoError(t, err)
	require.Equal(t, heads[0], parsed)

	rewritten := heads[0]
	rewritten.Root[0] ^= 1
	require.Equal(t, entra.CodeTampered, entra.CodeOf(store.PutHead(t.Context(), rewritten)))
}

func TestTheBlobsLieInTheTablesAccount(t *testing.T) {
	uri, err := blobs.ServiceURI("https://acme.table.core.windows.net")
	require.NoError(t, err)
	require.Equal(t, "https://acme.blob.core.windows.net", uri)
	_, err = blobs.ServiceURI("https://acme.example")
	require.Error(t, err)
	_, err = blobs.New(blobs.Config{ConnectionString: "AccountName=x;AccountKey=eA==;TableEndpoint=http://127.0.0.1:1/x"})
	require.ErrorIs(t, err, blobs.ErrNoBlobs)
}

func TestAnAccountThatDoesNotAnswerIsNamedByItsSetting(t *testing.T) {
	store, err := blobs.New(blobs.Config{ConnectionString: "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:1/x"})
	require.NoError(t, err)
	err = store.PutHead(t.Context(), seal.Head{Stream: logs.Provisioning, Size: 1})
	require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err))
	require.ErrorContains(t, err, "ARCHIVE_STORAGE")
	require.NotContains(t, err.Error(), "c2VjcmV0")
}

// unreachable is a network on which every request ends with an error.
type unreachable struct{ err error }

func (u unreachable) RoundTrip(*http.Request) (*http.Response, error) { return nil, u.err }

// TestAnErrorHoldsNoAddress: a shared access signature is in each.
func TestAnErrorHoldsNoAddress(t *testing.T) {
	for failure, code := range map[error]entra.Code{
		final{errors.New("connection refused")}: entra.CodeUnavailable,
		final{context.DeadlineExceeded}:         entra.CodeInternal,
	} {
		store, err := blobs.New(blobs.Config{HTTP: &http.Client{Transport: unreachable{failure}},
			ConnectionString: "DefaultEndpointsProtocol=http;AccountName=acc;EndpointSuffix=invalid.;" +
				"SharedAccessSignature=sv=2020&sig=SECRETSIG%3D"})
		require.NoError(t, err)
		_, read := store.Read(t.Context(), seal.Head{Stream: logs.Provisioning, Size: 1})
		for _, err := range []error{read, store.PutHead(t.Context(), seal.Head{Stream: logs.Provisioning, Size: 1}),
			store.ProbeBlobs(t.Context())} {
			require.ErrorIs(t, err, failure)
			require.Equal(t, code, entra.CodeOf(err), "%v", err)
			require.NotContains(t, err.Error(), "sig=")
			require.NotContains(t, err.Error(), "SECRETSIG")
		}
	}
}

// final is an error after which the SDK does not try again.
type final struct{ error }

func (final) NonRetriable()   {}
func (f final) Unwrap() error { return f.error }

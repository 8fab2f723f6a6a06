package rows_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// TestAnAnswerThatBreaksOffIsTheNetworksFault: the SDK marks that of a write as one that is not to
// be retried, as it marks a token that can't be had.
func TestAnAnswerThatBreaksOffIsTheNetworksFault(t *testing.T) {
	for name, linger := range map[string]int{"reset": 0, "closed": -1} {
		t.Run(name, func(t *testing.T) {
			var cut atomic.Bool
			client := between(t, -1, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
				if !cut.Load() {
					forward.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Length", "1000")
				w.WriteHeader(http.StatusAccepted)
				_, _ = w.Write([]byte("--batch")) // the connection ends anyway
				answer := http.NewResponseController(w)
				_ = answer.Flush()
				conn, _, err := answer.Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.(*net.TCPConn).SetLinger(linger)
				_ = conn.Close()
			})
			require.NoError(t, client.EnsureTable(t.Context(), table))
			cut.Store(true)
			err := client.Submit(t.Context(), table, insertion("a", "1"))
			require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err), "%v", err)
			_, err = client.Get(t.Context(), table, partition, "a", "read a")
			require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err), "%v", err)
			for _, err := range client.Scan(t.Context(), table, rows.Query{}) {
				require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err), "%v", err)
			}
		})
	}
}

// TestEachFailureOfAnIdentityIsOneOfTheToken, by the types of azidentity.
func TestEachFailureOfAnIdentityIsOneOfTheToken(t *testing.T) {
	for _, failure := range []error{&azidentity.AuthenticationFailedError{}, &azidentity.AuthenticationRequiredError{},
		azidentity.NewCredentialUnavailableError("no managed identity")} {
		c, err := rows.New(rows.Config{ServiceURI: "https://acme.table.core.windows.net", Retries: -1,
			Credential: noToken{failure}, HTTP: &http.Client{Transport: silent{t}}})
		require.NoError(t, err)
		require.Equal(t, entra.CodeToken, entra.CodeOf(c.Submit(t.Context(), table, insertion("a", "1"))), "%T",
			failure)
	}
}

// unreachable is a network on which every request ends with an error.
type unreachable struct{ err error }

func (u unreachable) RoundTrip(*http.Request) (*http.Response, error) { return nil, u.err }

// TestAnErrorHoldsNoAddress: a filter names users, and a shared access signature is in each
// address. Callers and the log get the error's text.
func TestAnErrorHoldsNoAddress(t *testing.T) {
	const text = "DefaultEndpointsProtocol=http;AccountName=acc;EndpointSuffix=invalid.;" +
		"SharedAccessSignature=sv=2020&sig=SECRETSIG%3D"
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for failure, code := range map[error]entra.Code{
		refused: entra.CodeUnavailable, context.DeadlineExceeded: entra.CodeInternal,
		errors.New("nobody foresaw it"): entra.CodeUnavailable,
	} {
		client, err := rows.New(rows.Config{Retries: -1, ConnectionString: text,
			HTTP: &http.Client{Transport: unreachable{failure}}})
		require.NoError(t, err)
		_, got := client.Get(t.Context(), "users", "p", "alice@contoso.example", "read a user")
		query := rows.Query{Filter: rows.Of("p", "alice@contoso.example")}
		_, scanned := client.Any(t.Context(), "users", query.Filter)
		for _, err := range []error{got, scanned, client.Submit(t.Context(), "users", insertion("alice", "1"))} {
			require.ErrorIs(t, err, failure)
			require.Equal(t, code, entra.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, failure.Error(), "what went wrong stays")
			require.NotContains(t, err.Error(), "sig=")
			require.NotContains(t, err.Error(), "SECRETSIG")
			require.NotContains(t, err.Error(), "alice")
		}
	}
}

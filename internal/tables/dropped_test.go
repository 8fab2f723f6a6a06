package tables_test

import (
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/tables"
)

// refusing refuses requests about one row by a method; the others pass.
type refusing struct {
	inner  http.RoundTripper
	method string // empty: none
	status int
	code   string
}

func (r *refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != r.method || !strings.Contains(req.URL.Path, "(PartitionKey=") {
		return r.inner.RoundTrip(req)
	}
	body := `{"odata.error":{"code":"` + r.code + `","message":{"lang":"en-US","value":"it is gone"}}}`
	return &http.Response{StatusCode: r.status, Proto: "HTTP/1.1", Request: req,
		Body:   io.NopCloser(strings.NewReader(body)),
		Header: http.Header{"X-Ms-Error-Code": {r.code}, "Content-Type": {"application/json"}}}, nil
}

// snapshotID is of the snapshot that is dropped.
const snapshotID = "20261121T140000Z"

// oneRow is an account with a snapshot of one row, whose document takes several chunks.
func oneRow(t *testing.T) (*tables.Account, *refusing) {
	service := memstorage.New(time.Now)
	between := &refusing{inner: service.Client().Transport}
	account, err := tables.New(tables.Config{ConnectionString: service.ConnectionString(),
		HTTP: &http.Client{Transport: between}, Retries: -1})
	require.NoError(t, err)
	large := make([]byte, 100<<10) // does not compress
	_, _ = rand.Read(large)
	row := directory.Row{Key: "k", Doc: large}
	require.NoError(t, account.Directory.Put(t.Context(), snapshotID, "p", []directory.Row{row}))
	return account, between
}

// TestASnapshotThatIsDroppedWhileItIsReadWasNotTamperedWith: a row with a large document takes a
// second request.
func TestASnapshotThatIsDroppedWhileItIsReadWasNotTamperedWith(t *testing.T) {
	account, between := oneRow(t)
	altered := func(err error) { t.Errorf("altered: %v", err) }
	for _, gone := range []refusing{{status: 404, code: "TableNotFound"}, {status: 409, code: "TableBeingDeleted"}} {
		between.method, between.status, between.code = http.MethodGet, gone.status, gone.code
		asked := 0
		for _, r := range []directory.Range{{Partition: "p"}, {Partition: "p", Altered: altered}} {
			for _, err := range account.Directory.Rows(t.Context(), snapshotID, r) {
				asked++
				require.ErrorIs(t, err, directory.ErrNoSnapshot)
			}
		}
		require.Equal(t, 2, asked)
		_, err := account.Directory.Row(t.Context(), snapshotID, "p", "k", true)
		require.ErrorIs(t, err, directory.ErrNoSnapshot)
	}
}

// TestARowThatIsDeletedWhileItIsReadIsNotThere, whatever its list said.
func TestARowThatIsDeletedWhileItIsReadIsNotThere(t *testing.T) {
	account, between := oneRow(t)
	between.method, between.status, between.code = http.MethodGet, 404, "ResourceNotFound"
	for row, err := range account.Directory.Rows(t.Context(), snapshotID, directory.Range{Partition: "p"}) {
		t.Errorf("there is row %s: %v", row.Key, err)
	}
	_, err := account.Directory.Row(t.Context(), snapshotID, "p", "k", true)
	require.ErrorIs(t, err, directory.ErrNoRow)
}

// TestARowOfASnapshotThatIsBeingDroppedIsGone: its table is being deleted, which is as good as the
// row's deletion.
func TestARowOfASnapshotThatIsBeingDroppedIsGone(t *testing.T) {
	account, between := oneRow(t)
	between.method, between.status, between.code = http.MethodDelete, 409, "TableBeingDeleted"
	require.NoError(t, account.Directory.Delete(t.Context(), snapshotID, "p", []string{"k"}))
}

package rows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

const (
	table     = "things"
	partition = "it's p"
)

// forBoth runs a case against an account in memory and one of Azurite's. Both begin without a
// table.
func forBoth(t *testing.T, run func(t *testing.T, c *rows.Client)) {
	memory := memstorage.New(nil)
	for name, cfg := range map[string]rows.Config{
		"memory":  {ConnectionString: memory.ConnectionString(), HTTP: memory.Client(), Retries: -1},
		"azurite": {ConnectionString: azuritetest.Account(t), Retries: -1},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := rows.New(cfg)
			require.NoError(t, err)
			run(t, c)
		})
	}
}

func entity(key, text string) []byte {
	b := rows.NewEntity(partition, key, 64)
	b.Text("Text", text)
	return b.Done().Body
}

func insertion(key, text string) rows.Action {
	return rows.Action{Kind: rows.Insert, Row: entity(key, text)}
}

// texts are what a query gives, in its order.
func texts(t *testing.T, c *rows.Client, q rows.Query) (out []string) {
	for body, err := range c.Scan(t.Context(), table, q) {
		require.NoError(t, err)
		var row struct{ Text string }
		require.NoError(t, json.Unmarshal(body, &row))
		out = append(out, row.Text)
	}
	return out
}

func TestMissingThingsAreReported(t *testing.T) {
	forBoth(t, func(t *testing.T, c *rows.Client) {
		ctx := t.Context()
		got, err := c.Get(ctx, table, partition, "a", "read a")
		require.ErrorIs(t, err, rows.ErrNoTable)
		require.NotErrorIs(t, err, rows.ErrNoRow)
		require.ErrorContains(t, err, "read a: ")
		require.True(t, rows.IsMissing(err))
		require.True(t, rows.IsDropped(err))
		require.False(t, got.Answered.IsZero(), "the service answered")
		require.True(t, rows.IsMissing(c.Delete(ctx, table, partition, "a", "delete a")))
		require.Empty(t, texts(t, c, rows.Query{}))
		for _, err := range c.Scan(ctx, table, rows.Query{MustExist: true}) {
			require.ErrorIs(t, err, rows.ErrNoTable)
		}
		there, err := c.Any(ctx, table, "")
		require.NoError(t, err)
		require.False(t, there)
		require.NoError(t, c.DropTable(ctx, table))
		require.NoError(t, c.DropRows(ctx, table, partition, ""))

		require.NoError(t, c.EnsureTable(ctx, table))
		_, err = c.Get(ctx, table, partition, "a", "read a")
		require.ErrorIs(t, err, rows.ErrNoRow)
		require.ErrorIs(t, c.Delete(ctx, table, partition, "a", "delete a"), rows.ErrNoRow)
		for _, err := range c.Scan(ctx, table, rows.Query{MustExist: true}) {
			require.NoError(t, err)
		}
	})
}

func TestARowIsReplacedOnlyIfItIsTheOneThatWasRead(t *testing.T) {
	forBoth(t, func(t *testing.T, c *rows.Client) {
		ctx := t.Context()
		first, err := c.Replace(ctx, table, "write a", entity("a", "1"), "")
		require.NoError(t, err)
		_, err = c.Replace(ctx, table, "write a", entity("a", "x"), "")
		require.ErrorIs(t, err, rows.ErrMoved, "it is there already")
		second, err := c.Replace(ctx, table, "write a", entity("a", "2"), first)
		require.NoError(t, err)
		require.NotEqual(t, first, second)
		_, err = c.Replace(ctx, table, "write a", entity("a", "x"), first)
		require.ErrorIs(t, err, rows.ErrMoved)
		require.ErrorIs(t, c.Merge(ctx, table, "write a", entity("a", "x"), first), rows.ErrMoved)
		got, err := c.Get(ctx, table, partition, "a", "read a")
		require.NoError(t, err)
		require.Equal(t, second, got.Revision)
		require.NoError(t, c.Merge(ctx, table, "write a", entity("a", "3"), second))
		require.Equal(t, []string{"3"}, texts(t, c, rows.Query{}))
		require.NoError(t, c.Delete(ctx, table, partition, "a", "delete a"))
		_, err = c.Replace(ctx, table, "write a", entity("a", "x"), second)
		require.ErrorIs(t, err, rows.ErrMoved, "it is gone")
	})
}

func TestATransactionIsWrittenWholeOrNotAtAll(t *testing.T) {
	forBoth(t, func(t *testing.T, c *rows.Client) {
		ctx := t.Context()
		require.NoError(t, c.Submit(ctx, table, insertion("a", "1"), insertion("b", "2")), "it makes its table")
		err := c.Submit(ctx, table, insertion("c", "3"), insertion("a", "x"))
		require.ErrorIs(t, err, rows.ErrExists)
		err = c.Submit(ctx, table, insertion("c", "3"), rows.Deletion(partition, "z", ""))
		require.ErrorIs(t, err, rows.ErrMoved)
		require.Equal(t, []string{"1", "2"}, texts(t, c, rows.Query{}))
		require.NoError(t, c.Submit(ctx, table, insertion("c", "3"), rows.Deletion(partition, "a", ""),
			rows.Action{Kind: rows.Put, Row: entity("b", "two")}, rows.Action{Kind: rows.Merge, Row: entity("d", "4")}))
		require.Equal(t, []string{"two", "3", "4"}, texts(t, c, rows.Query{}))
	})
}

func TestATransactionWhoseTableIsGoneMakesItAgain(t *testing.T) {
	gone, made := false, 0
	c := between(t, -1, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/Tables") {
			made++
		}
		if gone && strings.HasSuffix(r.URL.Path, "$batch") {
			gone = false
			w.Header().Set("x-ms-error-code", "TableNotFound")
			w.WriteHeader(http.StatusNotFound)
			return
		}
		forward.ServeHTTP(w, r)
	})
	require.NoError(t, c.Submit(t.Context(), table, insertion("a", "1")))
	gone = true
	require.NoError(t, c.Submit(t.Context(), table, insertion("b", "2")))
	require.Equal(t, 2, made)
	require.Equal(t, []string{"1", "2"}, texts(t, c, rows.Query{}))
}

func TestManyRowsAreWrittenReadAndDroppedInParts(t *testing.T) {
	forBoth(t, func(t *testing.T, c *rows.Client) {
		ctx := t.Context()
		const n = 1150 // more than a page
		var (
			batches []rows.Batch
			want    []string
		)
		for i := range n {
			var b rows.Batch
			b.Add(insertion(fmt.Sprintf("%04d", i), fmt.Sprint(i)))
			batches, want = append(batches, b), append(want, fmt.Sprint(i))
		}
		require.NoError(t, c.SubmitAll(ctx, table, batches))
		var at time.Time
		require.Equal(t, want, texts(t, c, rows.Query{Answered: &at}))
		require.WithinDuration(t, time.Now(), at, time.Hour)
		pages := 0
		for page, err := range c.Pages(ctx, table, rows.Query{Columns: "RowKey"}) {
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Rows), rows.PageRows)
			pages++
			require.Equal(t, pages == 1, page.More)
		}
		require.Equal(t, 2, pages)
		require.Equal(t, want[10:20], texts(t, c, rows.Query{Filter: rows.In(partition, "0010", "0020")}))
		require.Equal(t, want[7:8], texts(t, c, rows.Query{Filter: rows.Of(partition, "0007")}))
		require.NoError(t, c.DropRows(ctx, table, partition, "RowKey ge '0002'"))
		require.Equal(t, want[:2], texts(t, c, rows.Query{}))
	})
}

func TestPartitionsAreListedByTheirFirstRows(t *testing.T) {
	forBoth(t, func(t *testing.T, c *rows.Client) {
		ctx := t.Context()
		var want []rows.Key
		for _, p := range []string{"a", "b'", "c"} {
			for _, key := range []string{"1", "2"} {
				_, err := c.Replace(ctx, table, "write a row", rows.NewEntity(p, key, 64).Done().Body, "")
				require.NoError(t, err)
			}
			want = append(want, rows.Key{Partition: p, Row: "1"})
		}
		var got []rows.Key
		for key, err := range c.Partitions(ctx, table) {
			require.NoError(t, err)
			got = append(got, key)
		}
		require.Equal(t, want, got)
		var keys []rows.Key
		for key, err := range c.Keys(ctx, table, rows.Spanning("b", "d")) {
			require.NoError(t, err)
			keys = append(keys, key)
		}
		require.Equal(t, []rows.Key{{Partition: "b'", Row: "1"}, {Partition: "b'", Row: "2"},
			{Partition: "c", Row: "1"},
			{Partition: "c", Row: "2"}}, keys)
	})
}

func TestTablesAreListedByName(t *testing.T) {
	forBoth(t, func(t *testing.T, c *rows.Client) {
		for _, name := range []string{"log202611", "log202610", "other"} {
			require.NoError(t, c.EnsureTable(t.Context(), name))
		}
		all, err := c.Tables(t.Context(), "list", "", "")
		require.NoError(t, err)
		require.True(t, slices.IsSorted(all))
		require.Subset(t, all, []string{"log202610", "log202611", "other"})
		some, err := c.Tables(t.Context(), "list", "log0", "log:")
		require.NoError(t, err)
		require.Equal(t, []string{"log202610", "log202611"}, some)
	})
}

func TestColumnsComeBackAsTheyWereWritten(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 5, 10, 123456700, time.UTC)
	data := make([]byte, rows.MaxProperty+10)
	data[rows.MaxProperty] = 7
	const guid = "7f34741d-e1d0-47a5-a7e1-d5e4c53083a4"
	forBoth(t, func(t *testing.T, c *rows.Client) {
		ctx := t.Context()
		b := rows.NewEntity(partition, rows.Escape("a/b é"), 1024)
		b.Text("Text", `ü"\`)
		b.Int32("Int", -3)
		b.Time("Time", at)
		b.GUID("GUID", guid)
		require.Empty(t, b.Chunks(data))
		require.NoError(t, c.Submit(ctx, table, rows.Action{Kind: rows.Insert, Row: b.Done().Body}))
		p := rows.Properties{}
		p.Number("Number", 1<<40)
		p.Must("Zero", 0)
		p.Int("None", 0)
		body, err := p.Entity(partition, "other")
		require.NoError(t, err)
		require.NoError(t, c.Submit(ctx, table, rows.Action{Kind: rows.Insert, Row: body}))

		var size int64 = 4 + 2*int64(len(partition)+len(rows.Escape("a/b é")))
		for body, err := range c.Scan(ctx, table, rows.Query{Filter: rows.Of(partition, rows.Escape("a/b é"))}) {
			require.NoError(t, err)
			columns := make(map[string]rows.Column)
			require.True(t, rows.Members(body, func(name, value []byte) bool {
				columns[string(name)] = rows.Column{Name: name, Value: value}
				return true
			}))
			text, ok := columns["Text"].Text()
			require.True(t, ok)
			require.Equal(t, `ü"\`, text)
			when, ok := columns["Time"].Time()
			require.True(t, ok)
			require.Equal(t, at, when)
			require.Equal(t, "-3", string(columns["Int"].Value))
			require.Equal(t, guid, string(columns["GUID"].Plain()))
			for _, name := range []string{"Text", "Int", "Time", "GUID", "Record", "Record1"} {
				col := columns[name]
				col.EDM = columns[name+"@odata.type"].Value
				size += col.StoredSize()
			}
		}
		require.Equal(t, b.Done().Stored, size, "a row's size is counted alike when written and when read")
		got, err := c.Get(ctx, table, partition, "other", "read it")
		require.NoError(t, err)
		var row struct{ Number, Zero rows.Number }
		require.NoError(t, json.Unmarshal(got.Body, &row))
		require.EqualValues(t, 1<<40, row.Number)
		require.Equal(t, rows.Kinds{"Number": "Edm.Int64", "Zero": "Edm.Int64"}, rows.KindsOf(got.Body))
		require.Contains(t, rows.Kinds{"Number": "Edm.Int64"}.Wrong(got.Body), "a column Zero")
	})
}

func TestTheServiceIsProbedAndReturnsTheTime(t *testing.T) {
	forBoth(t, func(t *testing.T, c *rows.Client) {
		require.NoError(t, c.Probe(t.Context(), table))
		require.Empty(t, texts(t, c, rows.Query{}), "nothing is left")
		now, err := c.Now(t.Context(), table)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), now, time.Hour)
	})
}

// between is a client whose requests come by before they reach the account in memory: answer may
// answer itself, or hand on with forward.
func between(t *testing.T, retries int32,
	answer func(w http.ResponseWriter, r *http.Request, forward http.Handler)) *rows.Client {
	memory := memstorage.New(nil)
	target, err := url.Parse("http://127.0.0.1")
	require.NoError(t, err)
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.Transport = memory
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, forward)
	}))
	t.Cleanup(server.Close)
	here, err := url.Parse(server.URL)
	require.NoError(t, err)
	c, err := rows.New(rows.Config{Retries: retries, ConnectionString: memory.ConnectionString(),
		HTTP: &http.Client{Transport: redirected{to: here}}})
	require.NoError(t, err)
	return c
}

// redirected sends all requests to one host.
type redirected struct{ to *url.URL }

func (r redirected) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := req.Clone(req.Context())
	sent.URL.Scheme, sent.URL.Host = r.to.Scheme, r.to.Host
	return http.DefaultTransport.RoundTrip(sent)
}

func TestRefusalsAreExplained(t *testing.T) {
	for _, c := range []struct {
		status    int
		errorCode string
		code      entra.Code
		says      string
	}{
		{409, "TableBeingDeleted", entra.CodeConflict, "being deleted"},
		{403, "AuthorizationPermissionMismatch", entra.CodePermission, "Storage Table Data Contributor"},
		{401, "InvalidAuthenticationInfo", entra.CodeToken, "ARCHIVE_STORAGE"},
		{503, "ServerBusy", entra.CodeUnavailable, "next run"},
		{500, "OperationTimedOut", entra.CodeUnavailable, "next run"},
		{400, "InvalidInput", entra.CodeInternal, "answers 400 InvalidInput"},
	} {
		t.Run(c.errorCode, func(t *testing.T) {
			client := between(t, -1, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("x-ms-error-code", c.errorCode)
				w.WriteHeader(c.status)
				fmt.Fprintf(w, `{"odata.error":{"code":%q,"message":{"lang":"en-US","value":"x"}}}`, c.errorCode)
			})
			_, err := client.Replace(t.Context(), table, "write a", entity("a", "1"), "")
			require.Equal(t, c.code, entra.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "\n")
			require.False(t, rows.IsMissing(err))
			require.Equal(t, c.errorCode == "TableBeingDeleted", rows.IsDropped(err))
		})
	}
}

func TestAFailureThatPassesIsTriedAgain(t *testing.T) {
	var fail atomic.Int32
	client := between(t, 3, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if fail.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		forward.ServeHTTP(w, r)
	})
	require.NoError(t, client.Submit(t.Context(), table, insertion("a", "1")))
	fail.Store(1)
	require.NoError(t, client.Submit(t.Context(), table, insertion("b", "2")))
	fail.Store(1)
	require.Equal(t, []string{"1", "2"}, texts(t, client, rows.Query{}))
}

func TestAWriteWhoseAnswerWasLostIsRefusedTheSecondTime(t *testing.T) {
	var lose atomic.Bool
	client := between(t, 3, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if lose.Swap(false) && strings.HasSuffix(r.URL.Path, "$batch") {
			forward.ServeHTTP(httptest.NewRecorder(), r) // it is written, and the caller hears nothing
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		forward.ServeHTTP(w, r)
	})
	require.NoError(t, client.EnsureTable(t.Context(), table))
	lose.Store(true)
	require.ErrorIs(t, client.Submit(t.Context(), table, insertion("a", "1")), rows.ErrExists)
	require.Equal(t, []string{"1"}, texts(t, client, rows.Query{}))
}

func TestAnAccountThatCannotBeReachedIsNamedByItsSetting(t *testing.T) {
	c, err := rows.New(rows.Config{Retries: -1,
		ConnectionString: "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=c2VjcmV0;TableEndpoint=http://127.0.0.1:1/x"})
	require.NoError(t, err)
	_, err = c.Get(t.Context(), table, partition, "a", "read a")
	require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err))
	require.ErrorContains(t, err, "ARCHIVE_STORAGE")
	require.NotContains(t, err.Error(), "c2VjcmV0")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Get(ctx, table, partition, "a", "read a")
	require.ErrorIs(t, err, context.Canceled)
}

func TestAConnectionStringThatIsNoneIsNotRepeated(t *testing.T) {
	_, err := rows.New(rows.Config{ConnectionString: "AccountKey=c2VjcmV0"})
	require.ErrorContains(t, err, "ARCHIVE_STORAGE")
	require.NotContains(t, err.Error(), "c2VjcmV0")
	_, err = rows.New(rows.Config{ServiceURI: "http://acme.table.core.windows.net"})
	require.ErrorContains(t, err, "https://<account>")
}

package directory_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/preflight"
)

// devices is a made-up collection: all that there is of it, but for its place in the list.
func devices() *collections.Collection {
	return &collections.Collection{
		Word: "devices",
		Path: "/v1.0/devices", Query: "$top=999&$select=id,displayName",
		Permissions: []collections.Permission{{Name: "Device.Read.All", For: "devices", Without: "no device is known"}},
		Optional:    true, Consequence: "which devices there are is not known",
		Keep: func(_ context.Context, page collections.Objects) ([]collections.Kept, error) {
			rows := make([]directory.Row, 0, len(page.Items))
			for _, raw := range page.Items {
				rows = append(rows, directory.Row{Key: gjson.GetBytes(raw, "id").String(), Doc: slices.Clone(raw)})
			}
			return []collections.Kept{{Partition: "read-devices", Rows: rows}}, nil
		},
	}
}

// withDevices is a tenant that has three of them, in two pages.
type withDevices struct {
	http.Handler
	refuse bool
}

func (d withDevices) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	next := `"@odata.nextLink":"` + endpoint + `/v1.0/devices?$skiptoken=2",`
	switch {
	case !strings.HasPrefix(r.URL.Path, "/v1.0/devices"):
		d.Handler.ServeHTTP(w, r)
	case d.refuse:
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation."}}`))
	case strings.HasSuffix(r.URL.Path, "/$count"):
		_, _ = w.Write([]byte("3"))
	case r.URL.Query().Has("$skiptoken"):
		_, _ = w.Write([]byte(`{"value":[{"id":"c"}]}`))
	case r.URL.Query().Get("$select") == "id,displayName":
		_, _ = w.Write([]byte(`{` + next + `"value":[{"id":"a"},{"id":"b"}]}`))
	default:
		w.WriteHeader(http.StatusNotImplemented)
	}
}

// progress notes the places that are saved.
type progress struct {
	directory.Store
	saved *[]string
}

func (p progress) SaveSnapshot(ctx context.Context, s directory.Snapshot) (directory.Snapshot, error) {
	*p.saved = append(*p.saved, string(s.Phase)+" "+s.Link)
	return p.Store.SaveSnapshot(ctx, s)
}

// withMadeUp is the list with one line more.
func withMadeUp() collections.List { return append(slices.Clone(collections.All()), devices()) }

func (h *house) snapshotWithDevices(saved *[]string) directory.Snapshot {
	s := snapshots.NewSnapshotter(h.source, progress{h.store, saved}, h.archive,
		snapshots.Options{Collections: withMadeUp()}, h.tenant.Now, slog.New(slog.DiscardHandler))
	report, err := s.Run(h.Context(), time.Minute, true)
	require.NoError(h, err)
	require.True(h, report.Finished)
	return report.Snapshot
}

func TestACollectionIsOneFileAndOneLine(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.asked.Handler = withDevices{Handler: h.tenant}
		var saved []string
		snap := h.snapshotWithDevices(&saved)

		require.Empty(t, snap.Undisclosed)
		require.Contains(t, saved, "devices ", "the begin of its pages is stored as progress")
		require.Contains(t, saved, "devices "+endpoint+"/v1.0/devices?$skiptoken=2", "and so is their middle")
		require.Contains(t, h.asked.heard(), "/v1.0/devices/$count", "what came is counted")
		var ids []string
		for row, err := range h.store.Rows(t.Context(), snap.ID, directory.Range{Partition: "read-devices"}) {
			require.NoError(t, err)
			ids = append(ids, row.Key)
		}
		require.Equal(t, []string{"a", "b", "c"}, ids)
		require.NotEmpty(t, h.users(directory.UserQuery{Days: 30}, 999), "answers know nothing of it")
	})
}

func TestAMadeUpCollectionThatIsRefusedIsSaidToBe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.asked.Handler = withDevices{h.tenant, true}
		var saved []string
		snap := h.snapshotWithDevices(&saved)
		require.Equal(t, "devices", snap.Undisclosed[0].What)
		require.Contains(t, snap.Undisclosed[0].Message, "Device.Read.All")
	})
}

// storage is one that works.
type storage struct{}

func (storage) ProbeTables(context.Context) error { return nil }

func TestThePreflightReportsAMadeUpCollectionAndItsPermission(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		for _, refused := range []bool{false, true} {
			h.asked.Handler = withDevices{h.tenant, refused}
			checks := preflight.Run(t.Context(),
				preflight.Config{Tenant: &graph.Prober{Logs: h.source.Client, Directory: h.source}, Storage: storage{},
					Clock: h.tenant.Now, Collections: withMadeUp()})
			of := func(name string) preflight.Check {
				at := slices.IndexFunc(checks, func(c preflight.Check) bool { return c.Name == name })
				require.GreaterOrEqual(t, at, 0, name)
				return checks[at]
			}
			require.Equal(t, preflight.OK, of("directory users").Status)
			want := map[bool]preflight.Status{false: preflight.OK, true: preflight.Limited}[refused]
			require.Equal(t, want, of("directory devices").Status)
			if refused {
				require.Equal(t, "which devices there are is not known", of("directory devices").Consequence)
			}
			permission := of("permission Device.Read.All")
			require.Equal(t, preflight.Failed, permission.Status, "the token does not carry it")
			require.Equal(t, "no device is known", permission.Consequence)
		}
	})
}

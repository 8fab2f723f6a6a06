package lab

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/archivetest"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/repair"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

// Shelf keeps heads in memory.
type Shelf struct {
	mu  sync.Mutex
	All []seal.Head
}

func (s *Shelf) PutHead(_ context.Context, h seal.Head) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.All = append(s.All, h)
	return nil
}

func (s *Shelf) Heads(_ context.Context, stream entra.Stream) iter.Seq2[seal.Head, error] {
	return func(yield func(seal.Head, error) bool) {
		for _, h := range s.All {
			if h.Stream == stream && !yield(h, nil) {
				return
			}
		}
	}
}

// At runs the collector At a time.
func (t *Tenant) At(tt *testing.T, store collect.Store, heads repair.Heads, now time.Time,
	o collect.Options) collect.Report {
	t.Clock = now
	report, err := CollectAt(tt, t, store, heads, o)
	require.NoError(tt, err)
	return report
}

func CollectAt(t *testing.T, tn *Tenant, store collect.Store, heads repair.Heads, o collect.Options) (collect.Report,
	error) {
	collector := collect.New(tn, archivetest.Later{Store: store}, heads, o, func() time.Time { return tn.Clock },
		slog.New(slog.DiscardHandler))
	return collector.Run(t.Context(), Execution(), []entra.Stream{Stream}, Budget)
}

// Verify verifies everything that the archive holds of the stream, from outside.
func Verify(t *testing.T, store verify.Evidence, heads repair.Heads) (findings []verify.Finding, records int64) {
	v, err := verify.NewVerifier(t.Context(), store, heads, Stream)
	require.NoError(t, err)
	findings = append(findings, v.LogFindings()...)
	from, to := v.Hours()
	for window, err := range v.Verify(t.Context(), from, to) {
		require.NoError(t, err)
		findings = append(findings, window.Findings...)
		records += window.Records
	}
	return findings, records
}

func Tampering(findings []verify.Finding) []verify.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f verify.Finding) bool { return !f.Difference.IsTampering() })
}

// SealedArchive is an archive of records over some time whose windows are all sealed.
func SealedArchive(
	t *testing.T, n int, over time.Duration,
) (*Tenant, *tablestest.Store, *Shelf, *aztables.ServiceClient) {
	tn, heads, account := NewTenant(), &Shelf{}, memstorage.New(nil)
	account.Limits.DeleteTakes = 0
	store, err := tablestest.New(tables.Config{ConnectionString: account.ConnectionString(), HTTP: account.Client()})
	require.NoError(t, err)
	service, err := aztables.NewServiceClientFromConnectionString(account.ConnectionString(),
		&aztables.ClientOptions{ClientOptions: policy.ClientOptions{Transport: account.Client()}})
	require.NoError(t, err)
	tn.PageSize = 1000
	Fill(tn, Stream, n, (over / time.Duration(n)).Truncate(time.Second))
	for _, now := range []time.Time{Start, Start.Add(time.Hour), Start.Add(8 * 24 * time.Hour),
		Start.Add(8*24*time.Hour + 5*time.Minute)} {
		tn.At(t, store, heads, now, collect.Options{})
	}
	require.Positive(t, Progress(t, store, Stream).Seals)
	findings, _ := Verify(t, store, heads)
	require.Empty(t, Tampering(findings))
	return tn, store, heads, service
}

// Row is any Row of a sealed hour with records.
func Row(t *testing.T, tn *Tenant, service *aztables.ServiceClient, i int) (*aztables.Client, aztables.EDMEntity) {
	when := TimeOf(Stream, tn.Records[Stream][i])
	table := service.NewClient(tables.TableName(entra.WindowOf(Stream, when)))
	rec, err := logs.ParseRecord(Stream, []byte(tn.Records[Stream][i]))
	require.NoError(t, err)
	got, err := table.GetEntity(t.Context(), when.Format(entra.HourFormat),
		when.Format("2006-01-02T15:04:05.0000000Z")+"_"+rec.ID, nil)
	require.NoError(t, err)
	var entity aztables.EDMEntity
	require.NoError(t, entity.UnmarshalJSON(got.Value))
	return table, entity
}

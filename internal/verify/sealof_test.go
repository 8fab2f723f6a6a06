package verify_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/verify"
)

// oneHour is an archive whose ledger has a row of one hour.
type oneHour struct {
	verify.Prover
	row   ledger.Coverage
	entry seal.Seal
}

func (o oneHour) Progress(context.Context, entra.Stream) (ledger.Progress, error) {
	return ledger.Progress{Seals: 9}, nil
}

func (o oneHour) Windows(context.Context, entra.Stream, time.Time, time.Time) iter.Seq2[ledger.Coverage, error] {
	return func(yield func(ledger.Coverage, error) bool) {
		if !o.row.Start.IsZero() {
			yield(o.row, nil)
		}
	}
}

func (o oneHour) Seal(context.Context, entra.Stream, int64) (seal.Seal, error) { return o.entry, nil }

func TestTheSealOfAnHourIsItsNewestEntry(t *testing.T) {
	hour := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	w := entra.Window{Stream: logs.DirectoryAudits, Start: hour}
	sealed := oneHour{row: ledger.Coverage{Window: w, Seals: 2, LastSeal: 7}, entry: seal.Seal{Window: w, Number: 7}}
	got, size, err := verify.SealOf(t.Context(), sealed, w.Stream, hour.Add(20*time.Minute))
	require.NoError(t, err)
	require.EqualValues(t, 7, got.Number)
	require.EqualValues(t, 9, size)

	unsealed, other := sealed, sealed
	unsealed.row.Seals = 0
	other.entry.Start = hour.Add(time.Hour)
	for want, o := range map[entra.Code]oneHour{entra.CodeNotFound: {}, entra.CodeConflict: unsealed,
		entra.CodeTampered: other} {
		_, _, err := verify.SealOf(t.Context(), o, w.Stream, hour)
		require.Equal(t, want, entra.CodeOf(err), "%v", err)
	}
}

package verify

import (
	"context"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
)

// SealOf returns the newest entry that the log of seals has of an hour, which of a purged hour says
// that it was dropped, and how many entries the log has. Errors: entra.CodeNotFound where the ledger
// knows nothing of the hour, entra.CodeConflict where it is not sealed yet, entra.CodeTampered where
// the entry is of another hour.
func SealOf(ctx context.Context, prover Prover, stream entra.Stream, hour time.Time) (seal.Seal, int64, error) {
	w := entra.WindowOf(stream, hour)
	doing := "find the seal of " + w.String()
	p, err := prover.Progress(ctx, stream)
	if err != nil {
		return seal.Seal{}, 0, err
	}
	var found *ledger.Coverage
	for cov, err := range prover.Windows(ctx, stream, w.Start, w.End()) {
		if err != nil {
			return seal.Seal{}, 0, err
		}
		if cov.Start.Equal(w.Start) {
			found = &cov
		}
	}
	if found == nil {
		return seal.Seal{}, 0, &entra.Error{Code: entra.CodeNotFound, Doing: doing,
			Why: "the ledger has no row of this hour", Remedy: "GET /api/coverage/" + string(stream) +
				" lists its hours"}
	}
	if found.Seals == 0 {
		return seal.Seal{}, 0, &entra.Error{Code: entra.CodeConflict, Doing: doing, Why: "it is not sealed yet",
			Remedy: "try again later; the coverage function says up to when the stream is"}
	}
	s, err := prover.Seal(ctx, stream, found.LastSeal)
	if err != nil {
		return seal.Seal{}, 0, err
	}
	if s.Stream != stream || !s.Start.Equal(w.Start) {
		return seal.Seal{}, 0, &entra.Error{Code: entra.CodeTampered, Doing: doing,
			Why:    "the entry that its row names is of " + s.Window.String(),
			Remedy: "verify the range: GET /api/verify names what was changed"}
	}
	return s, p.Seals, nil
}

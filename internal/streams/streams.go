// Package streams tells which logs there are: those that are collected, and those that have been. A
// log that is taken out of ARCHIVE_STREAMS stays what it is: it can be read, verified and purged;
// only nothing is added to it.
package streams

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Ledgers tells which streams have a ledger.
type Ledgers interface {
	Archived(ctx context.Context) ([]entra.Stream, error)
}

// Known are the streams that somebody can ask about.
type Known struct {
	collected []entra.Stream
	ledgers   Ledgers // nil: no others

	mu    sync.Mutex
	all   []entra.Stream
	asked time.Time // by the machine's monotonic clock; zero: not yet
}

// remembered is how long it is not asked again which streams have a ledger.
const remembered = time.Minute

// New makes a Known. collected are the streams of ARCHIVE_STREAMS.
func New(collected []entra.Stream, ledgers Ledgers) *Known {
	return &Known{collected: collected, ledgers: ledgers}
}

// Collected are the streams that are read from the tenant.
func (k *Known) Collected() []entra.Stream { return k.collected }

// Collects tells whether a stream is read from the tenant.
func (k *Known) Collects(s entra.Stream) bool { return slices.Contains(k.collected, s) }

// All are the collected streams, and behind them those that are not collected any more and have a
// ledger. The answer is remembered for a minute.
func (k *Known) All(ctx context.Context) ([]entra.Stream, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ledgers == nil {
		return k.collected, nil
	}
	if !k.asked.IsZero() && time.Since(k.asked) < remembered {
		return k.all, nil
	}
	archived, err := k.ledgers.Archived(ctx)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(k.collected)
	for _, s := range archived {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	k.all, k.asked = slices.Clip(all), time.Now()
	return k.all, nil
}

// Check is the error of a stream of which there is nothing, with entra.CodeNotFound. One that is
// collected costs no request.
func (k *Known) Check(ctx context.Context, s entra.Stream) error {
	if k.Collects(s) {
		return nil
	}
	all, err := k.All(ctx)
	if err != nil || slices.Contains(all, s) {
		return err
	}
	return &entra.Error{Code: entra.CodeNotFound, Doing: "find stream " + strconv.Quote(entra.Clip(string(s), 80)),
		Why: "it is not archived", Remedy: fmt.Sprintf("archived are %v", all)}
}

// NotCollected is the error of who asks to collect a stream that is archived and not in
// ARCHIVE_STREAMS.
func NotCollected(s entra.Stream) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "collect " + string(s),
		Why: "it is not collected any more: ARCHIVE_STREAMS does not name it",
		Remedy: fmt.Sprintf("what is archived of it can be read as ever; to collect it again, add %s "+
			"to ARCHIVE_STREAMS", s)}
}

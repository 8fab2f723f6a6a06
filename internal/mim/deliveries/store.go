// Package deliveries takes events of Identity Manager into the archive: it decides once and for all
// where a record is filed, joins what was split, puts aside what is no record, and keeps what is
// known of the servers' logs.
package deliveries

import (
	"context"
	"errors"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/mim"
)

// Store keeps what deliveries have to remember beside the archive. All of it is safe for concurrent
// use.
type Store interface {
	// Decide keeps, of each entry, its first delivery, and gives for each the one that is kept: of a
	// record that was delivered before, that one.
	Decide(ctx context.Context, entries []mim.Entry) ([]Decision, error)

	// KeepPart keeps an encrypted part, if it is not kept yet or was put aside, and says what became
	// of it before. PartAltered: its row is not what was written, and stays as it is.
	KeepPart(ctx context.Context, p Kept) (was PartState, err error)
	// Parts are those of a group, whatever became of them.
	Parts(ctx context.Context, group string) ([]Kept, error)
	// EndParts ends the wait of parts of one group; up to 100 at once or not at all. The parts'
	// contents go.
	EndParts(ctx context.Context, names []string, as PartState) error
	// Groups are those of which parts came before a moment, and none since, and may wait.
	Groups(ctx context.Context, before time.Time) ([]string, error)
	// EndGroup forgets a group of which no part waits. A part that comes meanwhile keeps it.
	EndGroup(ctx context.Context, group string) error

	// Computer is what is known of a server; of one that is not known, its name alone. The revision
	// is for SaveComputer. entra.CodeTampered: its row is not what was written.
	Computer(ctx context.Context, name string) (c mim.Computer, revision string, err error)
	// SaveComputer writes it if it is still the one of the revision; ErrMoved otherwise.
	SaveComputer(ctx context.Context, c mim.Computer, revision string) error
	// Computers are all, in the order of their names. Of one whose row is not what was written there
	// is its name alone, and Altered.
	Computers(ctx context.Context) ([]mim.Computer, error)
}

// Decision says where a record is filed.
type Decision struct {
	First   mim.Delivery // by which it is filed
	Was     bool         // the record was delivered before
	Altered error        // the row that says it is not what was written: nothing is known of it
}

// ErrMoved says that another delivery was quicker.
var ErrMoved = errors.New("another delivery has changed it")

// Kept is a part.
type Kept struct {
	Name   string // mim.Vault's
	Group  string // mim.GroupOf's: the name begins with it
	State  PartState
	Sealed []byte    // as long as it waits
	Since  time.Time // when it came
}

// PartState is what became of a part.
type PartState string

// The states of a part.
const (
	PartNew     PartState = ""
	PartWaiting PartState = "waiting"
	PartJoined  PartState = "joined" // its request is in the archive
	PartAside   PartState = "aside"  // the others did not come; what is left of it is in quarantine
	// PartAltered is one whose row is not what was written. No row says so.
	PartAltered PartState = "altered"
)

// Archive is where records go.
type Archive interface {
	// Add adds the records of one hour that are missing. entra.CodeNotKept: the archive keeps nothing
	// of that time.
	Add(ctx context.Context, hour time.Time, records []entra.Record, origin entra.Origin) (Added, error)
	// Quarantine puts aside what can't be filed; what is there already stays.
	Quarantine(ctx context.Context, rejected []Rejected) error
}

// Added is what became of records.
type Added struct {
	Added    int // stored now
	Present  int // there already
	TooLarge []entra.Key
}

// Rejected is what can't be filed, and why.
type Rejected struct {
	Raw    []byte
	Reason string
}

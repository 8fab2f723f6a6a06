package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/importing"
	"github.com/entraledger/entraledger/internal/mim"
	"github.com/entraledger/entraledger/internal/mim/deliveries"
)

// importedEvents is what became of the events of one file.
type importedEvents struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	deliveries.Counts
	Unreadable int64  `json:"unreadable"` // entries that are no JSON, or too long
	Error      string `json:"error,omitempty"`
}

// whole reports whether every entry of the file is in the archive, or was none of the log.
func (i importedEvents) whole() bool {
	return i.Error == "" && i.Unreadable == 0 && i.Quarantined == 0 && i.Refused == 0 && i.NotKept == 0 &&
		i.waiting() == 0
}

// waiting are the parts that still wait for others, of this file or another one.
func (i importedEvents) waiting() int { return max(0, i.Waiting-i.Completed) }

func (i importedEvents) print(out io.Writer) {
	fmt.Fprintf(out, "%s: %d events: %d accepted, %d duplicate, %d quarantined, %d waiting for other "+
		"parts, %d refused, "+
		"%d not kept, %d of other logs, %d unreadable; %d records are new\n", i.File, i.Received, i.Accepted,
		i.Duplicate,
		i.Quarantined, i.waiting(), i.Refused, i.NotKept, i.Ignored, i.Unreadable, i.Records)
	if i.Error != "" {
		fmt.Fprintln(out, "  "+i.Error)
	}
}

// eventsAtOnce and bytesAtOnce bound what is held of a file.
const (
	eventsAtOnce = 2_000
	bytesAtOnce  = 8 << 20
)

// importEvents brings files with events of Identity Manager into the archive, in whatever format they
// are: captures of an event hub, exports and answers of Log Analytics, what the script would send.
// Such a file names no tenant, so that --tenant does. What was brought before is passed over, so that
// an import which was interrupted is simply made again.
func importEvents(
	ctx context.Context, asked importFlags, getenv func(string) string, stdout, stderr io.Writer,
) (int, error) {
	o, err := openImport(ctx, getenv, stderr)
	if err != nil {
		return 1, err
	}
	if !strings.EqualFold(asked.Tenant, o.tenant) {
		return 1, &entra.Error{Code: entra.CodeBadRequest, Doing: "import events of Identity Manager",
			Why:    "events name no tenant, and --tenant does not name that of the archive, " + o.tenant,
			Remedy: "give --tenant with the id of the tenant that the events are of"}
	}
	take, err := deliveriesOf(o.cfg, o.store, o.adder(), o.log)
	if err != nil {
		return 1, err
	}
	var (
		all    []importedEvents
		failed error
		whole  = true
	)
	for _, path := range asked.paths {
		one, err := importEventsOf(ctx, take, path, asked.By)
		if err != nil {
			one.Error = err.Error()
			failed = errors.Join(failed, fmt.Errorf("import %s: %w", path, err))
		}
		all, whole = append(all, one), whole && one.whole()
		if ctx.Err() != nil {
			break
		}
	}
	if asked.asJSON {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(map[string]any{"files": all})
	} else {
		for _, one := range all {
			one.print(stdout)
		}
	}
	switch err := errors.Join(failed, err); {
	case err != nil:
		return 1, err
	case !whole:
		return exitDiffers, nil
	}
	return 0, nil
}

func importEventsOf(ctx context.Context, take deliveries.Config, path, by string) (importedEvents, error) {
	out := importedEvents{File: filepath.Base(path)}
	file, err := os.Open(path)
	if err != nil {
		return out, err
	}
	defer file.Close()
	h := sha256.New()
	if _, err = io.Copy(h, file); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return out, err
	}
	sum := [32]byte(h.Sum(nil))
	out.SHA256 = hex.EncodeToString(sum[:])
	text, err := importing.Unpack(file)
	if err != nil {
		return out, err
	}
	from := deliveries.Source{Kind: entra.Imported, SHA256: sum, By: by, Name: out.File}
	in := eventImport{take: take, out: &out, from: from}
	out.Unreadable, err = importing.EachEntry(text, func(raw []byte) error { return in.add(ctx, raw) })
	return out, errors.Join(err, in.flush(ctx)) // what is before a cut is taken
}

// eventImport takes the events of a file, some at a time.
type eventImport struct {
	take   deliveries.Config
	from   deliveries.Source
	out    *importedEvents
	events []mim.Event
	bytes  int
}

func (in *eventImport) add(ctx context.Context, raw []byte) error {
	events, err := mim.ReadDelivery(raw)
	if err != nil { // it is JSON: it is no object, or nested without end
		in.out.Unreadable++
		return nil
	}
	in.events, in.bytes = append(in.events, events...), in.bytes+len(raw)
	if len(in.events) < eventsAtOnce && in.bytes < bytesAtOnce {
		return nil
	}
	return in.flush(ctx)
}

func (in *eventImport) flush(ctx context.Context) error {
	if len(in.events) == 0 {
		return nil
	}
	counts, err := in.take.TakeEvents(ctx, in.events, in.from)
	in.out.Counts.Add(counts)
	in.events, in.bytes = nil, 0
	if entra.CodeOf(err) == entra.CodePartsRefused { // the counts say so, and all else goes on
		return nil
	}
	return err
}

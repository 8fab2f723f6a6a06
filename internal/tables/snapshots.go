package tables

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// Directory keeps snapshots of the directory: a row of each in one table, and a table of its rows.
type Directory struct {
	client *rows.Client
	codec  *codec
}

const (
	snapshotsPartition = "directory"
	snapshotID         = "20060102T150405Z"
	// lastSecond is subtracted from, so that the newest snapshot has the least key.
	lastSecond = 9_999_999_999
)

// snapshotKey puts the newest first.
func snapshotKey(at time.Time) string { return fmt.Sprintf("%010d", lastSecond-at.Unix()) }

// beganAt is snapshotKey's reverse.
func beganAt(key int64) time.Time { return time.Unix(lastSecond-key, 0).UTC() }

// SaveSnapshot is directory.Store's.
func (d *Directory) SaveSnapshot(ctx context.Context, snap directory.Snapshot) (directory.Snapshot, error) {
	revision := snap.Revision
	snap.Revision = ""
	row, err := d.encodeSnapshot(snap)
	if err != nil {
		return snap, fmt.Errorf("write snapshot %s: %w", snap.ID, err)
	}
	snap.Revision, err = d.client.Replace(ctx, snapshotsTable, "write snapshot "+snap.ID, row, revision)
	if errors.Is(err, rows.ErrMoved) {
		return snap, directory.ErrOvertaken
	}
	return snap, err
}

// encodeSnapshot writes a snapshot's own row.
func (d *Directory) encodeSnapshot(snap directory.Snapshot) ([]byte, error) {
	began, err := time.Parse(snapshotID, snap.ID)
	if err != nil {
		return nil, err
	}
	doc, err := json.Marshal(snap)
	if err != nil {
		return nil, err
	}
	b := rows.NewEntity(snapshotsPartition, snapshotKey(began), len(doc)*2+1024)
	b.Text("Snapshot", snap.ID)
	b.Text("Stage", string(snap.Stage))
	b.Text("Phase", string(snap.Phase))
	b.Time("AsOf", snap.AsOf)
	b.Time("Finished", rows.Storable(snap.Finished))
	b.Int32("Users", int32(snap.Users))
	b.Int32("Credentials", int32(snap.Credentials))
	if !snap.StepAt.IsZero() {
		b.Time("StepAt", snap.StepAt)
	}
	if snap.By != "" {
		b.Text("By", snap.By)
	}
	if snap.Behind != nil {
		b.Text("Behind", rows.Clip(snap.Behind.Message))
	}
	if snap.LastError != "" {
		b.Text("LastError", rows.Clip(snap.LastError))
	}
	b.Binary(checkColumn, snapshotRowCheck(snapshotKey(began), doc))
	if rest := d.codec.document(b, doc); rest > 0 {
		return nil, fmt.Errorf("its row would have %d bytes too many", rest)
	}
	return b.Done().Body, nil
}

// parseSnapshot reads a snapshot's row. One that can't be understood is an error that names it: no
// run can continue with it, nor an answer be made from it.
func (d *Directory) parseSnapshot(ctx context.Context, body []byte) (directory.Snapshot, error) {
	row, doc, err := d.parseDocument(ctx, snapshotsTable, snapshotsPartition, body)
	var snap directory.Snapshot
	if err == nil && doc == nil {
		err = errors.New("it has no document")
	}
	if err == nil && row.Check != nil && !bytes.Equal(row.Check, snapshotRowCheck(row.RowKey, doc)) {
		err = errors.New("its document is not the one that was written")
	}
	if err == nil {
		err = json.Unmarshal(doc, &snap)
	}
	if err == nil {
		err = checkSnapshot(snap, row.RowKey)
	}
	snap.Revision = row.ETag
	if errors.As(err, new(*entra.Error)) || errors.Is(err, context.Canceled) ||
		errors.Is(err, context.DeadlineExceeded) {
		return snap, err
	}
	if err != nil {
		return snap, garbage(row.RowKey, err)
	}
	return snap, nil
}

// checkSnapshot checks what all readers rely on.
func checkSnapshot(snap directory.Snapshot, key string) error {
	began, err := time.Parse(snapshotID, snap.ID)
	switch {
	case err != nil:
		return fmt.Errorf("it says that it is snapshot %q", rows.Clip(snap.ID))
	case snapshotKey(began) != key:
		return fmt.Errorf("it says that it is snapshot %s, whose key is %s", snap.ID, snapshotKey(began))
	case !slices.Contains([]directory.Stage{directory.Reading, directory.Whole, directory.Dropped}, snap.Stage):
		return fmt.Errorf("its stage is %q", snap.Stage)
	case snap.AsOf.IsZero():
		return errors.New("it has no begin")
	}
	return nil
}

func garbage(key string, why error) error {
	e := &entra.Error{Code: entra.CodeTampered, Doing: "read row " + rows.Clip(key) + " of table " + snapshotsTable,
		Why: why.Error(),
		Remedy: "if a newer version of the app wrote it, deploy that one; else delete the row, " +
			"and the next run takes a new snapshot", Err: why}
	if n, err := strconv.ParseInt(key, 10, 64); err == nil {
		id := beganAt(n).Format(snapshotID)
		e.Doing += " (snapshot " + id + ")"
		e.Remedy = "if a newer version of the app wrote it, deploy that one; else delete the row and table " +
			snapshotTable(id) + ", and the next run takes a new snapshot"
	}
	return e
}

// Snapshots is directory.Store's.
func (d *Directory) Snapshots(ctx context.Context, top int) ([]directory.Snapshot, error) {
	var out []directory.Snapshot
	err := d.eachSnapshot(ctx, "", top, func(snap directory.Snapshot) bool {
		out = append(out, snap)
		return len(out) < top
	})
	return out, err
}

// eachSnapshot yields what is known of snapshots, the newest first, from a key on.
func (d *Directory) eachSnapshot(ctx context.Context, from string, atATime int,
	more func(directory.Snapshot) bool) error {
	filter := fmt.Sprintf("PartitionKey eq '%s' and RowKey ge '%s'", snapshotsPartition, from)
	for body, err := range d.client.Scan(ctx, snapshotsTable, rows.Query{Filter: filter, Top: atATime}) {
		if err != nil {
			return err
		}
		snap, err := d.parseSnapshot(ctx, body)
		if err != nil || !more(snap) {
			return err
		}
	}
	return nil
}

// Snapshot is directory.Store's.
func (d *Directory) Snapshot(ctx context.Context, id string) (directory.Snapshot, error) {
	began, err := time.Parse(snapshotID, id)
	if err != nil {
		return directory.Snapshot{}, directory.ErrNoSnapshot
	}
	got, err := d.client.Get(ctx, snapshotsTable, snapshotsPartition, snapshotKey(began), "read snapshot "+id)
	if rows.IsMissing(err) {
		return directory.Snapshot{}, directory.ErrNoSnapshot
	}
	if err != nil {
		return directory.Snapshot{}, err
	}
	snap, err := d.parseSnapshot(ctx, got.Body)
	snap.Revision = got.Revision
	return snap, err
}

// CurrentAt is directory.Store's.
func (d *Directory) CurrentAt(ctx context.Context, at time.Time) (directory.Snapshot, error) {
	var found directory.Snapshot
	err := d.eachSnapshot(ctx, snapshotKey(at), 5, func(snap directory.Snapshot) bool {
		if !snap.Finished.IsZero() && !snap.Finished.After(at) {
			found = snap
		}
		return found.ID == ""
	})
	if err == nil && found.ID == "" {
		return found, directory.ErrNoSnapshot
	}
	return found, err
}

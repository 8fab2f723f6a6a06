package tables

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// success is a sign-in that succeeded.
type success struct {
	user string
	at   time.Time
}

// Successes is lastseen.Store's. It reads several hours at the same time.
func (v *Views) Successes(
	ctx context.Context, stream entra.Stream, from, to time.Time, yield func(userID string, at time.Time),
) error {
	found := make(chan []success)
	group, reading := parallel.WithContext(ctx)
	group.Go(func() error {
		hours, inner := parallel.WithContext(reading)
		hours.SetLimit(rows.Writers)
		defer close(found)
		for start := entra.FloorHour(from); start.Before(to); start = start.Add(time.Hour) {
			hours.Go(func() error {
				return v.sendSuccesses(inner, entra.Window{Stream: stream, Start: start}, from, to, found)
			})
		}
		return hours.Wait()
	})
	for all := range found {
		for _, one := range all {
			yield(one.user, one.at)
		}
	}
	return group.Wait()
}

// sendSuccesses sends those of an hour that are dated [from, to).
func (v *Views) sendSuccesses(ctx context.Context, w entra.Window, from, to time.Time, found chan<- []success) error {
	var all []success
	err := v.hourSuccesses(ctx, w, func(user string, at time.Time) {
		if !at.Before(from) && at.Before(to) {
			all = append(all, success{user, at})
		}
	})
	if err != nil {
		return err
	}
	select {
	case found <- all:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// signInColumns are what is read of a sign-in: the columns that find it, and the record that they
// are checked against.
var signInColumns = func() string {
	names := []string{"PartitionKey", "RowKey", "UserId", "Hash", "Codec", "Parts"}
	for i := range rows.ChunksPerRow {
		names = append(names, rows.ChunkName(i))
	}
	return strings.Join(names, ",")
}()

// heldAtMost bounds the rows that are held of an hour until it is known that no newer one of their
// users follows, in bytes.
const heldAtMost = 8 << 20

// hourSuccesses reads the successful sign-ins of one hour: of each user at least the newest.
// Columns find them, and the bytes of the newest of each user, which decide, are compared with the
// columns. Where they do not agree the hour is read by its records alone. An earlier version of a
// record is no sign-in of its own.
func (v *Views) hourSuccesses(ctx context.Context, w entra.Window, yield func(string, time.Time)) error {
	held, size, altered := make(map[string]gjson.Result), 0, ""
	flush := func() error {
		for user, row := range held {
			rec, err := v.signIn(ctx, w, row)
			if err != nil {
				return err
			}
			if id, ok := succeeded(rec); ok && id == user {
				yield(user, rec.Time)
			} else {
				altered = row.Get("RowKey").Str
			}
		}
		clear(held)
		size = 0
		return nil
	}
	query := rows.Query{Filter: "PartitionKey eq " + rows.Quote(partitionKey(w)) + " and (ErrorCode eq 0)",
		Columns: signInColumns}
	for body, err := range v.client.Scan(ctx, TableName(w), query) {
		if err != nil {
			return err
		}
		row := gjson.ParseBytes(body)
		user := row.Get("UserId").Str
		if user == "" || strings.Contains(row.Get("RowKey").Str, versionMark) {
			continue
		}
		size += len(body) - len(held[user].Raw)
		if held[user] = row; size > heldAtMost {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil || altered == "" {
		return err
	}
	slog.WarnContext(ctx, "a sign-in is not what its columns say: its hour is read by its records", "table",
		TableName(w), "hour", partitionKey(w), "row", rows.Clip(altered))
	return v.successesByRecord(ctx, w, yield)
}

// successesByRecord reads every record of an hour. An unreadable one is skipped.
func (v *Views) successesByRecord(ctx context.Context, w entra.Window, yield func(string, time.Time)) error {
	query := rows.Query{Filter: rows.In(partitionKey(w), "0", "~"), Columns: signInColumns}
	for body, err := range v.client.Scan(ctx, TableName(w), query) {
		if err != nil {
			return err
		}
		row := gjson.ParseBytes(body)
		if key := row.Get("RowKey").Str; strings.Contains(key, versionMark) || strings.Contains(key, partMark) {
			continue
		}
		rec, err := v.signIn(ctx, w, row)
		if err != nil {
			return err
		}
		if user, ok := succeeded(rec); ok {
			yield(user, rec.Time)
		}
	}
	return nil
}

// signIn reads the record of a row; the zero record where its bytes are not those that were
// written. An error is one of reading.
func (v *Views) signIn(ctx context.Context, w entra.Window, row gjson.Result) (entra.Record, error) {
	data, ok, err := v.recordBytes(ctx, w, row)
	if err != nil || !ok {
		return entra.Record{}, err
	}
	raw, err := v.codec.decode(ctx, TableName(w), data, row.Get("Codec").Str)
	code := entra.CodeOf(err)
	if err != nil && (ctx.Err() != nil || code != entra.CodeInternal && code != entra.CodeTampered) {
		return entra.Record{}, err
	}
	rec, wrong := logs.ParseRecord(w.Stream, raw)
	hash := base64.StdEncoding.EncodeToString(rec.Hash[:])
	own, _ := rowKey(rec.Key)
	if errors.Join(err, wrong) != nil || own != row.Get("RowKey").Str || row.Get("Hash").Str != hash {
		return entra.Record{}, nil
	}
	return rec, nil
}

// recordBytes are the bytes of a record, of which the first row was read; not ok where they can't
// be read.
func (v *Views) recordBytes(ctx context.Context, w entra.Window, first gjson.Result) (data []byte, ok bool, err error) {
	data, ok = rows.ChunksOf(first)
	if parts, _ := rows.WholeNumber(first.Get("Parts")); parts <= 1 {
		return data, ok, nil
	}
	key := first.Get("RowKey").Str
	query := rows.Query{Filter: rows.In(partitionKey(w), key+partMark, key+`"`)} // what follows the exclamation mark
	for body, err := range v.client.Scan(ctx, TableName(w), query) {
		if err != nil {
			return nil, false, err
		}
		more, good := rows.ChunksOf(gjson.ParseBytes(body))
		data, ok = append(data, more...), ok && good
	}
	return data, ok, nil
}

// succeeded reports whether a sign-in succeeded, and its user.
func succeeded(rec entra.Record) (user string, ok bool) {
	for _, col := range rec.Columns {
		switch col.Name {
		case "UserId":
			user = col.Text
		case "ErrorCode":
			ok = col.IsInt && col.Int == 0
		}
	}
	return user, ok && user != ""
}

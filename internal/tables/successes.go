package tables

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/tidwall/gjson"
	"golang.org/x/sync/errgroup"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

var _ directory.Successes = (*Store)(nil)

// Successes is directory.Successes's, of each user at least the newest of an hour. It reads several
// hours at the same time.
func (s *Store) Successes(ctx context.Context, from, to time.Time, yield func(userID string, at time.Time)) error {
	type success struct {
		id string
		at time.Time
	}
	found := make(chan []success)
	group, reading := errgroup.WithContext(ctx)
	group.Go(func() error {
		hours, inner := errgroup.WithContext(reading)
		hours.SetLimit(writers)
		defer close(found)
		for _, log := range logs.All() {
			if !log.SignsIn {
				continue
			}
			for start := entra.FloorHour(from); start.Before(to); start = start.Add(time.Hour) {
				hours.Go(func() error {
					var all []success
					err := s.hourSuccesses(inner, entra.Window{Stream: log.Stream, Start: start}, func(id string,
						at time.Time) {
						if !at.Before(from) && at.Before(to) {
							all = append(all, success{id, at})
						}
					})
					if err != nil {
						return err
					}
					select {
					case found <- all:
						return nil
					case <-inner.Done():
						return inner.Err()
					}
				})
			}
		}
		return hours.Wait()
	})
	for all := range found {
		for _, one := range all {
			yield(one.id, one.at)
		}
	}
	return group.Wait()
}

// signInColumns are what is read of a sign-in: the columns that find it, and the record that they
// are checked against.
var signInColumns = func() string {
	names := []string{"PartitionKey", "RowKey", "UserId", "Hash", "Codec", "Parts"}
	for i := range chunksPerRow {
		names = append(names, chunkName(i))
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
func (s *Store) hourSuccesses(ctx context.Context, w entra.Window, yield func(string, time.Time)) error {
	held, size, altered := make(map[string]gjson.Result), 0, ""
	flush := func() error {
		for user, row := range held {
			rec, err := s.signIn(ctx, w, row)
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
	filter := fmt.Sprintf("PartitionKey eq '%s' and (ErrorCode eq 0)", partitionKey(w))
	options := &aztables.ListEntitiesOptions{Filter: &filter, Select: &signInColumns}
	err := s.listWith(ctx, TableName(w), options, func(body []byte) error {
		row := gjson.ParseBytes(body)
		user := row.Get("UserId").Str
		if user == "" || strings.Contains(row.Get("RowKey").Str, versionMark) {
			return nil
		}
		size += len(body) - len(held[user].Raw)
		if held[user] = row; size > heldAtMost {
			return flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	if errors.Is(err, errNoTable) {
		return nil
	}
	if err != nil || altered == "" {
		return err
	}
	slog.WarnContext(ctx, "a sign-in is not what its columns say: its hour is read by its records", "table",
		TableName(w), "hour", partitionKey(w), "row", clip(altered))
	return s.successesByRecord(ctx, w, yield)
}

// successesByRecord reads every record of an hour. One that can't be read tells nothing.
func (s *Store) successesByRecord(ctx context.Context, w entra.Window, yield func(string, time.Time)) error {
	return s.query(ctx, TableName(w), partitionKey(w), "0", "~", signInColumns, func(body []byte) error {
		row := gjson.ParseBytes(body)
		if key := row.Get("RowKey").Str; strings.Contains(key, versionMark) || strings.Contains(key, partMark) {
			return nil
		}
		rec, err := s.signIn(ctx, w, row)
		if user, ok := succeeded(rec); err == nil && ok {
			yield(user, rec.Time)
		}
		return err
	})
}

// signIn reads the record of a row; the zero record where its bytes are not those that were
// written. An error is one of reading.
func (s *Store) signIn(ctx context.Context, w entra.Window, row gjson.Result) (entra.Record, error) {
	key := row.Get("RowKey").Str
	data, ok := chunksOf(row)
	if parts, _ := wholeNumber(row.Get("Parts")); parts > 1 {
		err := s.query(ctx, TableName(w), partitionKey(w), key+partMark, key+`"`, "", func(body []byte) error {
			more, good := chunksOf(gjson.ParseBytes(body))
			data, ok = append(data, more...), ok && good
			return nil
		})
		if err != nil {
			return entra.Record{}, err
		}
	}
	if !ok {
		return entra.Record{}, nil
	}
	raw, err := s.decode(ctx, TableName(w), data, row.Get("Codec").Str)
	if code := entra.CodeOf(err); err != nil && (ctx.Err() != nil || code != entra.CodeInternal && code != entra.CodeTampered) {
		return entra.Record{}, err
	}
	rec, wrong := logs.ParseRecord(w.Stream, raw)
	hash := base64.StdEncoding.EncodeToString(rec.Hash[:])
	if own, _ := rowKey(rec.Key); err != nil || wrong != nil || own != key || row.Get("Hash").Str != hash {
		return entra.Record{}, nil
	}
	return rec, nil
}

// succeeded tells whether a sign-in succeeded, and whose it is.
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

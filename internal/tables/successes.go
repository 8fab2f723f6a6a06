package tables

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"golang.org/x/sync/errgroup"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

var _ directory.Successes = (*Store)(nil)

// Successes is directory.Successes's: it reads two columns of the archived sign-ins, several hours at the same time.
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
					err := s.hourSuccesses(inner, entra.Window{Stream: log.Stream, Start: start}, func(id string, at time.Time) {
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

// hourSuccesses reads the successful sign-ins of one hour. An earlier version of a record is no sign-in of its own.
func (s *Store) hourSuccesses(ctx context.Context, w entra.Window, yield func(string, time.Time)) error {
	filter := fmt.Sprintf("PartitionKey eq '%s' and (ErrorCode eq 0)", partitionKey(w))
	columns := "RowKey,UserId"
	options := &aztables.ListEntitiesOptions{Filter: &filter, Select: &columns}
	err := s.listWith(ctx, TableName(w), options, func(body []byte) error {
		var row struct{ RowKey, UserId string }
		if err := json.Unmarshal(body, &row); err != nil {
			return fmt.Errorf("read a row of %s: %w", TableName(w), err)
		}
		if row.UserId == "" || strings.Contains(row.RowKey, versionMark) {
			return nil
		}
		p, err := parseRowKey(row.RowKey)
		if err == nil {
			yield(row.UserId, p.key.Time)
		}
		return err
	})
	if err == errNoTable {
		return nil
	}
	return err
}

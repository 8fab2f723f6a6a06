package tables

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

var _ archive.PurgeStore = (*Store)(nil)

// Months is archive.PurgeStore's.
func (s *Store) Months(ctx context.Context, stream entra.Stream) ([]time.Time, error) {
	prefix := logs.Of(stream).Table
	filter := fmt.Sprintf("TableName ge '%s0' and TableName lt '%s:'", prefix, prefix) // ":" is the character after "9"
	pager := s.service.NewListTablesPager(&aztables.ListTablesOptions{Filter: &filter})
	var out []time.Time
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, s.explain("list the tables of "+string(stream), err)
		}
		for _, table := range page.Tables {
			if table.Name == nil {
				continue
			}
			if month, err := time.Parse("200601", strings.TrimPrefix(*table.Name, prefix)); err == nil {
				out = append(out, month)
			}
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out, nil
}

// DropMonth is archive.PurgeStore's. The records go first: what is left of a drop that is killed
// can then still be read with its dictionary, and compared with what was sealed.
func (s *Store) DropMonth(ctx context.Context, stream entra.Stream, month time.Time) error {
	w := entra.Window{Stream: stream, Start: month}
	if err := s.dropTable(ctx, TableName(w)); err != nil {
		return err
	}
	for _, rows := range []struct{ table, partition string }{{indexTable(month), string(stream)}, {leavesTable(w), string(stream)}, {dictionaryTable, TableName(w)}} {
		if err := s.dropRows(ctx, rows.table, rows.partition, "", nil); err != nil {
			return err
		}
	}
	// A record that came for the month after all must not be compressed against what is gone.
	s.dictionaries.byTable.Delete(TableName(w))
	return nil
}

// dropTable deletes a table. One that is gone, or going, is fine.
func (s *Store) dropTable(ctx context.Context, name string) error {
	_, err := s.service.DeleteTable(ctx, name, nil)
	s.created.Delete(name)
	if isCode(err, "TableNotFound", "ResourceNotFound", "TableBeingDeleted") {
		return nil
	}
	return s.explain("drop table "+name, err)
}

// dropRows deletes the rows of a partition that a filter lets through; an empty one means all. seen is called with each.
func (s *Store) dropRows(ctx context.Context, table, partition, filter string, seen func(rowKey string)) error {
	text := "PartitionKey eq " + quote(partition)
	if filter != "" {
		text += " and " + filter
	}
	columns := "PartitionKey,RowKey"
	var batches []batch
	err := s.listWith(ctx, table, &aztables.ListEntitiesOptions{Filter: &text, Select: &columns}, func(body []byte) error {
		row, err := parseRow(body)
		if err != nil {
			return err
		}
		if seen != nil {
			seen(row.RowKey)
		}
		entity := newRow(partition, row.RowKey, 256).done().body
		batches = append(batches, batch{actions: []aztables.TransactionAction{{ActionType: aztables.TransactionTypeDelete, Entity: entity}},
			size: len(entity) + operationOverhead, mixed: true})
		return nil
	})
	if errors.Is(err, errNoTable) || err == nil && len(batches) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return s.submitAll(ctx, table, batches)
}

// DropQuarantined is archive.PurgeStore's.
func (s *Store) DropQuarantined(ctx context.Context, stream entra.Stream, before time.Time) (int64, error) {
	var keys []string
	older := "LastSeen lt " + literal(before)
	filter := fmt.Sprintf("PartitionKey eq %s and RowKey ge '0' and %s", quote(string(stream)), older)
	err := s.keysOf(ctx, quarantineTable, filter, func(_, key string) error {
		if !strings.Contains(key, partMark) {
			keys = append(keys, key)
		}
		return nil
	})
	if err == nil && len(keys) > 0 {
		// Verify must not take what is dropped for removed: until the next run the ledger counts
		// it.
		mark := newRow(string(stream), droppedMark, 128).done().body
		err = s.submit(ctx, quarantineTable, []aztables.TransactionAction{{ActionType: aztables.TransactionTypeInsertReplace, Entity: mark}})
	}
	if err != nil {
		return 0, err
	}
	if err := s.dropRows(ctx, quarantineTable, string(stream), "RowKey ge '0' and "+older, nil); err != nil {
		return 0, err
	}
	for _, key := range keys { // the other rows of a record that a version before wrote have no date
		more := fmt.Sprintf("RowKey ge %s and RowKey lt %s", quote(partKey(key, 0)), quote(partKey(key, 999)))
		if err := s.dropRows(ctx, quarantineTable, string(stream), more, nil); err != nil {
			return 0, err
		}
	}
	return int64(len(keys)), nil
}

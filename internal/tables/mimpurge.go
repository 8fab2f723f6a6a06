package tables

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// filedIn filters the rows of records that are filed in a month.
func filedIn(month time.Time) string {
	return fmt.Sprintf("%s ge %s and %s lt %s", filedColumn, rows.Literal(month), filedColumn,
		rows.Literal(month.AddDate(0, 1, 0)))
}

// dropDecided removes the rows that say where records of a month are filed: they name servers, and go
// with their records. It comes after these: a record without its row would be filed again.
func (d *Deliveries) dropDecided(ctx context.Context, month time.Time) error {
	return d.dropWhere(ctx, mimRecordsTable, filedIn(month))
}

// dropOld removes what is past the retention and of no month: parts and their groups, also those that
// wait under a key that is not the app's, and servers that have sent nothing since.
func (d *Deliveries) dropOld(ctx context.Context, before time.Time) error {
	if err := d.dropWhere(ctx, mimPartsTable, "Since lt "+rows.Literal(before)); err != nil {
		return err
	}
	query := rows.Query{Filter: "PartitionKey eq " + rows.Quote(computerPartition)}
	for body, err := range d.client.Scan(ctx, mimComputersTable, query) {
		if err != nil {
			return err
		}
		c, err := parseComputer(body)
		if err != nil || !c.Last.Before(before) {
			continue // one that was altered is evidence
		}
		row, err := parseRow(body)
		if err != nil {
			return err
		}
		err = d.client.Submit(ctx, mimComputersTable, rows.Deletion(computerPartition, row.RowKey, row.ETag))
		if err != nil && !errors.Is(err, rows.ErrMoved) { // it has sent something meanwhile
			return err
		}
	}
	return nil
}

// dropWhere removes the rows of all partitions of a table that a filter lets through.
func (d *Deliveries) dropWhere(ctx context.Context, table, filter string) error {
	partition, batches := "", []rows.Batch(nil)
	drop := func() error {
		if len(batches) == 0 {
			return nil
		}
		some := batches
		batches = nil
		return d.client.SubmitAll(ctx, table, some)
	}
	for key, err := range d.client.Keys(ctx, table, filter) {
		if err != nil {
			return err
		}
		if key.Partition != partition || len(batches) == 1000 {
			if err := drop(); err != nil {
				return err
			}
			partition = key.Partition
		}
		var b rows.Batch
		b.Add(rows.Deletion(key.Partition, key.Row, ""))
		batches = append(batches, b)
	}
	return drop()
}

// deliveriesOf is what has to be dropped with a log that is sent; nil: it is none.
func (a *Archive) deliveriesOf(l *logs.Log) *Deliveries {
	if !l.Delivered {
		return nil
	}
	return &Deliveries{client: a.client}
}

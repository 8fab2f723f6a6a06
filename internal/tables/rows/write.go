package rows

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/entraledger/entraledger/internal/parallel"
)

// Replace writes a row if it is still the one of a revision, or, where the revision is empty, if
// there is none yet. It returns the new revision. ErrMoved: the row is another one, or gone. doing
// is for errors.
func (c *Client) Replace(ctx context.Context, table, doing string, row []byte, revision string) (string, error) {
	if err := c.EnsureTable(ctx, table); err != nil {
		return "", err
	}
	client := c.service.NewClient(table)
	if revision == "" {
		added, err := client.AddEntity(ctx, row, nil)
		if isCode(err, entityAlreadyExists) {
			return "", &Refused{Kind: ErrMoved, Doing: doing}
		}
		return string(added.ETag), c.explain(doing, err)
	}
	return c.update(ctx, table, doing, row, revision, aztables.UpdateModeReplace)
}

// Add adds a row to a table that is there. ErrExists: there is one under its key. ErrNoTable: the
// table is not there. doing is for errors.
func (c *Client) Add(ctx context.Context, table, doing string, row []byte) error {
	_, err := c.service.NewClient(table).AddEntity(ctx, row, nil)
	if isCode(err, entityAlreadyExists) {
		return &Refused{Kind: ErrExists, Doing: doing}
	}
	return c.missing(doing, err)
}

// Merge writes some columns of a row, if it is still the one of a revision. ErrMoved: it is another
// one, or gone. doing is for errors.
func (c *Client) Merge(ctx context.Context, table, doing string, row []byte, revision string) error {
	_, err := c.update(ctx, table, doing, row, revision, aztables.UpdateModeMerge)
	return err
}

func (c *Client) update(ctx context.Context, table, doing string, row []byte, revision string,
	mode aztables.UpdateMode) (string, error) {
	etag := azcore.ETag(revision)
	updated, err := c.service.NewClient(table).UpdateEntity(ctx, row, &aztables.UpdateEntityOptions{IfMatch: &etag,
		UpdateMode: mode})
	if isCode(err, updateConditionNotSatisfied, conditionNotMet, resourceNotFound, tableNotFound) {
		return "", &Refused{Kind: ErrMoved, Doing: doing}
	}
	return string(updated.ETag), c.explain(doing, err)
}

// Delete deletes a row. ErrNoRow and ErrNoTable: there was none. doing is for errors.
func (c *Client) Delete(ctx context.Context, table, partition, key, doing string) error {
	_, err := c.service.NewClient(table).DeleteEntity(ctx, partition, key, nil)
	return c.missing(doing, err)
}

// Submit writes one transaction, whole or not at all. A table that is not there is made. ErrExists:
// a row to be inserted is there already. ErrMoved: one to be replaced or deleted is another one, or
// gone.
func (c *Client) Submit(ctx context.Context, table string, actions ...Action) error {
	for again := range 2 {
		if err := c.EnsureTable(ctx, table); err != nil {
			return err
		}
		sending, standIn := withTransaction(ctx, table, actions)
		_, err := c.service.NewClient(table).SubmitTransaction(sending, standIn, nil)
		if again == 0 && isCode(err, tableNotFound) { // it went away since it was made
			c.created.Delete(table)
			continue
		}
		return c.explain("write to table "+table, err)
	}
	return nil
}

// Batch is rows that have to be written together. The zero value is ready.
type Batch struct {
	Size    int // on the wire, in bytes
	actions []Action
	mixed   bool // it does more than insert
}

// Add adds what is to be done with a row.
func (b *Batch) Add(a Action) {
	b.actions = append(b.actions, a)
	b.Size += Overhead
	if a.Kind != Delete {
		b.Size += len(a.Row)
	}
	b.mixed = b.mixed || a.Kind != Insert
}

// pack joins batches to transactions within the service's limits.
func pack(batches []Batch) [][]Action {
	var (
		out  [][]Action
		open []Action
		size int
		most = MaxTransaction - Overhead
	)
	for _, b := range batches {
		if b.mixed {
			most = maxMixed
		}
	}
	for _, b := range batches {
		if len(open) > 0 && (len(open)+len(b.actions) > MaxOperations || size+b.Size >= most) {
			out, open, size = append(out, open), nil, 0
		}
		open = append(open, b.actions...)
		size += b.Size
	}
	if len(open) > 0 {
		out = append(out, open)
	}
	return out
}

// SubmitAll writes batches in as few transactions as the limits allow, several at the same time.
// Each batch is written whole or not at all. Errors are Submit's; others may then have been
// written.
func (c *Client) SubmitAll(ctx context.Context, table string, batches []Batch) error {
	transactions := pack(batches)
	if len(transactions) == 1 {
		return c.Submit(ctx, table, transactions[0]...)
	}
	group, writing := parallel.WithContext(ctx)
	group.SetLimit(Writers)
	for _, actions := range transactions {
		group.Go(func() error { return c.Submit(writing, table, actions...) })
	}
	return group.Wait()
}

// DropRows deletes the rows of a partition that a filter lets through; an empty one means all. A
// table that is not there has none.
func (c *Client) DropRows(ctx context.Context, table, partition, filter string) error {
	text := "PartitionKey eq " + Quote(partition)
	if filter != "" {
		text += " and " + filter
	}
	var batches []Batch
	for key, err := range c.Keys(ctx, table, text) {
		if err != nil {
			return err
		}
		var b Batch
		b.Add(Deletion(partition, key.Row, ""))
		batches = append(batches, b)
	}
	if len(batches) == 0 {
		return nil
	}
	return c.SubmitAll(ctx, table, batches)
}

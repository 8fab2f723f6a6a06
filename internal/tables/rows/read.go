package rows

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/google/uuid"
	"github.com/tidwall/gjson"
)

// Row is a row as it was read.
type Row struct {
	Body     []byte
	Revision string    // its ETag
	Answered time.Time // when it was read, by the service's clock; set even where there is no row
}

// Get reads one row. ErrNoRow and ErrNoTable: there is none. doing is for errors.
func (c *Client) Get(ctx context.Context, table, partition, key, doing string) (Row, error) {
	var answer *http.Response
	got, err := c.service.NewClient(table).GetEntity(policy.WithCaptureResponse(ctx, &answer), partition, key, nil)
	return Row{Body: got.Value, Revision: string(got.ETag), Answered: dateOf(answer)}, c.missing(doing, err)
}

// Now is the storage service's clock, from the answer about a row that need not be there.
func (c *Client) Now(ctx context.Context, table string) (time.Time, error) {
	got, err := c.Get(ctx, table, "now", "now", "ask the storage service for the time")
	if err != nil && !IsMissing(err) {
		return time.Time{}, err
	}
	return got.Answered, nil
}

// Probe writes a row into a table, reads it and deletes it.
func (c *Client) Probe(ctx context.Context, table string) error {
	const doing, partition = "write, read and delete a row", "probe"
	key := uuid.NewString()
	if _, err := c.Replace(ctx, table, doing, NewEntity(partition, key, 128).Done().Body, ""); err != nil {
		return err
	}
	if _, err := c.Get(ctx, table, partition, key, doing); err != nil {
		return err
	}
	return c.Delete(ctx, table, partition, key, doing)
}

// Query asks for rows of a table, in the order of their keys.
type Query struct {
	Filter  string // in the language of the table service; empty: all rows
	Columns string // names with commas between; empty: all columns
	Top     int    // of one page; 0: as many as the service gives
	// MustExist makes a table that is not there an error, ErrNoTable; otherwise it has no rows.
	MustExist bool
	// Answered is set to the service's clock at each page.
	Answered *time.Time
}

func (q Query) options() *aztables.ListEntitiesOptions {
	out := &aztables.ListEntitiesOptions{}
	if q.Filter != "" {
		out.Filter = &q.Filter
	}
	if q.Columns != "" {
		out.Select = &q.Columns
	}
	if q.Top > 0 {
		top := int32(q.Top)
		out.Top = &top
	}
	return out
}

// Page is the rows of one answer. They share memory, which lives as long as one of them.
type Page struct {
	Rows [][]byte
	More bool // there may be more
}

// Pages yields the rows of a query page by page. A page is good until the next.
func (c *Client) Pages(ctx context.Context, table string, q Query) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		pager := c.service.NewClient(table).NewListEntitiesPager(q.options())
		asking, answer := withListing(ctx)
		for pager.More() {
			_, err := pager.NextPage(asking)
			if isCode(err, tableNotFound, tableBeingDeleted) {
				if q.MustExist {
					yield(Page{}, &Refused{Kind: ErrNoTable, Doing: "read table " + table})
				}
				return
			}
			if err != nil {
				yield(Page{}, c.explain("read table "+table, err))
				return
			}
			if q.Answered != nil {
				*q.Answered = answer.date
			}
			if !yield(Page{Rows: answer.rows, More: pager.More()}, nil) {
				return
			}
		}
	}
}

// Scan yields the rows of a query.
func (c *Client) Scan(ctx context.Context, table string, q Query) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for page, err := range c.Pages(ctx, table, q) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, row := range page.Rows {
				if !yield(row, nil) {
					return
				}
			}
		}
	}
}

// Any reports whether a query has a row.
func (c *Client) Any(ctx context.Context, table, filter string) (bool, error) {
	for _, err := range c.Scan(ctx, table, Query{Filter: filter, Columns: "RowKey", Top: 1}) {
		return err == nil, err
	}
	return false, nil
}

// Key names a row of a table.
type Key struct{ Partition, Row string }

// KeyOf is the key of a row that was read; whatever else is wrong with the row.
func KeyOf(body []byte) Key {
	row := gjson.ParseBytes(body)
	return Key{row.Get("PartitionKey").String(), row.Get("RowKey").String()}
}

// keyColumns are asked for where only keys are.
const keyColumns = "PartitionKey,RowKey"

// Keys yields the keys of the rows that a filter lets through.
func (c *Client) Keys(ctx context.Context, table, filter string) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		for body, err := range c.Scan(ctx, table, Query{Filter: filter, Columns: keyColumns}) {
			if err != nil {
				yield(Key{}, err)
				return
			}
			if !yield(KeyOf(body), nil) {
				return
			}
		}
	}
}

// Partitions yields the key of the first row of each partition of a table, by a request for each.
func (c *Client) Partitions(ctx context.Context, table string) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		filter := "PartitionKey ge ''"
		for {
			var first *Key
			for body, err := range c.Scan(ctx, table, Query{Filter: filter, Columns: keyColumns, Top: 1}) {
				if err != nil {
					yield(Key{}, err)
					return
				}
				key := KeyOf(body)
				first = &key
				break
			}
			if first == nil || !yield(*first, nil) {
				return
			}
			filter = "PartitionKey gt " + Quote(first.Partition)
		}
	}
}

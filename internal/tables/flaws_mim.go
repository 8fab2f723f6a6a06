package tables

import (
	"context"
	"regexp"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/mim/deliveries"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// deliveredFlaws finds what is wrong with what deliveries have to remember: rows that are not what
// was written or that nothing reads, records of which no row says where they are filed, so that they
// would be filed again, and parts whose wait nothing ends.
func (f *flaws) deliveredFlaws(ctx context.Context) error {
	if !logs.Of(f.stream).Delivered {
		return nil
	}
	for _, find := range []func(context.Context) error{f.mimComputers, f.mimParts, f.mimRecords, f.mimUndecided} {
		if err := find(ctx); err != nil {
			return err
		}
	}
	return nil
}

// everyRow filters nothing.
const everyRow = "PartitionKey ge ''"

// eachRow reads a table whole, and names rows of unknown places and those that read finds altered.
func (f *flaws) eachRow(
	ctx context.Context, table string, known func(rows.Key) bool, read func(body []byte) error,
) error {
	for body, err := range f.in.client.Scan(ctx, table, rows.Query{Filter: everyRow}) {
		if err != nil {
			return err
		}
		key := rows.KeyOf(body)
		place := key.Partition + " " + key.Row
		if !known(key) {
			err = f.found(verify.DiffAdded, table, place, time.Time{},
				"Entra Ledger writes no such row, and nothing reads it")
		} else if err = read(body); entra.CodeOf(err) == entra.CodeTampered {
			err = f.found(verify.DiffDerived, table, place, time.Time{}, "%s", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *flaws) mimComputers(ctx context.Context) error {
	return f.eachRow(ctx, mimComputersTable, func(k rows.Key) bool { return k.Partition == computerPartition },
		func(body []byte) error {
			_, err := parseComputer(body)
			return err
		})
}

var (
	mimRecordKey = regexp.MustCompile(`^[0-9a-f]{64}$`)
	mimGroupKey  = regexp.MustCompile(`^[0-9a-f-]{36}!\d{4}!$`)
	mimPartKey   = regexp.MustCompile(`^\d{4}!\d{4}![0-9a-f]{32}![0-9a-f]{32}$`)
	mimRequest   = regexp.MustCompile(`^[0-9a-f-]{36}$`)
)

func (f *flaws) mimRecords(ctx context.Context) error {
	return f.eachRow(ctx, mimRecordsTable, func(k rows.Key) bool {
		return mimRecordKey.MatchString(k.Row) && k.Partition == k.Row[:groupBegin]
	}, func(body []byte) error {
		_, err := parseDecided(body)
		return err
	})
}

// mimParts reads parts before groups: their partitions come first.
func (f *flaws) mimParts(ctx context.Context) error {
	waiting := make(map[string]bool)
	err := f.eachRow(ctx, mimPartsTable, func(k rows.Key) bool {
		if k.Partition == groupsPartition {
			return mimGroupKey.MatchString(k.Row)
		}
		return mimRequest.MatchString(k.Partition) && mimPartKey.MatchString(k.Row)
	}, func(body []byte) error {
		if key := rows.KeyOf(body); key.Partition == groupsPartition {
			delete(waiting, key.Row)
			return checkGroup(body)
		}
		p, err := parsePart(body)
		if err == nil && p.state == deliveries.PartWaiting {
			waiting[groupOfName(p.name)] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	for group := range waiting {
		if err := f.unwatched(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

// unwatched finds a part that waits in no group. A delivery in progress writes the part first, and
// one that died there comes again.
func (f *flaws) unwatched(ctx context.Context, group string) error {
	_, err := f.in.client.Get(ctx, mimPartsTable, groupsPartition, group, "read the group of a part")
	if !rows.IsMissing(err) {
		return err
	}
	all, err := (&Deliveries{client: f.in.client}).parts(ctx, group)
	if err != nil {
		return err
	}
	now, err := f.in.client.Now(ctx, mimPartsTable)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.state != deliveries.PartWaiting || now.Sub(p.since) < time.Hour {
			continue
		}
		err := f.found(verify.DiffDerived, mimPartsTable, p.name, time.Time{},
			"it waits for other parts, and the row of its group is gone, so that nothing ends its wait; "+
				"send the part again")
		if err != nil {
			return err
		}
	}
	return nil
}

// mimUndecided finds records of which no row says where they are filed.
func (f *flaws) mimUndecided(ctx context.Context) error {
	months, err := f.in.archive.Months(ctx, f.stream)
	if err != nil {
		return err
	}
	for _, month := range months {
		if err := f.undecidedOf(ctx, month); err != nil {
			return err
		}
	}
	return nil
}

func (f *flaws) undecidedOf(ctx context.Context, month time.Time) error {
	table := TableName(entra.Window{Stream: f.stream, Start: month})
	there := make(map[string]rows.Key)
	for key, err := range f.in.client.Keys(ctx, table, "") {
		if err != nil {
			return err
		}
		if at, err := parseRowKey(key.Row); err == nil && mimRecordKey.MatchString(at.key.ID) {
			there[at.key.ID] = key
		}
	}
	for key, err := range f.in.client.Keys(ctx, mimRecordsTable, filedIn(month)) {
		if err != nil {
			return err
		}
		delete(there, key.Row)
	}
	for id, key := range there {
		// Once more: the column by which rows of a month are found may have been altered, which is
		// named elsewhere; and a purge may have dropped both.
		_, err := f.in.client.Get(ctx, mimRecordsTable, id[:groupBegin], id, "read where a record is filed")
		if !rows.IsMissing(err) {
			if err != nil {
				return err
			}
			continue
		}
		if _, err = f.in.client.Get(ctx, table, key.Partition, key.Row, "read a record"); rows.IsMissing(err) {
			continue
		}
		if err != nil {
			return err
		}
		err = f.found(verify.DiffDerived, mimRecordsTable, id[:groupBegin]+" "+id, time.Time{},
			"the row that says where record %s is filed is gone; a further delivery of it may be filed again", id)
		if err != nil {
			return err
		}
	}
	return nil
}

package directory

import (
	"context"
	"strings"
)

// LicenceNamed is the row with the name of a product.
func LicenceNamed(id, name string) Row { return Row{Key: strings.ToLower(id), Doc: []byte(name)} }

// LicenceNames are the names of products by their ids in lower case; nil where none were read. read
// says how the partition is read.
func LicenceNames(
	ctx context.Context, store Store, snap Snapshot, read func(Range) Range,
) (names map[string]string, err error) {
	for row, err := range store.Rows(ctx, snap.ID, read(Range{Partition: ReadLicences})) {
		if err != nil {
			return nil, err
		}
		if names == nil {
			names = make(map[string]string)
		}
		names[row.Key] = string(row.Doc)
	}
	return names, nil
}

// named are the names of products, in their order; nil where no names are known. One whose name is
// not known has its id.
func named(ids []string, names map[string]string) (out []string) {
	if names == nil {
		return nil
	}
	for _, id := range ids {
		if name, ok := names[strings.ToLower(id)]; ok {
			id = name
		}
		out = append(out, id)
	}
	return out
}

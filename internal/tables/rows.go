package tables

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// errRowMoved says that a row is no longer the one that was read.
var errRowMoved = errors.New("the row was changed by somebody else")

// replace writes a row if it is still the one of a revision, or, where the revision is empty, if there is none yet. It
// returns the new revision, or errRowMoved. doing is for errors.
func (s *Store) replace(ctx context.Context, table, doing string, row []byte, revision string) (string, error) {
	if err := s.ensureTable(ctx, table); err != nil {
		return "", err
	}
	client := s.service.NewClient(table)
	if revision == "" {
		added, err := client.AddEntity(ctx, row, nil)
		if isCode(err, "EntityAlreadyExists") {
			return "", errRowMoved
		}
		if err != nil {
			return "", s.explain(doing, err)
		}
		return string(added.ETag), nil
	}
	etag := azcore.ETag(revision)
	updated, err := client.UpdateEntity(ctx, row, &aztables.UpdateEntityOptions{IfMatch: &etag, UpdateMode: aztables.UpdateModeReplace})
	if isCode(err, "UpdateConditionNotSatisfied", "ConditionNotMet", "ResourceNotFound", "TableNotFound") {
		return "", errRowMoved
	}
	if err != nil {
		return "", s.explain(doing, err)
	}
	return string(updated.ETag), nil
}

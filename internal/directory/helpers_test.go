package directory_test

import (
	"time"

	"github.com/entraledger/entraledger/internal/directory/collections"
)

const day = 24 * time.Hour

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

var now = at("2026-11-21T12:00:00Z")

func usersWithActivity() collections.Query {
	c, _ := collections.All().Of(collections.Users)
	return collections.Query{Collection: c}
}

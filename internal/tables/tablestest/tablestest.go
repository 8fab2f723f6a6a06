// Package tablestest gives all of an account's tables as one value, for tests and tools that play
// several of their users at once.
package tablestest

import "github.com/entraledger/entraledger/internal/tables"

// Store is an account with the methods of all that it has.
type Store struct {
	*tables.Account
	*tables.Archive
	*tables.Views
	*tables.Audit
	*tables.Directory
	*tables.Readers
	*tables.Jobs
	*tables.Questions
	*tables.Secrets
}

// New makes a Store. It opens no connection.
func New(cfg tables.Config) (*Store, error) {
	account, err := tables.New(cfg)
	if err != nil {
		return nil, err
	}
	return &Store{Account: account, Archive: account.Archive, Views: account.Views, Audit: account.Evidence().Audit,
		Directory: account.Directory, Readers: account.Readers, Jobs: account.Jobs, Questions: account.Questions,
		Secrets: account.Secrets}, nil
}

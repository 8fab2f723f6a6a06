// Package tables keeps the archive, what is derived from it, the directory's snapshots and its
// readers, jobs, long questions and the turns for Graph in Azure Table Storage: a type each, over the kernel in
// package rows.
package tables

import (
	"context"
	"time"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/questions"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/repair"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// Config says where the account is.
type Config = rows.Config

// Account is the tables of one storage account. All of it is safe for concurrent use.
type Account struct {
	Archive    *Archive
	Views      *Views
	Directory  *Directory
	Readers    *Readers
	Jobs       *Jobs
	Questions  *Questions
	Secrets    *Secrets
	Deliveries *Deliveries

	client *rows.Client
}

// New makes an Account. It opens no connection.
func New(cfg Config) (*Account, error) {
	client, err := rows.New(cfg)
	if err != nil {
		return nil, err
	}
	codec, err := newCodec(client)
	if err != nil {
		return nil, err
	}
	a := &Archive{client: client, codec: codec}
	views := &Views{client: client, codec: codec, archive: a}
	return &Account{
		Archive:    a,
		Views:      views,
		Directory:  &Directory{client: client, codec: codec},
		Readers:    &Readers{client: client},
		Jobs:       &Jobs{client: client, codec: codec},
		Questions:  &Questions{client: client, codec: codec},
		Secrets:    &Secrets{client: client},
		Deliveries: &Deliveries{client: client},
		client:     client,
	}, nil
}

// Slots are the turns of a name.
func (a *Account) Slots(name string) *Slots { return &Slots{client: a.client, name: name} }

// Now is the storage service's clock: the Date of an answer.
func (a *Account) Now(ctx context.Context) (time.Time, error) {
	return a.client.Now(ctx, coverageTable)
}

// ProbeTables is preflight.Storage's.
func (a *Account) ProbeTables(ctx context.Context) error { return a.client.Probe(ctx, probeTable) }

// Searched is what a search asks: the archive, its views, and what signs the links to the rest.
type Searched struct {
	*Archive
	*Views
	*Secrets
}

// Searched joins what a search asks.
func (a *Account) Searched() Searched { return Searched{a.Archive, a.Views, a.Secrets} }

// Evidence is what a verification and a repair read: the archive, and its audit.
type Evidence struct {
	*Archive
	*Audit
}

// Evidence joins what a verification and a repair read.
func (a *Account) Evidence() Evidence {
	return Evidence{a.Archive, &Audit{client: a.client, archive: a.Archive, views: a.Views, directory: a.Directory,
		secrets: a.Secrets}}
}

// What the users of the account declare.
var (
	_ purge.Store       = (*Archive)(nil)
	_ records.Reader    = (*Archive)(nil)
	_ derive.Finder     = (*Views)(nil)
	_ verify.Beside     = (*Audit)(nil)
	_ repair.Store      = Evidence{}
	_ verify.Prover     = Evidence{}
	_ derive.Store      = Searched{}
	_ directory.Store   = (*Directory)(nil)
	_ cursors.Store     = (*Readers)(nil)
	_ cursors.Keys      = (*Secrets)(nil)
	_ jobs.Store        = (*Jobs)(nil)
	_ questions.Store   = (*Questions)(nil)
	_ preflight.Storage = (*Account)(nil)
)

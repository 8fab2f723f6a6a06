package tables

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

const (
	secretsPartition = "secret"
	secretBytes      = 32
)

// Secrets are random bytes that all processes of the app share.
type Secrets struct {
	client *rows.Client
	known  sync.Map // name -> []byte
}

// Secret is 32 random bytes, made when they are first asked for. They sign what callers bring back,
// such as skip tokens. A reader of the archive's tables can read them, and gains nothing by it.
func (s *Secrets) Secret(ctx context.Context, name string) ([]byte, error) {
	for range 2 {
		secret, err := s.read(ctx, name)
		if !rows.IsMissing(err) {
			return secret, err
		}
		made := make([]byte, secretBytes)
		_, _ = rand.Read(made) // it never fails
		b := rows.NewEntity(secretsPartition, name, 256)
		b.Binary("Secret", made)
		// Another process may be quicker: then its secret counts.
		_, err = s.client.Replace(ctx, secretsTable, "write secret "+name, b.Done().Body, "")
		if err != nil && !errors.Is(err, rows.ErrMoved) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("read secret %s: it was made and is not there", name)
}

// read is a secret that was made; an error of rows.IsMissing where it was not.
func (s *Secrets) read(ctx context.Context, name string) ([]byte, error) {
	if known, ok := s.known.Load(name); ok {
		return known.([]byte), nil
	}
	got, err := s.client.Get(ctx, secretsTable, secretsPartition, name, "read secret "+name)
	if err != nil {
		return nil, err
	}
	var row struct{ Secret []byte }
	if err := json.Unmarshal(got.Body, &row); err != nil || len(row.Secret) != secretBytes {
		return nil, &entra.Error{Code: entra.CodeTampered, Doing: "read secret " + name,
			Why: "its row in table " + secretsTable + " is not what was written",
			Remedy: "delete the row: a new one is made, and what the old one signed is refused; " +
				"find out who changed it"}
	}
	s.known.Store(name, row.Secret)
	return row.Secret, nil
}

package tables

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
)

const secretsTable = "secrets"

// Secret is 32 random bytes that all processes of the app share, made when they are first asked for. They sign what callers
// bring back, such as skip tokens; whoever can read the archive's tables can read them, and gains nothing by it.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	if known, ok := s.secrets.Load(name); ok {
		return known.([]byte), nil
	}
	for range 2 {
		got, err := s.service.NewClient(secretsTable).GetEntity(ctx, "secret", name, nil)
		if err == nil {
			var row struct{ Secret []byte }
			if err := json.Unmarshal(got.Value, &row); err != nil || len(row.Secret) != 32 {
				return nil, fmt.Errorf("read secret %s: its row is not as it was written", name)
			}
			s.secrets.Store(name, row.Secret)
			return row.Secret, nil
		}
		if !isCode(err, "TableNotFound", "ResourceNotFound") {
			return nil, s.explain("read secret "+name, err)
		}
		made := make([]byte, 32)
		_, _ = rand.Read(made) // it never fails
		b := newRow("secret", name, 256)
		b.binary("Secret", made)
		// Another process may be quicker: then its secret counts.
		if _, err := s.replace(ctx, secretsTable, "write secret "+name, b.done().body, ""); err != nil && !errors.Is(err, errRowMoved) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("read secret %s: it was made and is not there", name)
}

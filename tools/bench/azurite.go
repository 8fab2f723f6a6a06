package main

import (
	"context"
	"encoding/json"
	"io"

	"github.com/entraledger/entraledger/internal/dev/azurite"
)

// serveAzurite keeps an Azurite of its own, which ends with this process, and answers its
// connection string.
func serveAzurite(ctx context.Context, _ job, out io.Writer) error {
	server, err := azurite.Start(ctx, azurite.Options{})
	if err != nil {
		return err
	}
	defer server.Stop()
	if err := json.NewEncoder(out).Encode(server.ConnectionString(azurite.DevelopmentAccount)); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-server.Done():
	}
	return nil
}

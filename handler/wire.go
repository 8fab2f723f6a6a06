package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/entraledger/entraledger/functions/archivelogs"
	"github.com/entraledger/entraledger/functions/coverage"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/funchost"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/tables"
)

// wire makes the clients and the functions. It sends nothing: the host is waiting for the port to open.
func wire(cfg settings.Settings, getenv func(string) string, log *slog.Logger) (http.Handler, error) {
	if sum := cfg.ArchiveRequestsPer10s + cfg.SnapshotRequestsPer10s; sum > graph.ReportingCeiling {
		log.Warn("GRAPH_REQUESTS_PER_10S is above what Graph allows", "requests", sum, "ceiling", graph.ReportingCeiling)
	}
	identity, err := credential(cfg, getenv, getenv("AZURE_CLIENT_ID"))
	if err != nil {
		return nil, err
	}
	source, err := graph.New(graph.Config{
		Endpoint: cfg.GraphEndpoint, Scope: cfg.GraphScope, Credential: identity,
		Limiter: graph.NewLimiter(cfg.ArchiveRequestsPer10s), Version: version, Log: log,
	})
	if err != nil {
		return nil, err
	}
	storageIdentity := identity
	if cfg.StorageClientID != "" {
		if storageIdentity, err = credential(cfg, getenv, cfg.StorageClientID); err != nil {
			return nil, err
		}
	}
	store, err := tables.New(tables.Config{ConnectionString: cfg.StorageConnection, ServiceURI: cfg.StorageURI, Credential: storageIdentity})
	if err != nil {
		return nil, err
	}
	collector := archive.NewCollector(source, store, nil, archive.Options{Backfill: cfg.Backfill}, time.Now, log)

	host := funchost.New(log)
	host.Timer(archivelogs.Name, archivelogs.Run(collector, cfg.Streams, cfg.RunBudget))
	cover := &coverage.Function{Ledger: store, Streams: cfg.Streams, Now: time.Now, BaseURL: cfg.PublicBaseURL}
	host.HTTP("/api/coverage", cover, http.MethodGet)
	host.HTTP("/api/coverage/{stream}", cover, http.MethodGet)
	return host, nil
}

// credential is the managed identity in Azure, where the platform sets IDENTITY_ENDPOINT, and whatever the developer is
// signed in with elsewhere.
func credential(cfg settings.Settings, getenv func(string) string, clientID string) (azcore.TokenCredential, error) {
	options := policy.ClientOptions{Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: cfg.Cloud.LoginEndpoint}}
	if getenv("IDENTITY_ENDPOINT") == "" {
		cred, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: options})
		if err != nil {
			return nil, fmt.Errorf("find an identity: %w", err)
		}
		return cred, nil
	}
	managed := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
	if clientID != "" {
		managed.ID = azidentity.ClientID(clientID)
	}
	cred, err := azidentity.NewManagedIdentityCredential(managed)
	if err != nil {
		return nil, fmt.Errorf("find the managed identity: %w", err)
	}
	return cred, nil
}

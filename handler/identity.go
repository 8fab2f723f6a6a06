package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/entraledger/entraledger/internal/settings"
)

// credential is who the app is.
func (o outside) credential(
	cfg settings.Settings, getenv func(string) string, clientID string,
) (azcore.TokenCredential, error) {
	if o.Identity != nil {
		return o.Identity, nil
	}
	return credential(cfg, getenv, clientID)
}

// credential is the managed identity in Azure, where the platform sets IDENTITY_ENDPOINT, and
// whatever the developer is signed in with elsewhere.
func credential(cfg settings.Settings, getenv func(string) string, clientID string) (azcore.TokenCredential, error) {
	options := policy.ClientOptions{Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: cfg.Cloud.LoginEndpoint}}
	if getenv("IDENTITY_ENDPOINT") == "" {
		cred, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: options})
		if err != nil {
			return nil, fmt.Errorf("find an identity: %w", err)
		}
		return stoppable{cred}, nil
	}
	managed := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
	if clientID != "" {
		managed.ID = azidentity.ClientID(clientID)
	}
	cred, err := azidentity.NewManagedIdentityCredential(managed)
	if err != nil {
		return nil, fmt.Errorf("find the managed identity: %w", err)
	}
	return stoppable{cred}, nil
}

// stoppable says of a request for a token that was stopped that it was. The library says that the
// identity was refused a token, and what that came from in words only.
type stoppable struct{ azcore.TokenCredential }

// GetToken is azcore.TokenCredential's.
func (s stoppable) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := s.TokenCredential.GetToken(ctx, options)
	if err != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		err = fmt.Errorf("ask for a token: %w", context.Canceled)
	}
	return token, err
}

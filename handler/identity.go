package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
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
// identity was refused a token, and what that came from in words only. Of one that was refused it
// says why, in one line.
type stoppable struct{ azcore.TokenCredential }

// GetToken is azcore.TokenCredential's.
func (s stoppable) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := s.TokenCredential.GetToken(ctx, options)
	switch {
	case err == nil:
	case errors.Is(context.Cause(ctx), context.Canceled):
		err = fmt.Errorf("ask for a token: %w", context.Canceled)
	default:
		err = &tokenless{err, whyNoToken(err)}
	}
	return token, err
}

// tokenless is the library's error in one line. Where there was an answer, the first line of the
// library's own text ends before the reason.
type tokenless struct {
	error
	why string
}

func (t *tokenless) Error() string { return t.why }

func (t *tokenless) Unwrap() error { return t.error }

// mostWhy is how many bytes of a reason are shown.
const mostWhy = 600

// whyNoToken is why there is no token: what the endpoint answered, or else what the library says of
// each way that it has tried.
func whyNoToken(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	failed, ok := errors.AsType[*azidentity.AuthenticationFailedError](err)
	if !ok || failed.RawResponse == nil || len(lines) == 0 {
		return entra.Clip(strings.Join(lines, "; "), mostWhy)
	}
	who, _, _ := strings.Cut(lines[0], " authentication failed")
	resp, from := failed.RawResponse, "the token endpoint"
	if resp.Request != nil && resp.Request.URL != nil {
		from = resp.Request.URL.Host
	}
	return fmt.Sprintf("%s: %s answers %d %s", who, from, resp.StatusCode, reasonIn(resp))
}

// reasonIn reads the reason out of a token endpoint's answer. Source:
// learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token, "Error
// handling"; App Service's endpoint puts it into message, Microsoft Entra ID into
// error_description.
func reasonIn(resp *http.Response) string {
	body, err := runtime.Payload(resp)
	if err != nil || len(body) == 0 {
		return "without a reason"
	}
	doc := gjson.ParseBytes(body)
	if !gjson.ValidBytes(body) || !doc.IsObject() {
		return "(" + entra.Clip(strings.Join(strings.Fields(string(body)), " "), mostWhy) + ")"
	}
	code, why := doc.Get("error"), cmp.Or(doc.Get("error_description").Str, doc.Get("message").Str,
		doc.Get("error.message").Str)
	if code.IsObject() {
		code = code.Get("code")
	}
	why, _, _ = strings.Cut(strings.TrimSpace(why), "\n") // ids and times follow
	text := strings.TrimSpace(code.Str)
	if why = strings.TrimSpace(why); why != "" {
		text = strings.TrimSpace(text + " (" + entra.Clip(why, mostWhy) + ")")
	}
	return cmp.Or(text, "without a reason")
}

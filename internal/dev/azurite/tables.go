package azurite

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Tables lists the names of an account's tables in order: the first 1,000.
func (s *Server) Tables(ctx context.Context, account string) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address()+"/"+account+"/Tables", nil)
	if err != nil {
		return nil, fmt.Errorf("list tables of Azurite: %w", err)
	}
	if err := sign(req, account, time.Now()); err != nil {
		return nil, fmt.Errorf("list tables of Azurite: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("list tables of Azurite: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("list tables of Azurite: it answered %s", resp.Status)
	}
	var list struct {
		Value []struct{ TableName string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return nil, fmt.Errorf("list tables of Azurite: %w", err)
	}
	names := make([]string, len(list.Value))
	for i, t := range list.Value {
		names[i] = t.TableName
	}
	return names, nil
}

// sign authorizes a request without parameters by SharedKeyLite for tables.
// Source: learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key.
func sign(req *http.Request, account string, now time.Time) error {
	secret, err := base64.StdEncoding.DecodeString(key(account))
	if err != nil {
		return fmt.Errorf("read key of %s: %w", account, err)
	}
	date := now.UTC().Format(http.TimeFormat)
	mac := hmac.New(sha256.New, secret)
	// The account is there twice: once as such, once as the first part of the emulator's path.
	fmt.Fprintf(mac, "%s\n/%s%s", date, account, req.URL.EscapedPath())
	req.Header.Set("x-ms-date", date)
	req.Header.Set("x-ms-version", "2019-02-02")
	req.Header.Set("Accept", "application/json;odata=nometadata")
	req.Header.Set("Authorization", "SharedKeyLite "+account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}

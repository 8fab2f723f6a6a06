// Package memtest serves storage accounts in memory over a socket, for tests whose program runs in
// a process of its own.
package memtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
)

// Account serves an empty account, and gives its connection string. It ends with the test.
func Account(t testing.TB) string {
	t.Helper()
	service := memstorage.New(time.Now)
	service.Limits.DeleteTakes = 0 // Azurite's way: a table's name is free at once
	return Serve(t, service)
}

// Serve serves an account, and gives its connection string. It ends with the test.
func Serve(t testing.TB, service *memstorage.Service) string {
	t.Helper()
	tables := httptest.NewServer(service)
	t.Cleanup(tables.Close)
	blobs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = "memory.blob.example" // the service distinguishes its two halves by the host
		service.ServeHTTP(w, r)
	}))
	t.Cleanup(blobs.Close)
	return fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=memory;AccountKey=bWVtb3J5;TableEndpoint=%s;BlobEndpoint=%s",
		tables.URL, blobs.URL)
}

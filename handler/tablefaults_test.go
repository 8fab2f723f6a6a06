package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/archivetest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// tableFault is a way in which Table Storage misbehaves.
type tableFault string

const (
	serverBusy     tableFault = "503 ServerBusy"
	beingDeleted   tableFault = "409 TableBeingDeleted"
	conditionLost  tableFault = "412 UpdateConditionNotSatisfied"
	notStored      tableFault = "time-out, not stored"
	storedUnheard  tableFault = "time-out, stored"
	operationFails tableFault = "one operation of a batch fails"
	forbidden      tableFault = "403 for a while"
)

func tableFaults() []tableFault {
	return []tableFault{serverBusy, beingDeleted, conditionLost, notStored, storedUnheard, operationFails, forbidden}
}

// badTables is a proxy for Azurite that spoils some of the writes.
type badTables struct {
	*httptest.Server
	forward http.Handler

	mu     sync.Mutex
	fault  tableFault
	from   int // writes that go well first
	times  int
	writes int
	done   int // how often it happened
}

// newBadTables is a proxy for the system's account; its address opens the same account.
func newBadTables(s *system) (*badTables, string) {
	endpoint, _, _ := strings.Cut(s.env["ARCHIVE_STORAGE"][strings.Index(s.env["ARCHIVE_STORAGE"], "TableEndpoint=")+
		len("TableEndpoint="):], ";")
	target, err := url.Parse(endpoint)
	require.NoError(s, err)
	target.Path = ""
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.ErrorLog = log.New(io.Discard, "", 0) // callers that went away, as they are made to
	b := &badTables{forward: forward}
	b.Server = httptest.NewServer(b)
	s.Cleanup(b.Close)
	return b, strings.Replace(s.env["ARCHIVE_STORAGE"], target.String(), b.URL, 1)
}

// set makes writes number from+1 to from+times fail.
func (b *badTables) set(fault tableFault, from, times int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault, b.from, b.times, b.writes, b.done = fault, from, times, 0, 0
}

func (b *badTables) happened() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done
}

func (b *badTables) due(r *http.Request) tableFault {
	if r.Method == http.MethodGet {
		return ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	isBatch := strings.HasSuffix(r.URL.Path, "$batch")
	if b.fault == operationFails && !isBatch {
		return ""
	}
	b.writes++
	if b.writes <= b.from || b.writes > b.from+b.times {
		return ""
	}
	b.done++
	return b.fault
}

func (b *badTables) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json;odata=minimalmetadata")
		w.Header().Set("x-ms-error-code", code)
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"odata.error":{"code":%q,"message":{"lang":"en-US","value":"made up"}}}`, code)
	}
	switch b.due(r) {
	case serverBusy:
		refuse(http.StatusServiceUnavailable, "ServerBusy")
	case beingDeleted:
		refuse(http.StatusConflict, "TableBeingDeleted")
	case conditionLost:
		refuse(http.StatusPreconditionFailed, "UpdateConditionNotSatisfied")
	case forbidden:
		refuse(http.StatusForbidden, "AuthorizationFailure")
	case notStored:
		panic(http.ErrAbortHandler)
	case storedUnheard:
		b.forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case operationFails:
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "multipart/mixed; boundary=batchresponse_1")
		w.WriteHeader(http.StatusAccepted)
		inner := `{"odata.error":{"code":"InternalError","message":{"lang":"en-US","value":"3:Server encountered an internal error."}}}`
		fmt.Fprintf(w, "--batchresponse_1\r\nContent-Type: multipart/mixed; "+
			"boundary=changesetresponse_1\r\n\r\n--changesetresponse_1\r\n"+
			"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 500 "+
			"Internal Server Error\r\n"+
			"Content-Type: "+
			"application/json;odata=minimalmetadata\r\n\r\n%s\r\n--changesetresponse_1--\r\n--batchresponse_1--\r\n",
			inner)
	default:
		b.forward.ServeHTTP(w, r)
	}
}

// TestFaultsOfTheTablesLoseAndDoubleNothing walks every fault of the tables over the writes of two
// runs: the first, and one that reads again and seals. Once it passes by itself, once it outlasts
// every retry.
func TestFaultsOfTheTablesLoseAndDoubleNothing(t *testing.T) {
	streams := []entra.Stream{logs.DirectoryAudits}
	for _, fault := range tableFaults() {
		for _, times := range []int{1, 9} {
			t.Run(fmt.Sprintf("%s x %d", fault, times), func(t *testing.T) {
				t.Parallel() // it waits between tries most of the time
				s := newSystem(t, simtenant.Config{PageSize: 30, Retention: 60 * 24 * time.Hour,
					Generate: &generate.Config{Seed: 3, Users: 20, Days: 2,
						Exactly: map[entra.Stream]int{logs.DirectoryAudits: 70}}})
				bad, address := newBadTables(s)
				happened := 0
				for i, day := range []time.Duration{0, 8 * 24 * time.Hour} {
					s.tenant.Freeze(time.Now().UTC().Add(day).Truncate(time.Second))
					for from := i; from < 12; from += 3 {
						bad.set(fault, from, times)
						_, _ = s.collector(route{tables: address}).Run(t.Context(), archivetest.Execution(), streams,
							time.Minute)
						happened += bad.happened()
					}
					_, err := s.collector(route{}).Run(t.Context(), archivetest.Execution(), streams, time.Minute)
					require.NoError(t, err)
				}
				require.GreaterOrEqual(t, happened, 2)
				s.tenant.Freeze(s.tenant.Now().Add(10 * time.Minute))
				_, err := s.collector(route{}).Run(t.Context(), archivetest.Execution(), streams, time.Minute)
				require.NoError(t, err)
				s.requireArchived(streams...)
				require.Positive(t, s.requireIntact(streams...))
			})
		}
	}
}

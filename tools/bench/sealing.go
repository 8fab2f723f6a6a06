package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// sealing is what the seals of a day cost, of all that its archiving costs: in a tenant in which
// nothing comes late, and in one in which a record comes late to every hour of every stream before
// every pass, so that each hour is sealed four times.
type sealing struct {
	Users           int   `json:"users"`
	Restless        bool  `json:"restless"`
	Records         int64 `json:"records"`
	Seals           int64 `json:"seals"`
	TableRequests   int64 `json:"tableRequests"`
	SealingRequests int64 `json:"sealingRequests"` // reading contents and the log, keeping lists
	StoredBytes     int64 `json:"storedBytes"`     // all tables
	SealingBytes    int64 `json:"sealingBytes"`    // lists, and entries of the log
	RecordBytes     int64 `json:"recordBytes"`     // rows of records, as the ledger sums them up
	IndexedRecords  int64 `json:"indexedRecords"`  // of the day that is indexed at the end
	IndexBytes      int64 `json:"indexBytes"`
}

// sealingTransport counts the requests that only sealing makes.
type sealingTransport struct {
	service http.RoundTripper
	mu      sync.Mutex
	all     int64
	sealing int64
}

// RoundTrip is http.RoundTripper's.
func (t *sealingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	path, _ := url.PathUnescape(req.URL.Path)
	seals := strings.Contains(path, "/leaves") || strings.Contains(path, "RowKey='seal!") ||
		strings.Contains(req.URL.Query().Get("$select"), "Spells")
	if req.Body != nil && strings.HasSuffix(path, "$batch") {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		seals = seals || bytes.Contains(body, []byte("/leaves2"))
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	t.mu.Lock()
	if t.all++; seals {
		t.sealing++
	}
	t.mu.Unlock()
	return t.service.RoundTrip(req)
}

func (p plan) measureSealing(ctx context.Context) ([]sealing, error) {
	var out []sealing
	for _, users := range []int{100, 1_000} {
		for _, restless := range []bool{false, true} {
			progress(fmt.Sprintf("the seals of a day of %s users, late records: %v", grouped(int64(users)), restless))
			s, err := measureSealing(ctx, users, restless, p.seed, p.now)
			if err != nil {
				return nil, fmt.Errorf("the seals of a day of %d users: %w", users, err)
			}
			out = append(out, s)
		}
	}
	return out, nil
}

func measureSealing(ctx context.Context, users int, restless bool, seed uint64, now time.Time) (sealing, error) {
	out := sealing{Users: users, Restless: restless}
	begin := now.Truncate(24*time.Hour).AddDate(0, 0, -3)
	tenant, err := simtenant.New(simtenant.Config{IdentityHeader: identityHeader, TokenLifetime: 24 * time.Hour,
		Now: begin,
		Generate: &generate.Config{Seed: seed, Users: users, Apps: users / 20, Days: 2, End: begin.Add(36 * time.Hour),
			Policies: 6, Exactly: perDay(users)}})
	if err != nil {
		return out, err
	}
	w, stop, err := newWalk(ctx, tenant)
	if err != nil {
		return out, err
	}
	defer stop()
	service := memstorage.New(tenant.Now)
	counted := &sealingTransport{service: service}
	if w.store, err = tablestest.New(tables.Config{HTTP: &http.Client{Transport: counted},
		ConnectionString: service.ConnectionString()}); err != nil {
		return out, err
	}
	if restless {
		if err := comeLate(tenant, begin); err != nil {
			return out, err
		}
	}
	for i := range (dayWarmUp + dayHours) * 12 {
		tenant.Freeze(begin.Add(time.Duration(i+1) * 5 * time.Minute))
		if i == dayWarmUp*12 {
			out.add(ctx, w.store, service, counted, -1)
		}
		if _, err := w.once(ctx); err != nil {
			return out, err
		}
	}
	out.add(ctx, w.store, service, counted, 1)
	return out, out.index(ctx, w.store, service, begin)
}

// index indexes the first day, which is settled, and measures the work.
func (s *sealing) index(
	ctx context.Context, store *tablestest.Store, service *memstorage.Service, begin time.Time,
) error {
	for _, stream := range logs.DefaultStreams() {
		_, err := derive.Update(ctx, store, ledger.Execution{ID: "bench", Work: "bench"}, stream, false,
			time.Now().Add(time.Minute))
		if err != nil {
			return err
		}
		for cov, err := range store.Windows(ctx, stream, begin, begin.Add(24*time.Hour)) {
			if err != nil {
				return err
			}
			s.IndexedRecords += cov.Records
		}
	}
	for _, name := range service.TableNames() {
		for _, row := range service.Rows(name) {
			if strings.HasPrefix(name, "index") {
				s.IndexBytes += row.Size()
			}
		}
	}
	return nil
}

// comeLate adds a record to each hour of each stream that is shown just before each pass.
func comeLate(tenant *simtenant.Tenant, begin time.Time) error {
	for _, stream := range logs.DefaultStreams() {
		var like []byte
		for raw := range tenant.Truth(stream) {
			like = bytes.Clone(raw)
			break
		}
		if like == nil {
			continue
		}
		property := logs.Of(stream).TimeProperty
		id, at := gjson.GetBytes(like, "id").Raw, gjson.GetBytes(like, property).Raw
		for hour := range dayWarmUp + dayHours {
			for age := 1; age <= 3; age++ {
				start := begin.Add(time.Duration(hour) * time.Hour)
				when := start.Add(time.Duration(10*age) * time.Minute)
				raw := bytes.Replace(like, []byte(id), fmt.Appendf(nil, `"late-%d-%d"`, hour, age), 1)
				raw = bytes.ReplaceAll(raw, []byte(at), fmt.Appendf(nil, "%q", when.Format(time.RFC3339)))
				if err := tenant.Add(stream, raw, start.Add(time.Duration(age+1)*time.Hour-time.Minute)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// add adds the counts to the figures, or, for -1, subtracts them.
func (s *sealing) add(
	ctx context.Context, store *tablestest.Store, service *memstorage.Service, counted *sealingTransport, sign int64,
) {
	tally := tallyOf(ctx, store)
	s.Records += sign * tally.Records
	s.RecordBytes += sign * tally.StoredBytes
	for _, stream := range logs.DefaultStreams() {
		if p, err := store.Progress(ctx, stream); err == nil {
			s.Seals += sign * p.Seals
		}
	}
	counted.mu.Lock()
	s.TableRequests += sign * counted.all
	s.SealingRequests += sign * counted.sealing
	counted.mu.Unlock()
	for _, name := range service.TableNames() {
		for _, row := range service.Rows(name) {
			s.StoredBytes += sign * row.Size()
			if strings.HasPrefix(name, "leaves") || strings.HasPrefix(row.Key, "seal!") {
				s.SealingBytes += sign * row.Size()
			}
		}
	}
}

func (r report) printSealing(out io.Writer) {
	if len(r.Sealing) == 0 {
		return
	}
	t := newTable(out, "The seals of a day: every hour in the run that has read it, and again when a "+
		"pass adds something", "users", "late records", "records",
		"seals", "table requests", "of them for seals", "bytes stored", "of them for seals", "rows of records",
		"index bytes a record")
	for _, s := range r.Sealing {
		late := "none"
		if s.Restless {
			late = "one an hour before each pass"
		}
		t.AppendRow(table.Row{grouped(int64(s.Users)), late, grouped(s.Records), grouped(s.Seals),
			grouped(s.TableRequests),
			fmt.Sprintf("%s (%.1f %%)", grouped(s.SealingRequests),
				100*ratio(float64(s.SealingRequests), float64(s.TableRequests))), grouped(s.StoredBytes),
			fmt.Sprintf("%s (%.1f %%)", grouped(s.SealingBytes),
				100*ratio(float64(s.SealingBytes), float64(s.StoredBytes))),
			grouped(s.RecordBytes), fmt.Sprintf("%.0f", ratio(float64(s.IndexBytes), float64(s.IndexedRecords)))})
	}
	t.Render()
	fmt.Fprintln(out)
}

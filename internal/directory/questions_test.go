package directory_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
)

// questions notes which questions a tenant is asked that confirm its pages: /$count, and
// $filter=id in (...).
type questions struct {
	http.Handler

	mu    sync.Mutex
	asked []string // the paths that were asked for
}

func (q *questions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/$count") || r.URL.Query().Has("$filter") {
		q.mu.Lock()
		q.asked = append(q.asked, r.URL.Path)
		q.mu.Unlock()
	}
	q.Handler.ServeHTTP(w, r)
}

// heard are the questions since the last call.
func (q *questions) heard() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.asked
	q.asked = nil
	return out
}

// quick is the tenant's directory in pages of 20, without the pauses that Graph wants.
type quick struct{ *night }

func (q quick) Now(ctx context.Context) (time.Time, error) { return q.source.Now(ctx) }

func (q quick) all(phase directory.Phase) [][]byte {
	s := map[directory.Phase]entra.Stream{directory.PhaseUsers: simtenant.Users, directory.PhasePlainUsers: simtenant.Users, directory.PhaseApps: simtenant.Applications,
		directory.PhasePrincipals: simtenant.ServicePrincipals, directory.PhaseUse: simtenant.CredentialUse, directory.PhaseAppUse: simtenant.PrincipalUse}
	return q.tenant.Objects(s[phase])
}

func (q quick) Objects(_ context.Context, about directory.Query, link string) (directory.Page, error) {
	page, all := directory.Page{Free: func() {}}, q.all(about.Phase)
	at, _ := strconv.Atoi(link)
	page.Items = append(page.Items, all[min(at, len(all)):min(at+20, len(all))]...)
	if at+20 < len(all) {
		page.Next = strconv.Itoa(at + 20)
	}
	return page, nil
}

func (q quick) Count(_ context.Context, about directory.Query) (int64, error) {
	return int64(len(q.all(about.Phase))), nil
}

func (q quick) Named(_ context.Context, about directory.Query, ids []string) (directory.Page, error) {
	page := directory.Page{Free: func() {}}
	for _, raw := range q.all(about.Phase) {
		if slices.Contains(ids, gjson.GetBytes(raw, "id").Str) {
			page.Items = append(page.Items, raw)
		}
	}
	return page, nil
}

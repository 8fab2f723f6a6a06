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
	"github.com/entraledger/entraledger/internal/directory/collections"
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
	ofOne := strings.HasPrefix(r.URL.Path, "/v1.0/servicePrincipals/") ||
		strings.HasPrefix(r.URL.Path, "/v1.0/applications/")
	federated := strings.HasPrefix(r.URL.Path, "/beta/applications") // counted every night
	if !federated && strings.HasSuffix(r.URL.Path, "/$count") || r.URL.Query().Has("$filter") || ofOne {
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

func (q quick) all(phase string) [][]byte {
	s := map[string]entra.Stream{collections.Users: simtenant.Users, collections.UsersWithoutActivity: simtenant.Users,
		collections.Applications:      simtenant.Applications,
		collections.ServicePrincipals: simtenant.ServicePrincipals, collections.CredentialUse: simtenant.CredentialUse,
		collections.ApplicationUse: simtenant.PrincipalUse, collections.Licences: simtenant.Licences,
		collections.FederatedCredentials: simtenant.Applications}
	return q.tenant.Objects(s[phase])
}

func (q quick) Objects(_ context.Context, about collections.Query, link string) (collections.Page, error) {
	page, all := collections.Page{Free: func() {}}, q.all(about.Collection.Word)
	at, _ := strconv.Atoi(link)
	page.Items = append(page.Items, all[min(at, len(all)):min(at+20, len(all))]...)
	if at+20 < len(all) {
		page.Next = strconv.Itoa(at + 20)
	}
	return page, nil
}

func (q quick) Count(_ context.Context, about collections.Query) (int64, error) {
	return int64(len(q.all(about.Collection.Word))), nil
}

func (q quick) Readable(context.Context, collections.Query) error { return nil }

func (q quick) Activity(ctx context.Context, about collections.Query, ids []string) (collections.Page, error) {
	return q.Named(ctx, about, ids)
}

func (q quick) Part(context.Context, collections.Query, collections.Part) (collections.Page, error) {
	return collections.Page{Free: func() {}}, nil
}

func (q quick) Named(_ context.Context, about collections.Query, ids []string) (collections.Page, error) {
	page := collections.Page{Free: func() {}}
	for _, raw := range q.all(about.Collection.Word) {
		if slices.Contains(ids, gjson.GetBytes(raw, "id").Str) {
			page.Items = append(page.Items, raw)
		}
	}
	return page, nil
}

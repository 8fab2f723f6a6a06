package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/go-openapi/loads"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
)

// flowsBegin is a Monday, at midnight.
var flowsBegin = time.Date(2026, time.November, 2, 0, 0, 0, 0, time.UTC)

// flowDays are both flows as they are run each day against the app, whose tenant has a clock that
// the test moves.
type flowDays struct {
	*system
	app     *process
	flows   map[string]*flow
	fails   func(r *http.Request) bool // which requests the app does not get
	refuses func(what string) bool     // which mails and tickets are refused
	mails   [][]string                 // to whom each was about
	tickets []string                   // external ids, as often as they came
}

func newFlowDays(t *testing.T) *flowDays {
	d := &flowDays{system: newSystem(t, simtenant.Config{Now: flowsBegin}), flows: map[string]*flow{}}
	d.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	d.app = d.start()
	to, err := url.Parse(d.app.url)
	require.NoError(t, err)
	pass := httputil.NewSingleHostReverseProxy(to)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.fails != nil && d.fails(r) {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	for _, name := range []string{"weekly-inactive-users", "expiring-credential-tickets"} {
		f := readFlow(t, name)
		f.inPagesOf(1)
		f.ledger = flowLedger{url: front.URL, operations: connectorOperations(connector(t))}
		f.elsewhere = d.tell
		d.flows[name] = f
	}
	return d
}

// connectorOperations are those that the connector's definition describes.
func connectorOperations(doc *loads.Document) map[string]flowOperation {
	out := map[string]flowOperation{}
	for _, op := range operations(doc) {
		in := map[string]string{}
		for _, p := range op.Parameters {
			if p.In != "body" {
				in[p.Name] = p.In
				continue
			}
			for name := range p.Schema.Properties {
				in[p.Name+"/"+name] = p.In
			}
		}
		out[op.ID] = flowOperation{op.method, doc.BasePath() + op.path, in}
	}
	return out
}

var mailedUser = regexp.MustCompile(`[a-z-]+@contoso\.example`)

func (d *flowDays) tell(_ string, inputs map[string]any) flowAnswer {
	content := asText(inputs["emailMessage/Body"])
	body, isTicket := inputs["body"].(map[string]any)
	if isTicket {
		content = body["externalId"].(string)
	}
	if d.refuses != nil && d.refuses(content) {
		return flowAnswer{status: http.StatusUnprocessableEntity}
	}
	if isTicket {
		require.Regexp(d, `^App [a-z-]+: a secret (ends in [0-9]+ days|ended [0-9]+ days ago)$`, body["title"])
		d.tickets = append(d.tickets, content)
	} else {
		d.mails = append(d.mails, mailedUser.FindAllString(content, -1))
		require.Equal(d, fmt.Sprintf("%d newly inactive users", len(d.mails[len(d.mails)-1])),
			inputs["emailMessage/Subject"])
	}
	return flowAnswer{status: http.StatusCreated}
}

// onDay is a time of the days, such as 1, "07:00".
func onDay(day int, clock string) time.Time {
	of, err := time.Parse("15:04", clock)
	if err != nil {
		panic(err) // a test's own text
	}
	return time.Date(2026, time.November, flowsBegin.Day()+day, of.Hour(), of.Minute(), 0, 0, time.UTC)
}

// snapshot takes one at a time.
func (d *flowDays) snapshot(day int, clock string) {
	d.Helper()
	d.tenant.Freeze(onDay(day, clock))
	status, body := d.app.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(d, http.StatusOK, status, "%v", body)
}

// run runs both flows, and expects how they end and, all at once, whom and what they tell.
func (d *flowDays) run(status string, users, keys []string) {
	d.Helper()
	d.mails, d.tickets = nil, nil
	for name, f := range d.flows {
		end := f.run()
		require.Equal(d, status, end.status, "%s: %+v", name, end)
	}
	var want []string
	for _, name := range users {
		want = append(want, name+"@contoso.example")
	}
	if len(want) == 0 {
		require.Empty(d, d.mails)
	} else {
		require.Len(d, d.mails, 1)
		require.ElementsMatch(d, want, d.mails[0])
	}
	want = nil
	for _, key := range keys {
		want = append(want, "client-"+key+"/"+key)
	}
	require.ElementsMatch(d, want, d.tickets)
}

// userWho is a user who has been inactive for 90 days from a time on.
func userWho(name string, from time.Time, enabled bool) []byte {
	return fmt.Appendf(nil, `{"id":%q,"userPrincipalName":"%[1]s@contoso.example","displayName":%[1]q,
		"accountEnabled":%t,"userType":"Member","createdDateTime":"2020-01-01T00:00:00Z",
		"signInActivity":{"lastSuccessfulSignInDateTime":%q}}`, name, enabled,
		from.AddDate(0, 0, -90).Format(time.RFC3339))
}

// appWith is an application with a secret of its own name that comes within 30 days of its end at a
// time, and, if that is wanted, one that replaces it.
func appWith(key string, from time.Time, replaced bool) []byte {
	secrets := fmt.Sprintf(`{"keyId":%q,"displayName":"secret","startDateTime":"2025-01-01T00:00:00Z",
		"endDateTime":%q}`, key, from.AddDate(0, 0, 30).Format(time.RFC3339))
	if replaced {
		secrets += fmt.Sprintf(`,{"keyId":"newer-%s","displayName":"secret","startDateTime":"2026-01-01T00:00:00Z",
			"endDateTime":"2028-01-01T00:00:00Z"}`, key)
	}
	return fmt.Appendf(nil, `{"id":"app-%s","appId":"client-%[1]s","displayName":"App %[1]s","owners":[],
		"keyCredentials":[],"passwordCredentials":[%[2]s]}`, key, secrets)
}

func (d *flowDays) addUser(name string, from time.Time, enabled bool) {
	d.tenant.AddObject(simtenant.Users, userWho(name, from, enabled))
}

func (d *flowDays) addKey(key string, from time.Time, replaced bool) {
	d.tenant.AddObject(simtenant.Applications, appWith(key, from, replaced))
}

func (d *flowDays) changeUser(name string, from time.Time, enabled bool) {
	d.tenant.ChangeObject(simtenant.Users, name, userWho(name, from, enabled))
}

func (d *flowDays) changeKey(key string, from time.Time, replaced bool) {
	d.tenant.ChangeObject(simtenant.Applications, "app-"+key, appWith(key, from, replaced))
}

// TestTwoRunsADayApartTellWhatCrossesBetweenOnce has snapshots some hours before the runs, so that
// a crossing may lie between a snapshot and a run.
func TestTwoRunsADayApartTellWhatCrossesBetweenOnce(t *testing.T) {
	d := newFlowDays(t)
	for name, from := range map[string]time.Time{"before": onDay(-9, "00:00"), "between": onDay(0, "04:00"),
		"after": onDay(0, "09:00"), "later": onDay(1, "04:00")} {
		d.addUser(name, from, true)
		d.addKey(name, from, false)
	}
	d.snapshot(0, "01:10")
	d.run(succeeded, []string{"before"}, []string{"before"})
	d.snapshot(1, "01:10")
	d.run(succeeded, []string{"between", "after"}, []string{"between", "after"})
	d.snapshot(2, "01:10")
	d.run(succeeded, []string{"later"}, []string{"later"})
	d.run(succeeded, nil, nil)
}

// TestASecretThatEndsWhileTheFlowFailsIsTold has one that expires within a month, and does so before
// a run succeeds again.
func TestASecretThatEndsWhileTheFlowFailsIsTold(t *testing.T) {
	d := newFlowDays(t)
	d.snapshot(0, "01:10")
	d.run(succeeded, nil, nil)
	d.addKey("short", onDay(-28, "00:00"), false) // it ends on day 2
	d.snapshot(1, "01:10")
	d.fails = func(*http.Request) bool { return true }
	d.run(failed, nil, nil)
	d.snapshot(2, "01:10")
	d.run(failed, nil, nil)
	d.snapshot(3, "01:10")
	d.fails = nil
	d.run(succeeded, nil, []string{"short"})
	d.run(succeeded, nil, nil)
}

func TestAWeekOfSnapshotsAtOddTimesTellsEachOnce(t *testing.T) {
	d := newFlowDays(t)
	long, never := onDay(-9, "00:00"), onDay(300, "00:00")
	for _, name := range []string{"asleep", "comes-back"} {
		d.addUser(name, long, true)
	}
	d.addUser("disabled", long, false)
	d.addUser("awake", never, true)
	for _, name := range []string{"dozing", "drowsy"} {
		d.addUser(name, onDay(1, "04:00"), true)
	}
	for _, key := range []string{"soon", "comes-back"} {
		d.addKey(key, long, false)
	}
	d.addKey("replaced", long, true)
	d.addKey("shortened", never, false)
	for _, key := range []string{"crossing", "crossing-too"} {
		d.addKey(key, onDay(1, "04:00"), false)
	}

	d.snapshot(0, "03:10") // Monday
	d.run(succeeded, []string{"asleep", "comes-back"}, []string{"soon", "comes-back"})

	d.snapshot(1, "01:10")
	d.run(succeeded, nil, nil)
	d.changeUser("comes-back", long, false)
	d.changeKey("comes-back", long, true)

	d.run(succeeded, nil, nil) // Wednesday, before its snapshot
	d.snapshot(2, "23:50")

	// Thursday has no snapshot. Its run tells one of two tickets and no mail.
	d.refuses = func(what string) bool { return what != "client-crossing/crossing" }
	d.run(failed, nil, []string{"crossing"})
	d.refuses = nil
	d.run(succeeded, []string{"dozing", "drowsy"}, []string{"crossing", "crossing-too"}) // resubmitted

	d.snapshot(4, "05:00")
	d.run(succeeded, nil, nil)
	for _, name := range []string{"newcomer", "newcomer-too"} {
		d.addUser(name, long, true)
		d.addKey(name, onDay(-20, "00:00"), false) // uploaded late: it has been within 30 days of its end for long
	}
	d.addKey("short-lived", onDay(-25, "00:00"), false) // it ends before Saturday's snapshot
	d.snapshot(4, "15:00")

	// Saturday's run gets the first page alone, and is not resubmitted.
	d.snapshot(5, "06:59")
	d.fails = func(r *http.Request) bool { return r.URL.Query().Has("$skiptoken") }
	d.run(failed, nil, nil)
	d.fails = nil
	d.changeUser("comes-back", long, true)
	d.changeUser("disabled", long, true)
	d.changeKey("comes-back", long, false)
	d.changeKey("shortened", onDay(5, "00:00"), false)

	d.run(succeeded, []string{"newcomer", "newcomer-too"}, // Sunday
		[]string{"newcomer", "newcomer-too", "short-lived"})
	d.snapshot(6, "12:00")
	d.snapshot(7, "02:00")
	d.run(succeeded, []string{"comes-back", "disabled"}, []string{"comes-back", "shortened"})
	d.run(succeeded, nil, nil)
}

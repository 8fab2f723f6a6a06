package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// flowStage is one of the flows, with a ledger and a system that it tells.
type flowStage struct {
	*flow
	ledger  *fakeLedger
	address string // of its list
	reader  string
	item    func(n int) map[string]any
	told    []string // each mail, or the external id of each ticket, as often as it came
	refuse  func(what string) *flowAnswer
}

// onEachStage plays a test with both flows, in every way in which the documentation may be meant.
func onEachStage(t *testing.T, play func(t *testing.T, s *flowStage)) {
	for _, name := range []string{"weekly-inactive-users", "expiring-credential-tickets"} {
		for _, r := range flowReadings {
			t.Run(name+" "+r.name, func(t *testing.T) {
				s := newStage(t, name)
				s.reading = r
				play(t, s)
			})
		}
	}
}

func newStage(t *testing.T, name string) *flowStage {
	s := &flowStage{flow: readFlow(t, name), ledger: newFakeLedger(t)}
	s.ledger.of(s.flow)
	s.reader = s.parameters["reader"].(string)
	s.address, s.item = "/api/expiring-credentials", credentialRow
	if name == "weekly-inactive-users" {
		s.address, s.item = "/api/inactive-users", userRow
	}
	s.elsewhere = func(action string, inputs map[string]any) flowAnswer {
		what := asText(inputs["emailMessage/Body"])
		if body, ok := inputs["body"].(map[string]any); ok {
			what = body["externalId"].(string)
		}
		if s.refuse != nil {
			if a := s.refuse(what); a != nil {
				return *a
			}
		}
		s.told = append(s.told, what)
		return flowAnswer{status: http.StatusCreated, body: map[string]any{}}
	}
	return s
}

func userRow(n int) map[string]any {
	return map[string]any{"id": fmt.Sprintf("user-%d", n),
		"userPrincipalName": fmt.Sprintf("user-%d@contoso.example", n), "displayName": fmt.Sprintf("User %d", n),
		"userType": "member", "reason": "the last sign-in was long ago",
		"inactiveSinceDateTime": "2026-08-01T00:00:00Z", "daysInactive": 91.0}
}

func credentialRow(n int) map[string]any {
	return map[string]any{"keyId": fmt.Sprintf("key-%d", n), "appId": "app", "appDisplayName": "App", "kind": "secret",
		"state": "expiring", "daysLeft": 29.0, "reason": "it ends soon", "endDateTime": "2026-12-01T00:00:00Z",
		"ownersMail": "o@contoso.example"}
}

// enter is a new snapshot, with which items came into the answer.
func (s *flowStage) enter(numbers ...int) {
	var rows []map[string]any
	for _, n := range numbers {
		rows = append(rows, s.item(n))
	}
	s.ledger.snapshot(s.address, rows...)
}

// requireTold is that all these items were told once, and no other one: by one mail, or a ticket
// each.
func (s *flowStage) requireTold(numbers ...int) {
	s.Helper()
	if s.address == "/api/inactive-users" {
		require.Len(s, s.told, min(1, len(numbers)), "one mail, or none where there is nobody")
		for _, n := range numbers {
			require.Equal(s, 1, strings.Count(s.told[0], fmt.Sprintf("user-%d@", n)))
		}
		require.Equal(s, len(numbers), strings.Count(strings.Join(s.told, ""), "@contoso.example"))
	} else {
		var want []string
		for _, n := range numbers {
			want = append(want, fmt.Sprintf("app/key-%d", n))
		}
		require.ElementsMatch(s, want, s.told)
	}
	s.told = nil
}

// requireFailed is that the run failed with a message, told nothing, and left the reader.
func (s *flowStage) requireFailed(end flowEnd, reader int, says ...string) {
	s.Helper()
	require.Equal(s, failed, end.status)
	for _, text := range says {
		require.Contains(s, end.message, text)
	}
	require.Empty(s, s.told)
	require.Equal(s, reader, s.ledger.readers[s.reader])
}

func TestAFlowTellsEachItemOnceWhateverTheDay(t *testing.T) {
	onEachStage(t, func(t *testing.T, s *flowStage) {
		s.inPagesOf(1)
		s.enter(1, 2, 3)
		require.Equal(t, flowEnd{status: succeeded}, s.run())
		s.requireTold(1, 2, 3)
		require.Len(t, s.ledger.requests, 3)
		require.Equal(t, s.ledger.newest, s.ledger.readers[s.reader])

		require.Equal(t, flowEnd{status: succeeded}, s.run(), "no new snapshot")
		s.requireTold()
		s.enter()
		require.Equal(t, flowEnd{status: succeeded}, s.run(), "a snapshot with which nobody entered")
		s.requireTold()
		require.Equal(t, s.ledger.newest, s.ledger.readers[s.reader], "the reader goes on where nobody is new")

		s.enter(4)
		s.enter(5)
		require.Equal(t, flowEnd{status: succeeded}, s.run())
		s.requireTold(4, 5)
	})
}

func TestAPageThatFailsEndsTheRunAtOnce(t *testing.T) {
	onEachStage(t, func(t *testing.T, s *flowStage) {
		s.inPagesOf(1)
		s.enter(1, 2)
		for _, page := range []int{1, 2} {
			s.ledger.requests = nil
			s.ledger.instead = func(r *http.Request) *fakeAnswer {
				if (r.URL.Query().Get("$skiptoken") == "") != (page == 1) {
					return nil
				}
				return refusal(http.StatusInternalServerError, "internal", "read the snapshot: the storage is away")
			}
			s.requireFailed(s.run(), 0, "HTTP 500", "read the snapshot: the storage is away", "resubmit this run")
			require.Len(t, s.ledger.requests, page-1+1+6, "one page is asked for once and six times more")
		}
		s.ledger.instead = nil
		require.Equal(t, flowEnd{status: succeeded}, s.run(), "resubmitted")
		s.requireTold(1, 2)
	})
}

func TestWhatWillNotGetBetterIsAskedOnce(t *testing.T) {
	onEachStage(t, func(t *testing.T, s *flowStage) {
		s.enter(1)
		for says, a := range map[string]*fakeAnswer{
			"HTTP 403": refusal(http.StatusForbidden, "forbidden", "the role Ledger.Read is missing"),
			"HTTP 400": refusal(http.StatusBadRequest, "badRequest", "the cursor belongs to another question"),
			"HTTP 404": {status: http.StatusNotFound, body: "<html>no such app</html>"},
			"HTTP 200": {status: http.StatusOK, body: `{"something":"else"}`},
		} {
			s.ledger.requests, s.ledger.instead = nil, func(*http.Request) *fakeAnswer { return a }
			s.requireFailed(s.run(), 0, says)
			require.Len(t, s.ledger.requests, 1, says)
		}
		s.ledger.requests, s.ledger.instead, s.ledger.key = nil, nil, "a new key"
		s.requireFailed(s.run(), 0, "HTTP 401")
		require.Len(t, s.ledger.requests, 1, "an expired key")
		s.ledger.key = "the key"
		require.Equal(t, flowEnd{status: succeeded}, s.run())
		s.requireTold(1)
	})
}

func TestAnAppThatIsNotReadyIsAskedAgainWhenItSays(t *testing.T) {
	onEachStage(t, func(t *testing.T, s *flowStage) {
		s.enter(1)
		notReady := refusal(http.StatusServiceUnavailable, "noSnapshot", "there is no snapshot yet: POST /api/snapshot")
		notReady.headers = map[string]string{"Retry-After": "300"}
		s.ledger.instead = func(*http.Request) *fakeAnswer { return notReady }
		began := s.now
		s.requireFailed(s.run(), 0, "HTTP 503", "POST /api/snapshot")
		require.Len(t, s.ledger.requests, 7)
		require.GreaterOrEqual(t, s.now.Sub(began), 6*5*time.Minute)

		s.ledger.requests = nil
		s.ledger.instead = func(*http.Request) *fakeAnswer {
			if len(s.ledger.requests) < 3 {
				return notReady
			}
			return nil
		}
		require.Equal(t, flowEnd{status: succeeded}, s.run())
		s.requireTold(1)

		s.ledger.Close() // no answer at all
		require.Equal(t, failed, s.run().status)
		s.requireTold()
	})
}

func TestAListWithoutEndFailsTheRun(t *testing.T) {
	onEachStage(t, func(t *testing.T, s *flowStage) {
		s.enter(1)
		answered := time.Duration(0)
		s.ledger.instead = func(*http.Request) *fakeAnswer {
			s.now = s.now.Add(answered)
			return &fakeAnswer{status: http.StatusOK, body: fmt.Sprintf(`{"value":[{"id":"%d"}],
				"@odata.nextLink":"https://a.example/api/x?%%24skiptoken=more"}`, len(s.ledger.requests))}
		}
		require.Equal(t, "FailWhenLimitsReached", s.definition.Actions["All_pages"].Options)
		s.requireFailed(s.run(), 0, "did not end within 200 pages")
		require.Len(t, s.ledger.requests, 200)

		s.ledger.requests, answered = nil, 90*time.Second
		s.requireFailed(s.run(), 0, "two hours")
		require.Len(t, s.ledger.requests, 80)
	})
}

func TestAListWithoutACursorIsNotTold(t *testing.T) {
	onEachStage(t, func(t *testing.T, s *flowStage) {
		s.ledger.instead = func(*http.Request) *fakeAnswer {
			return &fakeAnswer{status: http.StatusOK, body: `{"value":[{"id":"1"}]}`}
		}
		s.requireFailed(s.run(), 0, "no nextCursor")
	})
}

func TestARefusedTicketFailsTheRunWhichIsToldTheSameAgain(t *testing.T) {
	for _, r := range flowReadings {
		t.Run(r.name, func(t *testing.T) {
			s := newStage(t, "expiring-credential-tickets")
			s.reading = r
			s.enter(1, 2, 3)
			tickets := map[string]int{} // a system that knows an external id again
			asked := 0
			s.refuse = func(what string) *flowAnswer {
				if what == "app/key-2" {
					asked++
					return &flowAnswer{status: http.StatusServiceUnavailable, body: "the queue is full"}
				}
				tickets[what]++
				return nil
			}
			end := s.run()
			require.Equal(t, failed, end.status)
			require.Contains(t, end.message, "2 of 3 were told")
			require.Contains(t, end.message, "HTTP 503")
			require.Contains(t, end.message, "app/key-2: the queue is full")
			require.Equal(t, 5, asked, "once, and four times more")
			require.Zero(t, s.ledger.readers[s.reader])
			require.Zero(t, s.ledger.advances)
			s.requireTold(1, 3)

			s.enter(4)
			s.refuse = func(what string) *flowAnswer { tickets[what]++; return nil }
			require.Equal(t, flowEnd{status: succeeded}, s.run(), "resubmitted")
			s.requireTold(1, 2, 3, 4) // the same again, and what came since
			require.Equal(t, map[string]int{"app/key-1": 2, "app/key-2": 1, "app/key-3": 2, "app/key-4": 1}, tickets,
				"the external id is what keeps a ticket from being opened twice")
			require.Equal(t, 2, s.ledger.readers[s.reader])
		})
	}
}

func TestMoreTicketsThanALoopTakesFailTheRun(t *testing.T) {
	for _, r := range flowReadings {
		t.Run(r.name, func(t *testing.T) {
			s := newStage(t, "expiring-credential-tickets")
			s.reading = r
			for n := range mostItems + 1 {
				s.ledger.rows[s.address] = append(s.ledger.rows[s.address], fakeRow{1, s.item(n)})
			}
			s.ledger.newest = 1
			end := s.run()
			s.requireFailed(end, 0, "0 of 5001 were told", "5,000 rows at most", "Too many rows at once")
			require.NotContains(t, end.message, "resubmit", "that would fail for ever")
			requireOnPage(t, "\n### Too many rows at once\n")
			require.Len(t, s.ledger.requests, 6)
		})
	}
}

func TestAMailThatIsNotSentFailsTheRun(t *testing.T) {
	for _, r := range flowReadings {
		t.Run(r.name, func(t *testing.T) {
			s := newStage(t, "weekly-inactive-users")
			s.reading = r
			s.enter(1, 2)
			s.refuse = func(string) *flowAnswer {
				return &flowAnswer{status: http.StatusForbidden, body: map[string]any{"message": "no mailbox"}}
			}
			s.requireFailed(s.run(), 0, "0 of 2 were told", "HTTP 403", "no mailbox")
			require.Zero(t, s.ledger.advances)
			s.refuse = nil
			require.Equal(t, flowEnd{status: succeeded}, s.run(), "resubmitted")
			s.requireTold(1, 2)
		})
	}
}

func TestAReaderThatCannotBeMovedFailsTheRun(t *testing.T) {
	onEachStage(t, func(t *testing.T, s *flowStage) {
		s.enter(1)
		s.ledger.instead = func(r *http.Request) *fakeAnswer {
			if r.Method == http.MethodPost {
				return refusal(http.StatusInternalServerError, "internal", "the storage is away")
			}
			return nil
		}
		require.Equal(t, failed, s.run().status)
		require.Equal(t, 7, s.ledger.advances)
		s.requireTold(1)
		s.ledger.instead = nil
		require.Equal(t, flowEnd{status: succeeded}, s.run(), "resubmitted")
		s.requireTold(1) // the same again
		require.Equal(t, flowEnd{status: succeeded}, s.run())
		s.requireTold()
	})
}

func TestAReaderThatIsGoneSaysWhatToDo(t *testing.T) {
	onEachStage(t, func(t *testing.T, s *flowStage) {
		s.enter(1)
		require.Equal(t, succeeded, s.run().status)
		s.requireTold(1)
		s.enter(2)
		s.ledger.gone[s.reader], s.ledger.requests = true, nil
		s.requireFailed(s.run(), 1, "HTTP 410", "older than 400 days")
		require.Len(t, s.ledger.requests, 1)
		delete(s.ledger.gone, s.reader) // DELETE /api/readers/{name}
		delete(s.ledger.readers, s.reader)
		require.Equal(t, succeeded, s.run().status)
		s.requireTold(1, 2)
	})
}

func TestASnapshotBetweenTwoPagesIsToldWithTheNextRun(t *testing.T) {
	onEachStage(t, func(t *testing.T, s *flowStage) {
		s.inPagesOf(1)
		s.enter(1, 2)
		s.ledger.instead = func(r *http.Request) *fakeAnswer {
			if len(s.ledger.requests) == 2 && r.Method == http.MethodGet {
				s.enter(3)
			}
			return nil
		}
		require.Equal(t, flowEnd{status: succeeded}, s.run())
		s.requireTold(1, 2)
		require.Equal(t, 1, s.ledger.readers[s.reader])
		require.Equal(t, flowEnd{status: succeeded}, s.run())
		s.requireTold(3)
	})
}

func TestWhatAFlowAsksIsItsQuestion(t *testing.T) {
	for name, want := range map[string]string{
		"weekly-inactive-users": "%24top=999&days=90&enabled=true&reader=weekly-inactive-users",
		"expiring-credential-tickets": "%24top=999&reader=expiring-credential-tickets&selfRotating=false" +
			"&state=expired%2Cexpiring&successor=none&withinDays=30",
	} {
		s := newStage(t, name)
		s.enter(1)
		require.Equal(t, succeeded, s.run().status)
		require.Equal(t, want, s.ledger.requests[0].RawQuery)
	}
}

// TestEveryFlowIsPlayed keeps a flow from being added without a test.
func TestEveryFlowIsPlayed(t *testing.T) {
	entries, err := os.ReadDir("../infra/flows")
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		f := readFlow(t, e.Name()[:len(e.Name())-len(".json")])
		require.NotEmpty(t, f.about)
		require.LessOrEqual(t, len(f.about), longestAbout)
		require.Contains(t, f.definition.Triggers, "Recurrence")
	}
	require.Equal(t, []string{"expiring-credential-tickets.json", "weekly-inactive-users.json"}, names)
}

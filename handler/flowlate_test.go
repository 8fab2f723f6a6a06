package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnAnswerThatComesTooLateIsNoneOfSuccess(t *testing.T) {
	for name, c := range map[string]struct{ action, says string }{
		"weekly-inactive-users":       {"Send_a_mail", "Nothing says that the mail was sent"},
		"expiring-credential-tickets": {"Open_a_ticket", "The last ticket that was refused"},
	} {
		for _, r := range flowReadings {
			s := newStage(t, name)
			s.reading, s.ends = r, map[string]string{c.action: timedOut}
			s.enter(1)
			end := s.run()
			require.Equal(t, failed, end.status, "%s %s", name, r.name)
			require.Contains(t, end.message, "0 of 1 were told", r.name)
			require.Contains(t, end.message, c.says, r.name)
			require.Zero(t, s.ledger.advances, "the reader is left where it was")
			s.requireTold(1)
			s.ends = nil
			require.Equal(t, flowEnd{status: succeeded}, s.run(), "resubmitted")
			s.requireTold(1)
		}
	}
}

func TestAPageThatCannotBeFollowedEndsTheRunAtOnce(t *testing.T) {
	onEachStage(t, func(t *testing.T, s *flowStage) {
		s.enter(1)
		for action, status := range map[string]string{"Ask": timedOut, "Rows_so_far": failed, "Where_it_goes_on": timedOut} {
			s.ledger.requests, s.ends = nil, map[string]string{action: status}
			s.requireFailed(s.run(), 0, "A page of the list did not come")
			require.Len(t, s.ledger.requests, 1, action)
		}
		s.ledger.requests, s.ends = nil, nil
		s.ledger.instead = func(*http.Request) *fakeAnswer { // a link that is no text fails Where_it_goes_on
			return &fakeAnswer{status: http.StatusOK, body: `{"value":[{"id":"1"}],"@odata.nextLink":5,"nextCursor":"c"}`}
		}
		s.requireFailed(s.run(), 0, "A page of the list did not come")
		require.Len(t, s.ledger.requests, 1)
	})
}

func TestWhatWasNotToldIsCountedHoweverTheActionsAroundItEnd(t *testing.T) {
	for name, around := range map[string]string{"weekly-inactive-users": "Anybody",
		"expiring-credential-tickets": "Each"} {
		for _, r := range flowReadings {
			for _, status := range []string{succeeded, failed, skipped, timedOut} {
				s := newStage(t, name)
				s.reading, s.ends = r, map[string]string{around: status}
				s.refuse = func(string) *flowAnswer { return &flowAnswer{status: http.StatusForbidden} }
				s.enter(1)
				s.requireFailed(s.run(), 0, "0 of 1 were told", "HTTP 403")
			}
		}
	}
	s := newStage(t, "expiring-credential-tickets")
	delete(s.definition.Actions["Everything_came"].Actions["Each"].Actions, "Why_no_ticket")
	s.refuse = func(string) *flowAnswer { return &flowAnswer{status: http.StatusForbidden} }
	s.enter(1)
	s.requireFailed(s.run(), 0, "0 of 1 were told", "Apply to each did not come to its end")
}

func TestATableThatIsNotMadeIsNamedAndNotMailed(t *testing.T) {
	for _, r := range flowReadings {
		for action, says := range map[string]string{"Columns": "Columns Failed ActionFailed, Table Skipped",
			"Table": "Columns Succeeded , Table Failed ActionFailed"} {
			s := newStage(t, "weekly-inactive-users")
			s.reading, s.ends = r, map[string]string{action: failed}
			s.enter(1)
			end := s.run()
			s.requireFailed(end, 0, "0 of 1 were told", "The table for the mail was not made: "+says)
			require.NotContains(t, end.message, "HTTP")
		}
	}
}

// TestAMailIsNotRepeated has a server that takes the mail and answers too late: a repetition would
// be a second mail.
func TestAMailIsNotRepeated(t *testing.T) {
	for _, r := range flowReadings {
		s := newStage(t, "weekly-inactive-users")
		s.reading = r
		s.enter(1)
		sent := 0
		s.elsewhere = func(string, map[string]any) flowAnswer {
			if sent++; sent == 1 {
				return flowAnswer{status: http.StatusGatewayTimeout}
			}
			return flowAnswer{status: http.StatusOK}
		}
		s.requireFailed(s.run(), 0, "Nothing says that the mail was sent: HTTP 504")
		require.Equal(t, 1, sent)
		require.Equal(t, flowEnd{status: succeeded}, s.run(), "resubmitted, which the maker decides")
		require.Equal(t, 2, sent)
	}
}

func TestATicketThatIsTakenWith202IsTold(t *testing.T) {
	for _, r := range flowReadings {
		s := newStage(t, "expiring-credential-tickets")
		s.reading = r
		s.enter(1, 2)
		asked := 0
		s.elsewhere = func(_ string, inputs map[string]any) flowAnswer {
			asked++
			if inputs["method"] == http.MethodGet {
				return flowAnswer{status: http.StatusUnauthorized} // it wants its own key
			}
			return flowAnswer{status: http.StatusAccepted, headers: map[string]any{"Location": "https://tickets.example/1"}}
		}
		require.Equal(t, flowEnd{status: succeeded}, s.run())
		require.Equal(t, 2, asked)
	}
}

func TestAnActionFollowsLocationUnlessItIsTold(t *testing.T) {
	const ask = `"Ask": {"type": "Http", %s "inputs": {"method": "POST", "uri": "a",
		"headers": {"key": "k"}, "retryPolicy": {"type": "none"}}}`
	accepted := flowAnswer{status: http.StatusAccepted,
		headers: map[string]any{"Location": "https://a.example/1", "Retry-After": "60"}}
	for _, c := range []struct {
		option  string
		answers []flowAnswer
		asked   int
		status  string
		took    time.Duration
	}{
		{"", []flowAnswer{accepted, {status: 202}, {status: 200}}, 3, succeeded, 80 * time.Second},
		{"", []flowAnswer{accepted, {status: 401}}, 2, failed, time.Minute},
		{"", []flowAnswer{{status: 202}}, 1, succeeded, 0},
		{`"operationOptions": "DisableAsyncPattern",`, []flowAnswer{accepted}, 1, succeeded, 0},
	} {
		f := newFlow(t, definitionOf(fmt.Sprintf(ask, c.option)))
		began, asked := f.now, 0
		f.elsewhere = func(_ string, inputs map[string]any) flowAnswer {
			if asked++; asked > 1 {
				require.Equal(t, map[string]any{"method": "GET", "uri": "https://a.example/1"}, inputs)
			}
			return c.answers[asked-1]
		}
		require.Equal(t, c.status, f.run().status, "%+v", c)
		require.Equal(t, c.asked, asked, "%+v", c)
		require.Equal(t, c.took, f.now.Sub(began), "%+v", c)
	}
	_, end, _ := played(t, fmt.Sprintf(ask, ""), accepted)
	require.Equal(t, failed, end.status, "one that never ends")
}

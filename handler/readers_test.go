package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// cursor is one that an answer from the snapshot of a day may have had.
func (s *system) cursor(day int) string { return cursorIn(s.T, s.store, day) }

func cursorIn(t *testing.T, store *tablestest.Store, day int) string {
	of := cursors.New(store, store, time.Now)
	archive, err := of.Archive(t.Context())
	require.NoError(t, err)
	at := time.Date(2026, 11, day, 1, 10, 0, 0, time.UTC)
	text, err := of.Seal(t.Context(), timeline.Cursor{Archive: archive, Question: "q", Number: int(at.Unix()), AsOf: at})
	require.NoError(t, err)
	return text
}

// TestAReaderOutlivesAProcessAndIsVerified over a real socket, on Azure's own emulator.
func TestAReaderOutlivesAProcessAndIsVerified(t *testing.T) {
	s := newSystemOnAzurite(t, brief())
	s.env["ARCHIVE_STREAMS"] = string(logs.DirectoryAudits)
	p := s.start()
	status, _, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	for _, name := range []string{"Tickets", "T%C3%A4glich"} {
		status, answer := p.ask(http.MethodPost, "/api/readers/"+name, `{"cursor":"`+s.cursor(7)+`"}`)
		require.Equal(t, http.StatusOK, status, "%v", answer)
		require.Equal(t, true, answer["moved"])
	}
	p.kill()
	p = s.start()
	status, answer := p.ask(http.MethodPost, "/api/readers/tickets", `{"cursor":"`+s.cursor(7)+`"}`)
	require.Equal(t, http.StatusOK, status, "%v", answer)
	require.Equal(t, false, answer["moved"])
	status, answer = p.ask(http.MethodGet, "/api/readers", "")
	require.Equal(t, http.StatusOK, status)
	require.Len(t, answer["value"], 2)
	require.Equal(t, "Täglich", answer["value"].([]any)[1].(map[string]any)["name"])
	verified := func() []any {
		status, answer := p.ask(http.MethodGet, "/api/verify", "")
		require.Equal(t, http.StatusOK, status)
		return answer["value"].([]any)
	}
	require.Empty(t, verified())

	a := s.tables()
	for _, row := range a.rows("readers", "") {
		a.alter("readers", row, func(row *aztables.EDMEntity) {
			row.Properties["AsOf"] = aztables.EDMDateTime(time.Date(2026, 11, 6, 0, 0, 0, 0, time.UTC))
		})
	}
	findings := verified()
	require.Len(t, findings, 2)
	for i, row := range []string{"tickets", "t~C3~84glich"} {
		found := findings[i].(map[string]any)
		require.Equal(t, []any{"derived", "readers", row}, []any{found["difference"], found["table"], found["rowKey"]})
	}
	status, answer = p.ask(http.MethodGet, "/api/readers", "")
	require.Equal(t, http.StatusConflict, status)
	require.Equal(t, "tampered", answer["error"].(map[string]any)["code"])
	for _, name := range []string{"tickets", "T%C3%A4glich"} {
		status, answer := p.ask(http.MethodPost, "/api/readers/"+name, `{"cursor":"`+s.cursor(9)+`"}`)
		require.Equal(t, http.StatusConflict, status, "%v", answer)
		status, answer = p.ask(http.MethodDelete, "/api/readers/"+name, "")
		require.Equal(t, http.StatusOK, status, "%v", answer)
		require.Equal(t, true, answer["deleted"])
		status, answer = p.ask(http.MethodPost, "/api/readers/"+name, `{"cursor":"`+s.cursor(9)+`"}`)
		require.Equal(t, http.StatusOK, status, "%v", answer)
	}
	require.Empty(t, verified())
}

// Package mimserver plays servers of Microsoft Identity Manager's service: the event logs that they
// write, what happened, and how the script in tools/mim sends a log.
package mimserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/entraledger/entraledger/internal/mim"
)

// Event is one event of a server's log.
type Event struct {
	ID       int64
	RecordID int64
	At       time.Time
	Message  string

	Request string // whose event it is
	Part    int    // which of it, from 0
	Of      int
}

// Server is a server, and its log.
type Server struct {
	Name   string
	Events []Event
	next   int64
	// Documented makes it write the head of parts as the documentation has it.
	Documented bool
}

// NewServer is a server whose log is empty.
func NewServer(name string) *Server { return &Server{Name: name, next: 1} }

// longest is how many characters an event's text has at most. Source:
// learn.microsoft.com/windows/win32/api/winbase/nf-winbase-reporteventw, "lpStrings".
const longest = 31_839

// Log writes a request into the log: as one event, or as parts.
func (s *Server) Log(at time.Time, request string) {
	if utf8.RuneCountInString(request) <= longest {
		s.append(Event{ID: mim.EventRequest, At: at, Message: request, Request: idOf(request), Of: 1})
		return
	}
	id := idOf(request)
	parts := cut(request, longest-200)
	for i, part := range parts {
		head := fmt.Sprintf("Request '%s', message %d out of %d: \r\n", id, i+1, len(parts))
		if s.Documented {
			head = fmt.Sprintf("Request: %s , message %d out of %d\r\n", id, i+1, len(parts))
		}
		s.append(Event{ID: mim.EventPart, At: at.Add(time.Duration(i) * time.Millisecond), Message: head + part,
			Request: id,
			Part:    i, Of: len(parts)})
	}
}

func idOf(request string) string {
	var is struct{ HybridObjectID string }
	_ = json.Unmarshal([]byte(request), &is) // it is ours
	return is.HybridObjectID
}

// cut cuts a text into pieces of so many characters.
func cut(text string, most int) []string {
	var out []string
	for runes := []rune(text); len(runes) > 0; {
		n := min(most, len(runes))
		out = append(out, string(runes[:n]))
		runes = runes[n:]
	}
	return out
}

// Append writes any event.
func (s *Server) Append(id int64, at time.Time, message string) {
	s.append(Event{ID: id, At: at, Message: message})
}

func (s *Server) append(e Event) {
	e.RecordID = s.next
	s.Events = append(s.Events, e)
	s.next++
}

// Rebuild empties the log. Its numbers begin again.
func (s *Server) Rebuild() { s.Events, s.next = nil, 1 }

// After are up to most events with numbers after one, the oldest first, as Get-WinEvent gives them.
func (s *Server) After(number int64, most int) []Event {
	i := slices.IndexFunc(s.Events, func(e Event) bool { return e.RecordID > number })
	if i < 0 {
		return nil
	}
	return s.Events[i:min(len(s.Events), i+most)]
}

// Since are up to most events that were logged at a moment or later.
func (s *Server) Since(at time.Time, most int) []Event {
	i := slices.IndexFunc(s.Events, func(e Event) bool { return !e.At.Before(at) })
	if i < 0 {
		return nil
	}
	return s.Events[i:min(len(s.Events), i+most)]
}

// Newest is the greatest number; 0: the log is empty.
func (s *Server) Newest() int64 {
	if len(s.Events) == 0 {
		return 0
	}
	return s.Events[len(s.Events)-1].RecordID
}

// sent is an event as the script sends it.
type sent struct {
	EventID     int64  `json:"EventId"`
	TimeCreated string `json:"TimeCreated"`
	Computer    string `json:"Computer"`
	RecordID    int64  `json:"RecordId"`
	Message     string `json:"Message"`
}

func (s *Server) sent(events []Event) []sent {
	out := make([]sent, 0, len(events))
	for _, e := range events {
		out = append(out, sent{e.ID, e.At.UTC().Format("2006-01-02T15:04:05.0000000Z"), s.Name, e.RecordID, e.Message})
	}
	return out
}

// Body is a delivery of events, as the script sends it.
func (s *Server) Body(events []Event) []byte {
	body, _ := json.Marshal(s.sent(events)) // texts and numbers have a JSON form
	return body
}

// MarkOf is a delivery that says that the log was read to its end at a moment.
func (s *Server) MarkOf(at time.Time) []byte {
	body, _ := json.Marshal([]any{map[string]any{"Computer": s.Name, "ReadUntil": at.UTC().Format(time.RFC3339Nano)}})
	return body
}

// AgentBody is a delivery of events as a data export of the table Event has them, which Azure
// Monitor's agent fills. Source: learn.microsoft.com/azure/azure-monitor/logs/logs-data-export.
func (s *Server) AgentBody(events []Event) []byte {
	var records []map[string]any
	for _, e := range events {
		records = append(records, map[string]any{"TimeGenerated": e.At.UTC().Format(time.RFC3339Nano),
			"Computer": s.Name,
			"EventLog": mim.LogName, "Source": "Microsoft.IdentityManagement.Service", "EventID": e.ID,
			"RenderedDescription": e.Message, "Type": "Event"})
	}
	body, _ := json.Marshal(map[string]any{"records": records})
	return body
}

// Batches cuts events into deliveries of at most so many bytes.
func (s *Server) Batches(events []Event, most int) [][]Event {
	var out [][]Event
	size, from := 0, 0
	for i, e := range s.sent(events) {
		line, _ := json.Marshal(e)
		if size+len(line)+2 > most && i > from {
			out, from, size = append(out, events[from:i]), i, 0
		}
		size += len(line) + 2
	}
	if from < len(events) {
		out = append(out, events[from:])
	}
	return out
}

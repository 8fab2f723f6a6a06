package logs

import "time"

// Source is where logs come from, and what it promises of them.
type Source struct {
	Name  string        // within a sentence
	Title string        // in full
	Lag   time.Duration // how long a record usually needs to appear
	// No tenant keeps a record for less than KeepsLeast, or for longer than KeepsMost.
	KeepsLeast, KeepsMost time.Duration
}

// MicrosoftGraph keeps logs for 7 days in a Free tenant, and for 30 days in others.
func MicrosoftGraph() Source {
	return Source{Name: "Graph", Title: "Microsoft Graph", Lag: 5 * time.Minute,
		KeepsLeast: 7 * 24 * time.Hour, KeepsMost: 30 * 24 * time.Hour}
}

// MIMServer is a server of Microsoft Identity Manager's service, which sends its event log. What it
// forgets can't be asked for.
func MIMServer() Source {
	return Source{Name: "the server", Title: "Microsoft Identity Manager", KeepsLeast: 24 * time.Hour,
		KeepsMost: 24 * time.Hour}
}

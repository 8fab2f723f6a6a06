package report

import (
	"fmt"
	"strings"
	"time"
)

const (
	// fewFailures is how many wrong passwords in a row, and failuresWithin within which time before a
	// success, make a row. The first reports API never said which numbers it had.
	fewFailures    = 5
	failuresWithin = time.Hour
	wrongPassword  = 50126
)

func signInsAfterMultipleFailuresEvents() *Report {
	return &Report{Name: "signInsAfterMultipleFailuresEvents",
		Text:   "Sign-ins with success after several wrong passwords",
		Legacy: true, Before: failuresWithin, From: ofUserSignIns(),
		Source: fmt.Sprintf("sign-ins of users: a success, and at least %d records with error %d of the "+
			"same user in the "+
			"%s before, without a success between them", fewFailures, wrongPassword, "hour"),
		Columns: append(append([]Column{
			{Name: "id", Text: "ID of the sign-in that succeeded"},
			{Name: eventTime, Text: "When it did", Kind: Time},
			{Name: "displayName", Text: "Display name of the user"},
			{Name: "userName", Text: "User principal name of the user"},
			{Name: "userId", Text: "Object ID of the user", Ours: true},
		}, appColumns()...),
			Column{Name: "ipAddress", Text: "IP address", Ours: true},
			Column{Name: "failureCount", Text: "Wrong passwords before it", Kind: Number, Ours: true},
			Column{Name: "firstFailureTime", Text: "When the first of them was", Kind: Time, Ours: true}),
		Whole: func(w Window) Sums { return &failures{window: w, Of: make(map[string][]time.Time)} }}
}

// failures looks for successes after wrong passwords.
type failures struct {
	window Window
	Of     map[string][]time.Time // of each user, wrong passwords since the last success
	Swept  time.Time              // when users without a recent one were last forgotten
	Found  []Row                  `json:",omitempty"`
}

// Add is Sums's.
func (f *failures) Add(r Record) {
	f.sweep(r.Time)
	code := r.Doc.Get("status.errorCode")
	if !code.Exists() || code.Int() != 0 && code.Int() != wrongPassword {
		return
	}
	key := userKey(r)
	if code.Int() == wrongPassword {
		recent := f.recent(key, r.Time)
		f.Of[strings.Clone(key)] = append(recent, r.Time)
		return
	}
	recent := f.recent(key, r.Time)
	delete(f.Of, key)
	if len(recent) < fewFailures || r.Time.Before(f.window.From) {
		return
	}
	row := signInRow(r)
	delete(row, "errorCode")
	row[eventTime], row["firstFailureTime"] = r.Time.Format(entraTime), recent[0].Format(entraTime)
	row["failureCount"] = int64(len(recent))
	f.Found = append(f.Found, ownRow(row))
}

// recent are a user's wrong passwords that are not too old.
func (f *failures) recent(key string, now time.Time) []time.Time {
	all := f.Of[key]
	for len(all) > 0 && now.Sub(all[0]) > failuresWithin {
		all = all[1:]
	}
	return all
}

// sweep forgets, once an hour, users whose wrong passwords are too old.
func (f *failures) sweep(now time.Time) {
	if now.Sub(f.Swept) < failuresWithin {
		return
	}
	f.Swept = now
	for key := range f.Of {
		if len(f.recent(key, now)) == 0 {
			delete(f.Of, key)
		}
	}
}

// Rows is Sums's: the newest first.
func (f *failures) Rows() []Keyed {
	var out []Keyed
	for i := len(f.Found) - 1; i >= 0; i-- {
		out = append(out, Keyed{Row: f.Found[i]})
	}
	return out
}

// Doubt is Sums's.
func (f *failures) Doubt() (string, bool) { return "", false }

package rules

import (
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Basis names what decided since when a user has been inactive.
type Basis string

// The bases, the strongest first.
const (
	BySuccess    Basis = "lastSuccessfulSignInDateTime" // Graph's
	ByArchive    Basis = "archivedSignIn"               // a newer success that the archive holds
	ByAttempt    Basis = "lastSignInDateTime"           // an attempt from before successes were recorded
	ByNoSuccess  Basis = "noSuccessSinceDecember2023"   // attempts only, since successes are recorded
	ByCreation   Basis = "createdDateTime"              // never signed in
	ByOldAccount Basis = "createdBeforeJune2018"        // never signed in, and its creation was not recorded
	ByNothing    Basis = "notDisclosed"                 // it is not known
	ByGrace      Basis = "graceAfterRestore"            // restored or enabled a short while ago; it goes before all
)

// When Microsoft began to record. Source: learn.microsoft.com/graph/api/resources/signinactivity
// and .../user.
var (
	successesSince = time.Date(2023, time.December, 1, 0, 0, 0, 0, time.UTC)
	creationsSince = time.Date(2018, time.June, 1, 0, 0, 0, 0, time.UTC)
)

// Evidence is what is known of a user beside the user's own record.
type Evidence struct {
	// Disclosed tells whether the tenant discloses sign-in activity: it has the licence, the app
	// the permission, and the page on which the user came had activity at all.
	Disclosed bool
	WhyNot    string // in words, why not
	// Earlier is the newest success that Graph gave before, where the user's activity is not known
	// now; zero: none.
	Earlier  time.Time
	Archived time.Time // newest successful sign-in of the user in the archive; zero: none
	// ReachesBack is from when on the archive has every sign-in of every log of sign-ins; zero: it
	// does not reach back.
	ReachesBack time.Time
	// Unarchived names the logs of sign-ins that are not archived, where others are; empty: none.
	Unarchived string
	// Restored is when the account was restored or enabled, and GraceUntil until when it counts as
	// active for that; zero: there is no grace, or it is over.
	Restored, GraceUntil time.Time
}

// Decision says since when a user has been inactive.
type Decision struct {
	Known  bool      // false: it is not known, and the user is neither active nor inactive
	Since  time.Time // the last sign of life
	By     Basis
	Never  bool   // no successful sign-in is known of
	Reason string // in a sentence
	// GraceUntil is until when the user is active, whatever is known beside it; zero: there is no
	// grace. Since is none the less the last sign of life.
	GraceUntil time.Time
}

// Silent tells whether neither the directory nor the archive knows of a successful sign-in.
func Silent(u User, e Evidence) bool {
	return u.Activity.LastSuccessful.IsZero() && e.Earlier.IsZero() && e.Archived.IsZero()
}

const day = "2 January 2006"

// Decide applies the rule: the newest success decides; where a user never signed in, the account's
// creation does, so that a new account has the same grace. Failed attempts never make an account
// active. What the tenant does not disclose is unknown, never inactive. Who was restored or enabled
// is active until a grace is over: what decided against the account before would do so again at
// once. A success of the archive only ever makes a user's last sign of life newer; where activity
// is not disclosed it is the last one only if the archive has everything that came after.
func Decide(u User, e Evidence) Decision {
	d := bySigns(u, e)
	switch {
	case !Silent(u, e):
	case !e.ReachesBack.IsZero():
		d.Reason += "; the archive, which reaches back to " + e.ReachesBack.Format(day) + ", has no success either"
	case e.Unarchived != "":
		d.Reason += "; the archive has no success either, but not all sign-ins: " + e.Unarchived +
			" is not archived"
	}
	if !e.GraceUntil.IsZero() {
		d.By, d.GraceUntil = ByGrace, e.GraceUntil
		d.Reason = "the account was restored or enabled on " + e.Restored.Format(day) +
			", and counts as active until " + e.GraceUntil.Format(day) + "; beside that: " + d.Reason
	}
	return d
}

// bySigns decides by the signs of life.
func bySigns(u User, e Evidence) Decision {
	if !e.Disclosed {
		return undisclosed(u, e)
	}
	d := byGraph(u)
	if e.Archived.IsZero() || !d.Never && !e.Archived.After(d.Since) {
		return d
	}
	// Who signed in with success before the account's creation is on record has signed in.
	return Decision{Known: true, Since: entra.Later(e.Archived, d.Since), By: ByArchive,
		Reason: "the archive holds a successful sign-in of " + e.Archived.Format(day) +
			", which is newer than what Graph says"}
}

// undisclosed decides where the user's activity is not known. A success that is known of is the
// last one if the archive has every sign-in from then on; else nobody can say what came after.
func undisclosed(u User, e Evidence) Decision {
	why := e.WhyNot
	if why == "" {
		why = "the tenant does not disclose sign-in activity"
	}
	newest := entra.Later(entra.Later(u.Activity.LastSuccessful, e.Earlier), e.Archived)
	switch {
	case newest.IsZero():
		return Decision{By: ByNothing, Reason: why}
	case e.ReachesBack.IsZero() || newest.Before(e.ReachesBack):
		return Decision{By: ByNothing, Reason: why + "; a successful sign-in of " + newest.Format(day) +
			" is known, and the archive does not have all that came after"}
	case newest.Equal(e.Archived):
		return Decision{Known: true, Since: newest, By: ByArchive,
			Reason: "the archive holds a successful sign-in of " +
				newest.Format(day) + ", and every sign-in since then"}
	}
	return Decision{Known: true, Since: newest, By: BySuccess, Reason: "the last successful sign-in was on " +
		newest.Format(day) + ", and the archive, which has every sign-in since then, has none that is newer"}
}

// byGraph decides by what Graph says.
func byGraph(u User) Decision {
	a := u.Activity
	if !a.LastSuccessful.IsZero() {
		return Decision{Known: true, Since: a.LastSuccessful, By: BySuccess,
			Reason: "the last successful sign-in was on " + a.LastSuccessful.Format(day)}
	}
	attempt := a.LastInteractive
	if a.LastNonInteractive.After(attempt) {
		attempt = a.LastNonInteractive
	}
	switch {
	case attempt.IsZero():
		return neverSignedIn(u)
	case attempt.Before(successesSince):
		return Decision{Known: true, Since: attempt, By: ByAttempt,
			Reason: "the last sign-in was on " + attempt.Format(day) +
				", before Microsoft recorded whether it succeeded"}
	case u.Created.Before(successesSince):
		// Whether the account was ever used before is not recorded any more.
		return Decision{Known: true, Since: successesSince, By: ByNoSuccess, Never: true,
			Reason: fmt.Sprintf("no sign-in has succeeded since successes are recorded (%s); "+
				"the last attempt, of %s, failed", successesSince.Format(day), attempt.Format(day))}
	default:
		d := neverSignedIn(u)
		d.Reason = fmt.Sprintf("no sign-in has succeeded since the account was created on %s; "+
			"the last attempt, of %s, failed", u.Created.Format(day), attempt.Format(day))
		return d
	}
}

func neverSignedIn(u User) Decision {
	if u.Created.IsZero() {
		return Decision{Known: true, Since: creationsSince, By: ByOldAccount, Never: true,
			Reason: "never signed in, and the account is from before June 2018, when creation began to be recorded"}
	}
	reason := "never signed in since the account was created on " + u.Created.Format(day)
	if u.ExternalState == "PendingAcceptance" {
		reason = "invited on " + u.Created.Format(day) + " and never accepted"
	}
	return Decision{Known: true, Since: u.Created, By: ByCreation, Never: true, Reason: reason}
}

// Inactive tells whether the last sign of life was before a moment. On the very moment a user is
// still active, and in a grace.
func (d Decision) Inactive(before time.Time) bool {
	return d.Known && d.GraceUntil.IsZero() && IsInactive(d.Since, before)
}

// IsInactive is the one predicate by which users are inactive, in lists, keys, counts and states:
// the last sign of life was before a moment, both in the resolution in which the archive keeps
// time.
func IsInactive(since, before time.Time) bool {
	return since.Truncate(entra.Tick).Before(before.Truncate(entra.Tick))
}

// InactiveFor is the most days before a moment for which a user is inactive; 0 where the user is
// not for one, -1 where it is not known.
func (d Decision) InactiveFor(asOf time.Time) int {
	if !d.GraceUntil.IsZero() {
		return 0
	}
	if !d.Known {
		return -1
	}
	days := d.DaysInactive(asOf)
	for days > 0 && !d.Inactive(DaysBefore(asOf, days)) {
		days--
	}
	return days
}

// DaysBefore is the moment so many days of 24 hours before another.
func DaysBefore(asOf time.Time, days int) time.Time {
	return asOf.Add(-time.Duration(days) * 24 * time.Hour)
}

// DaysInactive counts the whole days from the last sign of life to now; never negative.
func (d Decision) DaysInactive(now time.Time) int {
	if !d.Known || now.Before(d.Since) {
		return 0
	}
	return int(now.Sub(d.Since) / (24 * time.Hour))
}

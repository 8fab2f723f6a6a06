package directory

import (
	"encoding/json"
	"math"
	"time"

	"github.com/entraledger/entraledger/internal/directory/rules"
)

// The partitions of a snapshot: those of what was read, and those of what the rules made of it.
const (
	ReadPages     = "read-pages"     // <collection>_<walk>_<page>: hashes of the page's link and objects
	ReadUsers     = "read-users"     // by id
	ReadNames     = "read-names"     // ids by principal name in lower case
	ReadMembers   = "read-members"   // <group id>_<user id>
	ReadApps      = "read-holders"   // <app id>_<origin>_<object id>
	ReadUse       = "read-use"       // <app id>_<key id>
	ReadAppUse    = "read-appuse"    // by app id
	ReadSuccesses = "read-successes" // <user id>_<hour>; of versions before
	ReadSeen      = "read-seen"      // <source>_<last id>: newest times of users, packed in the order of ids
	ReadLicences  = "read-licences"  // names of products by id in lower case
	AskedMembers  = "asked-members"  // by group id: those that a question had read, after the snapshot was whole
	ReadArchive   = "read-archive"   // by source: what of the archive they are made of

	KnownUsers   = "users"         // <last sign of life, in a grace the snapshot's time>_<id>
	UnknownUsers = "users-unknown" // by id
	Credentials  = "credentials"   // <end>_<app id>_<key id>
	Summaries    = "summaries"

	UserTimelines       = "timelines-users"       // by id
	CredentialTimelines = "timelines-credentials" // <app id>_<key id>
)

// The rows of partition Summaries.
const (
	userCounts     = "users"
	credentialEnds = "credentials"
	numbered       = "snapshots" // the snapshots that timelines speak of
)

// KeyTime is how a time begins a key: seven digits, so that the order of keys is that of time.
const KeyTime = "2006-01-02T15:04:05.0000000Z"

// endless is the end of a credential that has none.
var endless = time.Date(9999, time.December, 31, 23, 59, 59, 999_999_900, time.UTC)

// Document is a row whose document is a value of ours.
func Document(key string, v any) Row {
	doc, err := json.Marshal(v)
	if err != nil {
		panic("write a document: " + err.Error()) // our own types always have a JSON form
	}
	return Row{Key: key, Doc: doc}
}

// CountsOfUsers is the row from which users are counted.
func CountsOfUsers(c AgeCounts) Row { return Document(userCounts, c.List()) }

// EndsOfCredentials is the row from which credentials are counted.
func EndsOfCredentials(all []CredentialEnd) Row { return Document(credentialEnds, all) }

// UserRead is a user as a snapshot keeps it until the rules are applied.
type UserRead struct {
	rules.User
	// Blank is how many users the page had, if none of them came with sign-in activity: Graph has
	// been seen to leave it out of whole pages without an error.
	Blank int `json:",omitempty"`
	// Earlier is what the snapshot before knew of a user whose activity is not known now.
	Earlier rules.Activity `json:",omitzero"`
	// Gap is the page of a user without activity, if others of the page have some.
	Gap *Gap `json:",omitempty"`
	// LeftOut says that Graph left activity out of a part of the user's page, and nothing that is
	// new enough stands in for it.
	LeftOut bool `json:",omitempty"`
	// As is as of when the activity is known, where an older snapshot's stands in for it.
	As time.Time `json:",omitzero"`
}

// CarriedFor is how long what was known of a user before stands in for what Graph left out: the
// night before, and no longer. Graph's own values are up to a day old.
const CarriedFor = 36 * time.Hour

// Gap is a page some of whose users came without activity.
type Gap struct {
	Page    int64 // its number
	Users   int64
	Without int64 // of these, without activity
}

// Disclosed tells whether a user's missing activity means that there was none, and why not. A page
// on which no user has any is believed unless that is too improbable by the share of users with
// activity on the other pages.
func (s Snapshot) Disclosed(u UserRead) (bool, string) {
	if w := s.WhyUndisclosed("signInActivity"); w != nil {
		stoodIn := !u.As.IsZero() && !u.Activity.None() && s.AsOf.Sub(u.As) <= CarriedFor
		if s.WhyCarried("signInActivity") != nil && stoodIn {
			return true, "" // as the snapshot before knew it
		}
		return false, "the tenant does not disclose sign-in activity: " + w.Message
	}
	if s.Active == 0 {
		return false, "Graph gave no sign-in activity for any user"
	}
	if u.LeftOut {
		return false, "Graph left the sign-in activity out of a part of the page on which this user came"
	}
	if !u.As.IsZero() && s.AsOf.Sub(u.As) > CarriedFor {
		return false, "Graph has left out the sign-in activity of this user since " + u.As.Format("2 January 2006")
	}
	if u.Blank == 0 {
		return true, ""
	}
	const improbable = 1e-6
	share := float64(s.Active+1) / float64(s.Disclosing+2) // never quite all: the rule of succession
	if !u.Earlier.None() || math.Pow(1-share, float64(u.Blank)) < improbable {
		return false, "Graph left the sign-in activity out of the whole page on which this user came"
	}
	return true, ""
}

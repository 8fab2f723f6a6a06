package rules

import (
	"time"

	"github.com/tidwall/gjson"
)

// Use is one row of a report of use.
type Use struct {
	AppID string
	KeyID string `json:",omitempty"`
	Last  time.Time
}

// parseUse reads a row of appCredentialSignInActivities or servicePrincipalSignInActivities.
func ParseUse(raw []byte) Use {
	doc := gjson.ParseBytes(raw)
	u := Use{AppID: own(doc.Get("appId")), KeyID: own(doc.Get("keyId"))}
	for _, path := range []string{"signInActivity.lastSignInDateTime", "lastSignInActivity.lastSignInDateTime"} {
		if t := when(doc.Get(path)); t.After(u.Last) {
			u.Last = t
		}
	}
	return u
}

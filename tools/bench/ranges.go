package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
)

// ranges is a table server that answers range queries on a snapshot of any size without holding it:
// row n is made from its number. It does what Table Storage does with a range of keys, in the same
// time whatever the size. Azurite searches through all rows of a table for each query, which would
// be measured in place of the answer.
type ranges struct {
	users    int
	asOf     time.Time
	snapshot []byte // the row of the snapshot
}

const rangeKey = "2006-01-02T15:04:05.0000000Z"

// key of user n: the last sign of life, one user every so often up to the snapshot, and an id.
func (s ranges) key(n int) string {
	step := 900 * 24 * time.Hour / time.Duration(s.users)
	return fmt.Sprintf("%s_%08x-0000-4000-8000-%012x", s.asOf.Add(-time.Duration(s.users-n)*step).Format(rangeKey), n,
		n)
}

var (
	fromBound  = regexp.MustCompile(`RowKey ge '([^']*)'`)
	afterBound = regexp.MustCompile(`RowKey gt '([^']*)'`)
	belowBound = regexp.MustCompile(`RowKey lt '([^']*)'`)
)

func bound(pattern *regexp.Regexp, filter, fallback string) string {
	if m := pattern.FindStringSubmatch(filter); m != nil {
		return m[1]
	}
	return fallback
}

func (s ranges) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json;odata=minimalmetadata")
	q := r.URL.Query()
	switch {
	case r.URL.Path == "/bench/snapshots()":
		fmt.Fprintf(w, `{"value":[%s]}`, s.snapshot)
		return
	case strings.HasPrefix(r.URL.Path, "/bench/snapshots("): // one row by its key
		_, _ = w.Write(s.snapshot) // a client that went away needs no answer
		return
	}
	from, below := bound(fromBound, q.Get("$filter"), ""), bound(belowBound, q.Get("$filter"), "~")
	top, err := strconv.Atoi(q.Get("$top"))
	if err != nil {
		top = 1000
	}
	after := bound(afterBound, q.Get("$filter"), "")
	first := sort.Search(s.users, func(n int) bool { return s.key(n) >= from && s.key(n) > after })
	body := []byte(`{"value":[`)
	for n := first; n < s.users && n < first+top && s.key(n) < below; n++ {
		if n > first {
			body = append(body, ',')
		}
		body = s.appendRow(body, n)
	}
	_, _ = w.Write(append(body, "]}"...)) // a client that went away needs no answer
}

// appendRow is a user's row as Entra Ledger keeps it, with the columns that it asks for, its
// document not compressed.
func (s ranges) appendRow(b []byte, n int) []byte {
	key := s.key(n)
	since, id := key[:len(rangeKey)], key[len(rangeKey)+1:]
	doc := fmt.Sprintf(`{"id":%q,"userPrincipalName":"person%d@contoso.example","displayName":"Person Number %d","mail":"person%d@contoso.example","department":"Sales",`+
		`"userType":"Member","accountEnabled":true,"licensed":true,"assignedSkuIds":["05e9a617-0261-4cee-bb44-138d3ef5d965"],"onPremisesSyncEnabled":true,`+
		`"createdDateTime":"2019-03-04T09:00:00Z","lastSuccessfulSignInDateTime":%q,"lastSignInDateTime":%q,"lastNonInteractiveSignInDateTime":%q,`+
		`"inactiveSinceDateTime":%q,"daysInactive":100,"neverSignedIn":false,"decidedBy":"lastSuccessfulSignInDateTime","reason":"the last successful sign-in was on 4 March 2026"}`,
		id, n, n, n, since, since, since, since)
	return fmt.Appendf(b, `{"odata.etag":"W/\"datetime'2026-11-21T12%%3A00%%3A00Z'\"","RowKey":%q,"Codec":"none","Record@odata.type":"Edm.Binary","Record":%q}`,
		key, base64.StdEncoding.EncodeToString([]byte(doc)))
}

// snapshotRow is the row that says that the snapshot is whole.
func snapshotRow(asOf time.Time) ([]byte, error) {
	doc, err := json.Marshal(map[string]any{"ID": asOf.Format("20060102T150405Z"), "AsOf": asOf, "Stage": "whole",
		"Phase": "done", "Finished": asOf, "Users": 1, "Active": 1,
		"Disclosing": 1, "TokenKey": make([]byte, 32)})
	if err != nil {
		return nil, fmt.Errorf("write the snapshot's row: %w", err)
	}
	const lastSecond = 9_999_999_999 // the newest snapshot has the least key
	return fmt.Appendf(nil, `{"PartitionKey":"directory","RowKey":"%010d","Codec":"none",`+
		`"Record@odata.type":"Edm.Binary","Record":%q}`, lastSecond-asOf.Unix(),
		base64.StdEncoding.EncodeToString(doc)), nil
}

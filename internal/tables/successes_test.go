package tables_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// signs puts sign-ins of an hour into the archive: of a user at a second, with an error code.
func (a *account) signs(in ...signedIn) {
	for n, s := range in {
		raw := fmt.Sprintf(`{"id":"s-%d","createdDateTime":%q,"userId":%q,"status":{"errorCode":%d},"content":%q}`, n,
			hour.Add(time.Duration(s.second)*time.Second).Format(time.RFC3339), s.user, s.code, s.content)
		rec, err := logs.ParseRecord(window.Stream, []byte(raw))
		require.NoError(a, err)
		_, err = a.store.Insert(a.Context(), window, []entra.Record{rec}, seen)
		require.NoError(a, err)
	}
}

type signedIn struct {
	user         string
	second, code int
	content      string
}

// newest is when each user last signed in, as in a snapshot.
func (a *account) newest() map[string]int {
	out := make(map[string]int)
	err := a.store.Successes(a.Context(), window.Stream, hour, hour.Add(time.Hour), func(id string, at time.Time) {
		out[id] = max(out[id], int(at.Sub(hour)/time.Second))
	})
	require.NoError(a, err)
	return out
}

func (a *account) rowOf(second int) (key string) {
	for _, row := range a.service.Rows(recordTable) {
		if strings.HasPrefix(row.Key, hour.Add(time.Duration(second)*time.Second).Format("2006-01-02T15:04:05")) {
			return row.Key
		}
	}
	require.Fail(a, "no row")
	return ""
}

func TestTheNewestSuccessIsWhatItsRecordSays(t *testing.T) {
	noise := make([]byte, 900<<10) // does not compress: the record needs several rows
	_, _ = rand.Read(noise)
	const anna, bert, cleo = "00000000-0000-0000-0000-00000000000a", "bert", "cleo"
	signed := []signedIn{{anna, 1, 0, ""}, {bert, 2, 0, ""}, {anna, 3, 0, ""}, {bert, 4, 50126, ""},
		{cleo, 5, 0, hex.EncodeToString(noise)}}
	want := map[string]int{anna: 3, bert: 2, cleo: 5}
	begin := func(t *testing.T) *account {
		a := newAccount(t)
		a.signs(signed...)
		require.Equal(t, want, a.newest())
		return a
	}
	stream := hour.Format(entra.HourFormat)
	for name, c := range map[string]struct {
		second int
		how    func(map[string]any)
		want   map[string]int
	}{
		"a failure as a success": {4, func(row map[string]any) { row["ErrorCode"] = 0 }, want},
		"another's": {3, func(row map[string]any) {
			row["UserId"] = "dora"
			delete(row, "UserId@odata.type")
		}, want},
		"other bytes": {3, func(row map[string]any) {
			row["Codec"], row["Record"] = "none", base64.StdEncoding.EncodeToString([]byte(`{}`))
		}, map[string]int{anna: 1, bert: 2, cleo: 5}},
		"no bytes": {3, func(row map[string]any) {
			delete(row, "Record")
			delete(row, "Record@odata.type")
		}, map[string]int{anna: 1, bert: 2, cleo: 5}},
		"another hash": {3, func(row map[string]any) {
			row["Hash"] = "AAAA"
		}, map[string]int{anna: 1, bert: 2, cleo: 5}},
		"too few parts": {5, func(row map[string]any) { row["Parts"] = 1 }, map[string]int{anna: 3, bert: 2}},
		// only verify sees it
		"a hidden success": {3, func(row map[string]any) {
			row["ErrorCode"] = 50126
		}, map[string]int{anna: 1, bert: 2, cleo: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			a := begin(t)
			a.change(recordTable, stream, a.rowOf(c.second), c.how)
			require.Equal(t, c.want, a.newest())
		})
	}
	t.Run("moved to a later time", func(t *testing.T) {
		a := begin(t)
		key := a.rowOf(1)
		a.move(recordTable, stream, key, strings.Replace(key, "14:00:01", "14:59:00", 1))
		require.Equal(t, want, a.newest())
	})
}

// The newest is returned even from an hour with more than is held at once.
func TestTheNewestSuccessOfABusyHourIsReturned(t *testing.T) {
	a := newAccount(t)
	var in []signedIn
	want := make(map[string]int)
	noise := make([]byte, 40<<10)
	for n := range 260 { // 80 KB each, in hexadecimal digits and base64
		_, _ = rand.Read(noise)
		user := fmt.Sprintf("user-%d", n%200)
		in = append(in, signedIn{user, n, 0, hex.EncodeToString(noise)})
		want[user] = n
	}
	a.signs(in...)
	require.Equal(t, want, a.newest())
}

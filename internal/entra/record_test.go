package entra_test

import (
	"bufio"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

func TestTimesOfEveryFormSeenInRecordsAreRead(t *testing.T) {
	cases := []struct{ text, want string }{
		{"2026-07-17T14:10:02Z", "2026-07-17T14:10:02Z"},
		{"2026-07-17T14:10:10.9301252Z", "2026-07-17T14:10:10.9301252Z"},
		{"2026-07-17T14:10:27.185138Z", "2026-07-17T14:10:27.185138Z"},
		{"2020-07-30T18:30:04.000000Z", "2020-07-30T18:30:04Z"},
		{"2024-11-27T03:31:26.7088498+00:00", "2024-11-27T03:31:26.7088498Z"},
		{"2024-11-27T05:31:26+02:00", "2024-11-27T03:31:26Z"},
		{"2024-09-23 14:33:09.049661100", "2024-09-23T14:33:09.0496611Z"},
		{"2024-09-23T14:33:09.0496611", "2024-09-23T14:33:09.0496611Z"},
		{"2024-09-23 14:33:09Z", "2024-09-23T14:33:09Z"},
		{"", ""},
		{"0001-01-01T00:00:00Z", ""}, // .NET's way to say that there is none
		{"yesterday", ""},
		{"2024-13-01T00:00:00Z", ""},
	}
	for _, c := range cases {
		t.Run(c.text, func(t *testing.T) {
			got, err := entra.ParseTime(c.text)
			if c.want == "" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got.Format(time.RFC3339Nano))
		})
	}
}

func TestARecordIsFiledByIdAndTime(t *testing.T) {
	const when = "2026-11-21T14:05:10.9301252Z"
	cases := []struct {
		name, raw string
		id        string
		fails     error
	}{
		{"plain", `{"id":"a","createdDateTime":"` + when + `"}`, "a", nil},
		{"id with blanks and a slash", `{"createdDateTime":"` + when + `","id":"Invited Users_1/2"}`,
			"Invited Users_1/2", nil},
		{"the first of repeated keys counts", `{"id":"a","id":"b","createdDateTime":"` + when +
			`","createdDateTime":"2020-01-01T00:00:00Z"}`, "a", nil},
		{"escaped id", `{"id":"\u00e9\"x","createdDateTime":"` + when + `"}`, `é"x`, nil},
		{"no id", `{"createdDateTime":"` + when + `"}`, "", entra.ErrNoID},
		{"id is null", `{"id":null,"createdDateTime":"` + when + `"}`, "", entra.ErrNoID},
		{"id is a number", `{"id":7,"createdDateTime":"` + when + `"}`, "", entra.ErrNoID},
		{"id is empty", `{"id":"","createdDateTime":"` + when + `"}`, "", entra.ErrNoID},
		{"no time", `{"id":"a"}`, "", entra.ErrNoTime},
		{"an audit's time on a sign-in", `{"id":"a","activityDateTime":"` + when + `"}`, "", entra.ErrNoTime},
		{"time is null", `{"id":"a","createdDateTime":null}`, "", entra.ErrNoTime},
		{"an array", `["id"]`, "", entra.ErrNoObject},
		{"a text", `"id"`, "", entra.ErrNoObject},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rec, err := logs.ParseRecord(logs.SignInsInteractiveUser, []byte(c.raw))
			require.Equal(t, entra.Hash(sha256.Sum256([]byte(c.raw))), rec.Hash, "what can't be filed is hashed too")
			if c.fails != nil {
				require.ErrorIs(t, err, c.fails)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.id, rec.ID)
			require.Equal(t, when, rec.Time.Format(time.RFC3339Nano))
			require.Equal(t, "2026-11-21T14", rec.Window(logs.SignInsInteractiveUser).Start.Format(entra.HourFormat))
		})
	}
}

func TestPromotedColumnsHoldTextsAndNumbersAndNothingElse(t *testing.T) {
	long := strings.Repeat("x", entra.MaxColumnBytes-1) + "é"
	raw := `{"id":"a","createdDateTime":"2026-11-21T14:00:00Z","userId":"u","appId":null,"userPrincipalName":"` + long + `",
		"status":{"errorCode":50074,"failureReason":"x"},"ipAddress":"","servicePrincipalId":{"odd":1},"userId":"again"}`
	rec, err := logs.ParseRecord(logs.SignInsInteractiveUser, []byte(raw))
	require.NoError(t, err)
	require.Equal(t, []entra.Column{
		{Name: "UserId", Text: "u"},
		{Name: "UserPrincipalName", Text: strings.Repeat("x", entra.MaxColumnBytes-1)}, // no half runes
		{Name: "ErrorCode", Int: 50074, IsInt: true},
	}, rec.Columns)
}

func TestEverySampleRecordCanBeFiled(t *testing.T) {
	for _, s := range []entra.Stream{logs.DirectoryAudits, logs.SignInsInteractiveUser, logs.SignInsServicePrincipal,
		logs.Provisioning} {
		file, err := os.Open(filepath.Join("..", "..", "..", "shared", "samples", string(s)+".jsonl"))
		require.NoError(t, err)
		defer file.Close()
		lines, columns := 0, 0
		for scan := bufio.NewReader(file); ; lines++ {
			line, err := scan.ReadBytes('\n')
			if len(line) == 0 && err != nil {
				break
			}
			rec, err := logs.ParseRecord(s, line[:len(line)-1])
			require.NoError(t, err, "%s", line)
			columns += len(rec.Columns)
		}
		require.Positive(t, lines)
		require.Greater(t, columns, 2*lines, "columns of %s", s)
	}
}

func TestHoursAreCountedInUTC(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	from := time.Date(2026, 11, 21, 0, 59, 59, 0, berlin)
	require.Equal(t, "2026-11-20T23", entra.FloorHour(from).Format(entra.HourFormat))
	require.Equal(t, 1, entra.HoursBetween(from, time.Date(2026, 11, 21, 0, 30, 0, 0, time.UTC)))
	require.Equal(t, 0, entra.HoursBetween(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), from))
}

func TestAnErrorIsOneLineWithCauseAndRemedy(t *testing.T) {
	err := &entra.Error{Code: entra.CodeThrottled, Doing: "read x", Err: os.ErrDeadlineExceeded,
		Remedy: "wait\na little"}
	require.Equal(t, "read x: i/o timeout; wait a little", err.Error())
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Equal(t, entra.CodeThrottled, entra.CodeOf(err))
	require.Equal(t, entra.CodeInternal, entra.CodeOf(os.ErrClosed))
}

package reference_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/reference"
)

// pending are the codes that Microsoft's workbooks SignIns and SignInFailureAnalysis call "Pending
// user action".
var pending = []int{16000, 16001, 16003, 29200, 50019, 50055, 50058, 50059, 50072, 50074, 50076, 50097, 50125, 50127,
	50129, 50140, 50143, 50144, 50158, 51006, 52004, 65001, 81010, 81012, 81014, 165100}

func TestTheErrorCodesAreWholeAndEachStatusHasItsSource(t *testing.T) {
	codes, err := reference.ErrorCodes()
	require.NoError(t, err)
	require.Greater(t, len(codes), 190)
	last, known := -1, make(map[int]reference.ErrorCode)
	for _, c := range codes {
		require.Greater(t, c.Code, last, "in order, each once")
		require.Contains(t, []string{reference.Success, reference.Interrupted, reference.Failure}, c.Status, "%d", c.Code)
		require.Contains(t, []string{"workbook", "errorReference"}, c.StatusSource, "%d", c.Code)
		require.Equal(t, c.Status, reference.SignInStatus(int64(c.Code)))
		last, known[c.Code] = c.Code, c
	}
	for _, code := range pending {
		require.Equal(t, reference.Interrupted, known[code].Status, "%d", code)
		require.Equal(t, "workbook", known[code].StatusSource, "%d", code)
	}
	for _, code := range []int{90025, 70046, 53009} { // the manual's own
		require.Equal(t, reference.Failure, known[code].Status, "%d", code)
		require.NotEmpty(t, known[code].Meaning, "%d", code)
	}
}

func TestASignInsStatusIsThePortalsWord(t *testing.T) {
	for code, want := range map[int64]string{
		0:      reference.Success,
		50057:  reference.Failure,     // a disabled account
		50058:  reference.Interrupted, // no session yet
		50126:  reference.Failure,
		500121: reference.Failure,
		50140:  reference.Interrupted,
		50079:  reference.Interrupted, // by the error reference
		53003:  reference.Failure,
		16003:  reference.Interrupted,
		700084: reference.Failure, // named by neither source as a step that goes on
		999999: reference.Failure, // unknown
		-1:     reference.Failure,
	} {
		require.Equal(t, want, reference.SignInStatus(code), "%d", code)
	}
}

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

func TestAFaultIsReadFromTheCommandLine(t *testing.T) {
	for text, want := range map[string]simtenant.Fault{
		"429,retry-after=10,count=2": {Kind: simtenant.TooManyRequests,
			RetryAfter: "10", Count: 2},
		"refused,stream=signIns.interactiveUser,form=beta,status=404": {Kind: simtenant.Refused,
			Stream: logs.SignInsInteractiveUser, Form: entra.FormBeta, Status: 404},
		"wide-span,span=24h,body=html,delay=1m": {Kind: simtenant.WideSpan, Span: 24 * time.Hour,
			Body: "html", Delay: time.Minute},
		"ends-short,stream=users,page=2,records=5,until=2026-11-21T14:00:00Z": {Kind: simtenant.EndsShort,
			Stream: simtenant.Users, Page: 2, Records: 5,
			Until: time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)},
	} {
		got, err := readFault(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, why := range map[string]string{
		"nothing": "no kind of fault", "429,colour=red": "is none of after back body", "429,count=x": "invalid syntax",
		"429,stream=nowhere": "unknown stream", "refused,status=200": "no error",
	} {
		_, err := readFault(text)
		require.ErrorContains(t, err, why, text)
	}
}

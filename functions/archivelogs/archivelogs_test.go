package archivelogs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

func TestAnArchiveThatHasFallenBehindFailsTheInvocation(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	report := collect.Report{Now: now, Streams: []collect.StreamReport{
		{Stream: logs.DirectoryAudits, Watermark: now.Add(-5 * time.Minute)},
		{Stream: logs.Provisioning, Watermark: now.Add(-4 * time.Hour)},
		{Stream: logs.SignInsInteractiveUser, Watermark: now.Add(-26 * time.Hour), Overtaken: true},
	}}
	require.NoError(t, behind(report, 4*time.Hour))
	err := behind(report, 3*time.Hour)
	require.Equal(t, entra.CodeBehind, entra.CodeOf(err))
	require.ErrorContains(t, err, "provisioning")
	require.ErrorContains(t, err, "4h0m0s")
	require.ErrorContains(t, err, "ARCHIVE_RUN_BUDGET")
}

// TestOfAStoppedRunOnlyStreamsThatWereLookedAtAreBehind: the state of the others was not read.
func TestOfAStoppedRunOnlyStreamsThatWereLookedAtAreBehind(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	report := collect.Report{Now: now, Streams: []collect.StreamReport{
		{Stream: logs.DirectoryAudits, Watermark: now.Add(-5 * time.Minute), Commits: 1},
		{Stream: logs.Provisioning},
	}}
	result, err := stopped(report, nil, time.Hour)
	require.NoError(t, err)
	require.True(t, result.HandedOver)
	report.Streams = append(report.Streams, collect.StreamReport{Stream: logs.SignInsInteractiveUser,
		Watermark: now.Add(-2 * time.Hour)})
	_, err = stopped(report, nil, time.Hour)
	require.Equal(t, entra.CodeBehind, entra.CodeOf(err))
	_, err = stopped(collect.Report{}, context.Canceled, time.Hour)
	require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err))
	failed := &entra.Error{Code: entra.CodeConflict, Doing: "tell the time", Why: "no two of three clocks agree"}
	_, err = stopped(collect.Report{}, errors.Join(context.Canceled, failed), time.Hour)
	require.EqualError(t, err, failed.Error())
}

package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/keptfiles"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/dev/memstorage/memtest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/settings"
)

// TestAnImportNeedsARightClock: it dates what it adds, and decides which months are kept.
func TestAnImportNeedsARightClock(t *testing.T) {
	for _, off := range []time.Duration{-365 * 24 * time.Hour, 20 * time.Minute} {
		ahead := time.Duration(0)
		account := memtest.Serve(t, memstorage.New(func() time.Time { return time.Now().Add(ahead) }))
		s := newSystemOn(t, account, simtenant.Config{Generate: &generate.Config{Seed: 5, Users: 5, Days: 1}})
		s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_BACKFILL"] = "directoryAudits", "2d"
		status, answer, err := s.start().fire()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%v", answer)
		was, err := s.store.Progress(t.Context(), logs.DirectoryAudits)
		require.NoError(t, err)
		ahead = off
		file := kept(t, "PT1H.json", ours(past(2)))
		code, _, errs := s.command("import", "--spool", t.TempDir(), "--by", "ann", file)
		require.Equal(t, 1, code)
		require.Contains(t, errs, "set the machine's clock")
		is, err := s.store.Progress(t.Context(), logs.DirectoryAudits)
		require.NoError(t, err)
		require.Equal(t, was, is)
	}
}

// TestAnArchiveIsNamedByItsPlace, whatever opens it.
func TestAnArchiveIsNamedByItsPlace(t *testing.T) {
	name := func(connection, uri string) string {
		return whichArchive(settings.Settings{StorageConnection: connection, StorageURI: uri})
	}
	const first = "DefaultEndpointsProtocol=https;AccountName=One;AccountKey=secret==;EndpointSuffix=core.windows.net"
	require.Equal(t, name(first, ""),
		name("AccountName=one; accountkey=other==;DefaultEndpointsProtocol=https;EndpointSuffix=core.windows.net;", ""))
	require.NotContains(t, name(first, ""), "secret")
	require.NotContains(t, name("TableEndpoint=https://x;SharedAccessSignature=sv=1&sig=secret", ""), "secret")
	require.NotEqual(t, name(first, ""), name("AccountName=Two;AccountKey=secret==", ""))
	require.Equal(t, name("", "https://one.table.core.windows.net/"), name("", "https://ONE.table.core.windows.net"))
	require.NotEqual(t, name("", "https://one.table.core.windows.net"), name("", "https://two.table.core.windows.net"))
}

// TestACellThatNamesAnotherTenant stops imports where the logs' rows differ, and the runs of its log.
func TestACellThatNamesAnotherTenant(t *testing.T) {
	s, p := importable(t)
	change := func(stream entra.Stream, tenant string) {
		is, lease, err := s.store.State(t.Context(), stream)
		require.NoError(t, err)
		is.Tenant = tenant
		_, err = s.store.Commit(t.Context(), lease, is, nil, nil)
		require.NoError(t, err)
	}
	file := kept(t, "PT1H.json", keptfiles.Envelopes(past(2))) // of the tenant that the cell will name
	change(logs.DirectoryAudits, keptfiles.Tenant)
	code, _, errs := s.command("import", "--spool", t.TempDir(), "--by", "ann", file)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "name different tenants")

	status, _, err := p.fire()
	require.NoError(t, err)
	require.NotEqual(t, http.StatusOK, status)
	is, err := s.store.Progress(t.Context(), logs.DirectoryAudits)
	require.NoError(t, err)
	require.Equal(t, entra.CodeTampered, is.LastErrorCode)
	require.Contains(t, is.LastError, "names tenant "+keptfiles.Tenant)
	other, err := s.store.Progress(t.Context(), logs.SignInsInteractiveUser)
	require.NoError(t, err)
	require.Empty(t, other.LastError)

	// A cell that was emptied is written again, and does not let another tenant's file in.
	change(logs.DirectoryAudits, "")
	code, _, errs = s.command("import", "--spool", t.TempDir(), "--by", "ann", file)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "names tenant "+keptfiles.Tenant)
	status, answer, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%v", answer)
	is, err = s.store.Progress(t.Context(), logs.DirectoryAudits)
	require.NoError(t, err)
	require.Equal(t, simtenant.ID, is.Tenant)
}

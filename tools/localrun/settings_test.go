package main

import (
	"bytes"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/settings"
)

func TestTheHandlerGetsOnlyTheLocalRunsSettings(t *testing.T) {
	local := handlerSettings{
		storage: "UseDevelopmentStorage=true", graph: "http://127.0.0.1:7080",
		identity:       "http://127.0.0.1:7080/msi/token",
		identityHeader: "secret", backfill: "30d",
	}
	env := local.environment([]string{
		"PATH=/usr/bin", "ARCHIVE_STREAMS=provisioning", "ARCHIVE_STORAGE=production", "AZURE_CLIENT_SECRET=production",
		"ARCHIVE_STORAGE__tableServiceUri=https://production.table.core.windows.net",
		"IDENTITY_SERVER_THUMBPRINT=production",
	})
	values := map[string]string{}
	for _, entry := range env {
		name, value, _ := bytes.Cut([]byte(entry), []byte("="))
		require.NotContains(t, values, string(name), "a setting stands twice")
		values[string(name)] = string(value)
		require.NotContains(t, entry, "production")
	}
	require.Equal(t, "/usr/bin", values["PATH"])
	require.Equal(t, "0 */5 * * * *", values["ARCHIVE_SCHEDULE"])
	require.Equal(t, "secret", values["IDENTITY_HEADER"])

	read, err := settings.Load(func(name string) string { return values[name] })
	require.NoError(t, err, "the handler does not take the settings")
	require.Equal(t, 2000, read.ArchiveRequestsPer10s)
	require.Len(t, read.Streams, 1, "what a person sets otherwise stays")
}

func TestOptionsAreCheckedBeforeAnythingStarts(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no such folder": {[]string{"--records", "nowhere"}, "it is no folder"},
		"no flag":        {[]string{"records"}, "is not a flag"},
		"no days":        {[]string{"--days", "0"}, "--days of 1 to 7300"},
		"no port":        {[]string{"--port", "70000"}, "70000 is no port"},
		"one port":       {[]string{"--port", "10002"}, "are the same"},
		"no host":        {[]string{"--host", "azure"}, "give devhost or func"},
	} {
		_, err := readOptions(c.args, &bytes.Buffer{})
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), "\n", name)
	}
}

func TestTheBackfillFitsTheRecords(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "30d"},
		{[]string{"--days", "7"}, "7d"},
		{[]string{"--records", t.TempDir()}, "5000d"},
		{[]string{"--records", t.TempDir(), "--backfill", "36h"}, "36h"},
	} {
		o, err := readOptions(c.args, &bytes.Buffer{})
		require.NoError(t, err)
		require.Equal(t, c.want, o.backfill)
	}
}

func TestAPortInUseIsOneLineThatNamesAnother(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	err = checkMachine(t.Context(), options{port: l.Addr().(*net.TCPAddr).Port})
	require.ErrorContains(t, err, "make run PORT=0")
	require.NotContains(t, err.Error(), "\n")
}

func TestAMissingProgramIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	require.ErrorContains(t, checkMachine(t.Context(), options{}), "find go: it is not on the PATH; install Go")
}

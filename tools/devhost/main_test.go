package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHelpFitsAScreen(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"--help"}, &out, &out))
	require.Contains(t, out.String(), "-no-timers")
	require.LessOrEqual(t, strings.Count(out.String(), "\n"), 30)
}

func TestWrongUseIsOneClearLine(t *testing.T) {
	empty := t.TempDir()
	settings := filepath.Join(empty, "local.settings.json")
	require.NoError(t, os.WriteFile(settings, []byte(`{"IsEncrypted":true}`), 0o600))
	cases := []struct {
		name string
		args []string
		want string
	}{
		{"unknown flag", []string{"--nope"}, "see devhost --help"},
		{"stray word", []string{"start"}, `"start" is not a flag`},
		{"no app", []string{"--app", empty}, "read host.json"},
		{"no settings", []string{"--app", empty, "--settings", filepath.Join(empty, "absent")}, "read settings"},
		{"encrypted settings", []string{"--settings", settings}, "func settings decrypt"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), c.args, &out, &out)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
			require.Empty(t, out.String())
		})
	}
}

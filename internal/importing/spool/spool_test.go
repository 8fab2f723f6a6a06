package spool_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/importing/spool"
	"github.com/entraledger/entraledger/internal/logs"
)

var hour = spool.Hour{Stream: logs.DirectoryAudits, Start: time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)}

func open(t *testing.T, root string, memory int) (*spool.Spool, string) {
	s, note, err := spool.Open(root, "sha", memory)
	require.NoError(t, err)
	return s, string(note)
}

func kept(t *testing.T, s *spool.Spool) (out []string) {
	hours, err := s.Hours()
	require.NoError(t, err)
	for _, h := range hours {
		require.NoError(t, s.Read(h, func(raw []byte) error {
			out = append(out, string(raw))
			return nil
		}))
	}
	return out
}

// TestWhatWasNotSavedIsReadAgain whether it reached the disk or not: each record is kept once.
func TestWhatWasNotSavedIsReadAgain(t *testing.T) {
	for name, memory := range map[string]int{"in memory": 1 << 20, "on the disk": 1} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s, note := open(t, root, memory)
			require.Empty(t, note)
			require.NoError(t, s.Add(hour, []byte("one")))
			require.NoError(t, s.Add(spool.Hour{Stream: hour.Stream, Start: hour.Start.Add(-time.Hour)},
				[]byte("earlier")))
			require.NoError(t, s.Save("first"))
			require.NoError(t, s.Add(hour, []byte("two")))
			require.NoError(t, s.Add(spool.Hour{Stream: hour.Stream, Start: hour.Start.Add(time.Hour)},
				[]byte("later")))
			require.NoError(t, s.Close()) // the process died

			s, note = open(t, root, memory)
			require.Equal(t, `"first"`, note)
			require.Equal(t, []string{"earlier", "one"}, kept(t, s))
			require.NoError(t, s.Add(hour, []byte("two")))
			require.NoError(t, s.Save("second"))
			require.Equal(t, []string{"earlier", "one", "two"}, kept(t, s))
			require.NoError(t, s.Remove())
			require.NoError(t, s.Close())
			s, note = open(t, root, memory)
			require.Empty(t, note)
			require.Empty(t, kept(t, s))
			require.NoError(t, s.Close())
		})
	}
}

// TestAResultThatWasCutShortIsDropped because its hour may not be done.
func TestAResultThatWasCutShortIsDropped(t *testing.T) {
	root := t.TempDir()
	s, _ := open(t, root, 1)
	require.NoError(t, s.Save("read"))
	require.NoError(t, s.Done(1))
	require.NoError(t, s.Done(2))
	require.NoError(t, s.Close())
	path := filepath.Join(root, "sha", "done")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(text, `{"log":"dir`...), 0o600))
	for range 2 {
		s, _ = open(t, root, 1)
		var got []string
		require.NoError(t, s.Results(func(text []byte) error {
			got = append(got, string(text))
			require.True(t, json.Valid(text))
			return nil
		}))
		require.Equal(t, "1\n", got[0])
		require.Equal(t, "2\n", got[1])
		require.NoError(t, s.Done(3))
		require.NoError(t, s.Close())
	}
}

// TestOnlyOneProcessHasAFolder at a time, and only its owner may look into it.
func TestOnlyOneProcessHasAFolder(t *testing.T) {
	root := t.TempDir()
	s, _ := open(t, root, 1)
	_, _, err := spool.Open(root, "sha", 1)
	require.ErrorIs(t, err, spool.ErrBusy)
	other, _, err := spool.Open(root, "other", 1)
	require.NoError(t, err)
	require.NoError(t, other.Close())
	require.NoError(t, s.Add(hour, []byte("one")))
	info, err := os.Stat(filepath.Join(root, "sha"))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077)
	info, err = os.Stat(filepath.Join(root, "sha", "hours", "directoryAudits", "2026-11-21T14"))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077)
	require.NoError(t, s.Close())
	s, _ = open(t, root, 1)
	require.NoError(t, s.Close())
}

// TestAFolderThatSomebodyChanged is refused, never half imported.
func TestAFolderThatSomebodyChanged(t *testing.T) {
	root := t.TempDir()
	s, _ := open(t, root, 1)
	require.NoError(t, s.Add(hour, []byte("one")))
	require.NoError(t, s.Save(1))
	require.NoError(t, s.Close())
	path := filepath.Join(root, "sha", "hours", "directoryAudits", "2026-11-21T14")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, whole[:len(whole)-1], 0o600))
	_, _, err = spool.Open(root, "sha", 1)
	require.ErrorContains(t, err, "remove it, and import again")
	whole[len(whole)-1]++
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	s, _ = open(t, root, 1)
	require.Error(t, s.Read(hour, func([]byte) error { return nil }))
	require.NoError(t, s.Close())
	require.NoError(t, os.Remove(path))
	_, _, err = spool.Open(root, "sha", 1)
	require.ErrorContains(t, err, "remove it, and import again")
}

// TestZerosAreNoRecords: a machine that lost power may leave a file of its size without its bytes.
func TestZerosAreNoRecords(t *testing.T) {
	root := t.TempDir()
	s, _ := open(t, root, 1)
	require.NoError(t, s.Add(hour, []byte("one")))
	require.NoError(t, s.Save(1))
	require.NoError(t, s.Close())
	path := filepath.Join(root, "sha", "hours", "directoryAudits", "2026-11-21T14")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, make([]byte, len(whole)), 0o600))
	s, _ = open(t, root, 1)
	require.ErrorContains(t, s.Read(hour, func([]byte) error { return nil }), "remove the folder")
	require.NoError(t, s.Close())
}

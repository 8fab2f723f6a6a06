package mim_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/mim"
)

const requestID = "0a0b0c0d-0000-4000-8000-000000000001"

func TestAPartIsReadInBothSpellings(t *testing.T) {
	for head, want := range map[string]string{
		"Request '0A0B0C0D-0000-4000-8000-000000000001', message 2 out of 3: \r\n":  " text\n",
		"Request '0A0B0C0D-0000-4000-8000-000000000001', message 2 out of 3:\n":     " text\n",
		"Request: 0a0b0c0d-0000-4000-8000-000000000001 , message 2 out of 3":        "text\n",
		"Request: {0a0b0c0d-0000-4000-8000-000000000001} , message 2 out of 3\r\n":  " text\n",
		"request: <0a0b0c0d-0000-4000-8000-000000000001> , message 2 out of 3.":     "",
		"Request '0A0B0C0D-0000-4000-8000-000000000001', message 4 out of 3:\n":     "",
		"Request '0A0B0C0D-0000-4000-8000-000000000001', message 0 out of 3:\n":     "",
		"Request '0A0B0C0D-0000-4000-8000-000000000001', message 1 out of 251:\n":   "",
		"Request '0A0B0C0D-0000-4000-8000-00000000000', message 1 out of 3:\n":      "",
		"The Request '0A0B0C0D-0000-4000-8000-000000000001', message 2 out of 3:\n": "",
	} {
		part, err := mim.ReadPart(mim.Event{ID: 4137, Message: head + " text\n"}, mim.Delivery{})
		if want == "" {
			require.ErrorIs(t, err, mim.ErrNoPart, head)
			continue
		}
		require.NoError(t, err, head)
		require.Equal(t, mim.Part{Request: requestID, Number: 2, Of: 3, Text: want}, part, head)
	}
}

// cut splits a request into parts that a server logs from a number on.
func cut(text string, of int, computer string, from int64, at time.Time) []mim.Part {
	var out []mim.Part
	for i := range of {
		out = append(out, mim.Part{Request: requestID, Number: i + 1, Of: of,
			Text: text[i*len(text)/of : (i+1)*len(text)/of],
			Came: mim.Delivery{At: at, Computer: computer, RecordID: from + int64(i), EventID: 4137}})
	}
	return out
}

func TestPartsAreJoinedOnlyToWhatWasOneRequest(t *testing.T) {
	other := strings.Replace(message, "Completed", "Validated", 1)
	a, b := cut(message, 3, "A", 10, now), cut(message, 3, "B", 90, now)
	later := cut(other, 3, "A", 20, now.Add(time.Hour))
	sets := func(parts ...[]mim.Part) (out []mim.Part) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	for name, c := range map[string]struct {
		parts []mim.Part
		want  string
		sound bool
	}{
		"none":                   {nil, "", true},
		"all":                    {a, message, true},
		"in another order":       {sets(a[2:], a[:1], a[1:2]), message, true},
		"one is missing":         {a[:2], "", true},
		"two servers":            {sets(a[:2], b[2:]), message, true},
		"both of both":           {sets(a, b), message, true},
		"logged twice":           {sets(later, a), message, true},
		"of the first one lacks": {sets(a[:1], a[2:], later), other, true},
		"of two requests":        {sets(a[:1], later[1:]), "", true},
		"of another request": {cut(strings.Replace(message, "0001}", "0002}", 1), 3, "A", 1, now), "",
			false},
		"no JSON": {cut(message[:80], 2, "A", 1, now), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			text, used, sound := mim.Join(c.parts)
			require.Equal(t, c.want, text)
			require.Equal(t, c.sound, sound)
			require.Equal(t, c.want != "", len(used) == 3)
		})
	}
}

func TestAPartIsReadableWithItsKeyAlone(t *testing.T) {
	vault, err := mim.NewVault(bytes.Repeat([]byte{1}, mim.KeyBytes))
	require.NoError(t, err)
	other, err := mim.NewVault(bytes.Repeat([]byte{2}, mim.KeyBytes))
	require.NoError(t, err)
	_, err = mim.NewVault([]byte("short"))
	require.Error(t, err)
	part := cut(message, 3, "A", 10, now)[1]
	name := vault.Name(part)
	sealed, err := vault.Seal(part)
	require.NoError(t, err)
	require.NotContains(t, string(sealed), "Completed")
	got, err := vault.Open(name, sealed)
	require.NoError(t, err)
	require.Equal(t, part, got)
	again, err := vault.Seal(part)
	require.NoError(t, err)
	require.NotEqual(t, sealed, again)
	require.NotEqual(t, name, other.Name(part))
	require.True(t, strings.HasPrefix(name, mim.GroupOf(part)))
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		_, err := vault.Open(name, changed)
		require.ErrorIs(t, err, mim.ErrOtherKey)
	}
	for what, c := range map[string]struct {
		v      *mim.Vault
		name   string
		sealed []byte
	}{"key": {other, name, sealed}, "name": {vault, name + "0", sealed}, "cut": {vault, name, sealed[:5]}} {
		_, err := c.v.Open(c.name, c.sealed)
		require.ErrorIs(t, err, mim.ErrOtherKey, what)
	}
	event := part.AsEvent()
	back, err := mim.ReadPart(event, part.Came)
	require.NoError(t, err)
	require.Equal(t, part, back)
	require.Contains(t, string(shipped(t).Reject(event)), fmt.Sprintf("Request '%s', message 2 out of 3", requestID))
}

package entra_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// pageOf wraps a text as the only record of a page.
func pageOf(record string) []byte { return []byte(`{"@odata.nextLink":"n","value":[` + record + `]}`) }

// requireLikeJSON checks that the scanner accepts what encoding/json accepts.
func requireLikeJSON(t *testing.T, text string) {
	valid := json.Valid([]byte(text))
	_, err := logs.ParseRecord(logs.DirectoryAudits, []byte(text))
	require.Equal(t, !valid, errors.Is(err, entra.ErrNotJSON), "a record %q: %v", text, err)
	page := pageOf(text)
	_, err = logs.ScanPage(logs.DirectoryAudits, page)
	require.Equal(t, json.Valid(page), err == nil, "a page with %q: %v", text, err)
}

var texts = []string{
	``, ` `, `{}`, `[]`, ` { } `, `{"a":1}`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a" 1}`, `{a:1}`, `{"a":}`, `{,}`, `[1,]`,
	`[,]`, `[1 2]`, `{"a":[1,{"b":[]}]}`,
	`"x"`, `"`, `"\`, `"\"`, `"\\"`, `"\u12"`, `"\u12aF"`, `"\u12ag"`, `"\x"`, "\"\x01\"", "\"\t\"", `"é😀"`, "\"\xff\"",
	`"1234567"`, `"12345678"`, `"1234567\"9"`, `"123456789012345\n"`, "\"12345678\x1f\"",
	`0`, `-0`, `-`, `01`, `1.`, `.5`, `1.5`, `1e`, `1e5`, `1E+5`, `1e-`, `1.5e-07`, `--1`, `+1`, `1x`, `0x1`, `NaN`,
	`Infinity`,
	`true`, `tru`, `truex`, `false`, `null`, `nul`, `nullnull`, `{"a":null}{}`, `{"a":1}]`, `{"a":1`, `[[[[`,
	`{"a":{"a":{"a":{`, "{\"a\":\v1}", "\u00a0{}", `{"":""}`, `{"a":"b","a":"c"}`,
	strings.Repeat("[", 9000) + strings.Repeat("]", 9000), `{"a":` + strings.Repeat(`{"a":`, 500) + `1` +
		strings.Repeat("}", 501),
}

func TestTheScannerAcceptsWhatIsJSON(t *testing.T) {
	for _, text := range texts {
		requireLikeJSON(t, text)
	}
}

func FuzzTheScannerTakesWhatIsJSON(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(requireLikeJSON)
}

func TestATextNestedWithoutEndIsRefused(t *testing.T) {
	_, err := logs.ParseRecord(logs.DirectoryAudits, []byte(strings.Repeat("[", 1_000_000)))
	require.ErrorIs(t, err, entra.ErrNotJSON)
}

func TestEveryBrokenSampleIsNoticed(t *testing.T) {
	file, err := os.Open(filepath.Join("..", "..", "..", "shared", "samples", string(logs.SignInsInteractiveUser)+
		".jsonl"))
	require.NoError(t, err)
	defer file.Close()
	line, err := bufio.NewReader(file).ReadString('\n')
	require.NoError(t, err)
	line = strings.TrimSpace(line)
	for cut := range len(line) {
		requireLikeJSON(t, line[:cut])
		requireLikeJSON(t, line[:cut]+"\x00"+line[cut+1:])
	}
}

func TestAPageGivesItsRecordsAndItsLink(t *testing.T) {
	parts, err := logs.ScanPage(logs.DirectoryAudits, []byte(` { "@odata.context" : "c", "value" : [ {"id":"a","activityDateTime":"2026-11-21T14:00:00Z"} , 7, {"id":"b"} ] ,
		"@odata.nextLink" : "https:\/\/graph.microsoft.com/v1.0/x?$skiptoken=1" } `))
	require.NoError(t, err)
	require.Equal(t, "https://graph.microsoft.com/v1.0/x?$skiptoken=1", parts.NextLink)
	require.Len(t, parts.Records, 3)
	require.NoError(t, parts.Records[0].Err)
	require.Equal(t, `{"id":"a","activityDateTime":"2026-11-21T14:00:00Z"}`, string(parts.Records[0].Raw))
	require.Equal(t, entra.HashOf(parts.Records[0].Raw), parts.Records[0].Hash)
	require.ErrorIs(t, parts.Records[1].Err, entra.ErrNoObject)
	require.Equal(t, "7", string(parts.Records[1].Raw))
	require.ErrorIs(t, parts.Records[2].Err, entra.ErrNoTime)

	_, err = logs.ScanPage(logs.DirectoryAudits, []byte(`{"value":{}}`))
	require.ErrorIs(t, err, entra.ErrNoList)
	parts, err = logs.ScanPage(logs.DirectoryAudits, []byte(`{"error":{"code":"x"}}`))
	require.NoError(t, err)
	require.True(t, parts.Error)
}

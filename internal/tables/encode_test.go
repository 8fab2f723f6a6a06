package tables

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// noise is a text of n bytes that does not compress well.
func noise(n int) string {
	source := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = " !#$%()*+,-./0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~"[source.IntN(87)]
	}
	return string(b)
}

func signIn(t *testing.T, id, when, extra string) entra.Record {
	raw := `{"id":` + strconv.Quote(id) + `,"createdDateTime":"` + when +
		`","userPrincipalName":"ünder@example.com","status":{"errorCode":50074},"extra":"` + extra + `"}`
	rec, err := logs.ParseRecord(logs.SignInsInteractiveUser, []byte(raw))
	require.NoError(t, err)
	return rec
}

// offline is a codec that a test asks for nothing that is on the other side.
func offline(t *testing.T) *codec {
	account, err := New(Config{ConnectionString: "UseDevelopmentStorage=true"})
	require.NoError(t, err)
	return account.Archive.codec
}

func TestARecordSurvivesItsRowsByteForByte(t *testing.T) {
	codec := offline(t)
	seen := at("2026-11-21T15:00:00.1234567Z")
	cases := []struct {
		name  string
		size  int
		parts int
	}{
		{"empty", 0, 1}, {"small", 300, 1}, {"one property", 60 << 10, 1}, {"two properties", 100 << 10, 1},
		{"a full row", 690 << 10, 1}, {"two rows", 1300 << 10, 2}, {"four rows", 2700 << 10, 4},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rec := signIn(t, strings.Repeat("i", 10), "2026-11-21T14:05:10Z", noise(c.size))
			enc, err := codec.encodeRecord(nil, rec.Window(logs.SignInsInteractiveUser), rec, dates{first: seen})
			require.NoError(t, err)
			require.Equal(t, c.parts, len(enc.lines))
			batchOf := enc.batch(rows.Insert)
			require.Less(t, batchOf.Size, rows.MaxTransaction, "a record is written in one transaction")
			var read []fetchedRow
			for _, l := range enc.lines {
				require.LessOrEqual(t, l.Stored, int64(rows.MaxEntity))
				var entity aztables.EDMEntity
				require.NoError(t, json.Unmarshal(l.Body, &entity), "the SDK understands the row")
				for name, value := range entity.Properties {
					if b, ok := value.(aztables.EDMBinary); ok {
						require.LessOrEqual(t, len(b), rows.MaxProperty, name)
					}
				}
				row, err := parseWholeRow(l.Body)
				require.NoError(t, err)
				require.Equal(t, l.Stored, row.storedSize(), "a row's size is counted alike when written and when read")
				read = append(read, row)
			}
			got, err := codec.decodeRecord(t.Context(), rec.Window(logs.SignInsInteractiveUser), read)
			require.NoError(t, err)
			require.Equal(t, rec.Raw, got.Raw)
			require.Equal(t, seen, read[0].FirstSeen)
			size, err := codec.decodedSize(t.Context(), "", data(read), read[0].Codec)
			require.NoError(t, err)
			require.EqualValues(t, len(rec.Raw), size)
		})
	}
}

func TestARecordThatDoesNotFitATransactionIsRefusedWhole(t *testing.T) {
	codec := offline(t)
	rec := signIn(t, "big", "2026-11-21T14:05:10Z", noise(6<<20))
	_, err := codec.encodeRecord(nil, rec.Window(logs.SignInsInteractiveUser), rec, dates{first: time.Now()})
	require.ErrorIs(t, err, collect.ErrTooLarge)
}

func TestARowThatWasAlteredIsNoticed(t *testing.T) {
	codec := offline(t)
	rec, other := signIn(t, "a", "2026-11-21T14:05:10Z", "1"), signIn(t, "a", "2026-11-21T14:05:10Z", "2")
	other.Hash = rec.Hash
	enc, err := codec.encodeRecord(nil, rec.Window(logs.SignInsInteractiveUser), other, dates{first: time.Now()})
	require.NoError(t, err)
	row, err := parseWholeRow(enc.lines[0].Body)
	require.NoError(t, err)
	_, err = codec.decodeRecord(t.Context(), rec.Window(logs.SignInsInteractiveUser), []fetchedRow{row})
	require.ErrorContains(t, err, "altered")
}

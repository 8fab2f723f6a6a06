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

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
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
	raw := `{"id":` + strconv.Quote(id) + `,"createdDateTime":"` + when + `","userPrincipalName":"ünder@example.com","status":{"errorCode":50074},"extra":"` + extra + `"}`
	rec, err := logs.ParseRecord(logs.SignInsInteractiveUser, []byte(raw))
	require.NoError(t, err)
	return rec
}

// offline is a store that a test asks for nothing that is on the other side.
func offline(t *testing.T) *Store {
	store, err := New(Config{ConnectionString: "UseDevelopmentStorage=true"})
	require.NoError(t, err)
	return store
}

func TestARecordSurvivesItsRowsByteForByte(t *testing.T) {
	store := offline(t)
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
			enc, err := store.codec.encodeRecord(nil, rec.Window(logs.SignInsInteractiveUser), rec, dates{first: seen})
			require.NoError(t, err)
			require.Equal(t, c.parts, len(enc.lines))
			require.Less(t, enc.size, maxTransaction, "a record is written in one transaction")
			var rows []fetchedRow
			for _, l := range enc.lines {
				require.LessOrEqual(t, l.stored, int64(maxEntity))
				var entity aztables.EDMEntity
				require.NoError(t, json.Unmarshal(l.body, &entity), "the SDK understands the row")
				for name, value := range entity.Properties {
					if b, ok := value.(aztables.EDMBinary); ok {
						require.LessOrEqual(t, len(b), maxProperty, name)
					}
				}
				row, err := parseWholeRow(l.body)
				require.NoError(t, err)
				require.Equal(t, l.stored, row.storedSize(), "a row's size is counted alike when written and when read")
				rows = append(rows, row)
			}
			got, err := store.decodeRecord(t.Context(), rec.Window(logs.SignInsInteractiveUser), rows)
			require.NoError(t, err)
			require.Equal(t, rec.Raw, got.Raw)
			require.Equal(t, seen, rows[0].FirstSeen)
			size, err := store.decodedSize(t.Context(), "", data(rows), rows[0].Codec)
			require.NoError(t, err)
			require.EqualValues(t, len(rec.Raw), size)
		})
	}
}

func TestARecordThatDoesNotFitATransactionIsRefusedWhole(t *testing.T) {
	store := offline(t)
	rec := signIn(t, "big", "2026-11-21T14:05:10Z", noise(6<<20))
	_, err := store.codec.encodeRecord(nil, rec.Window(logs.SignInsInteractiveUser), rec, dates{first: time.Now()})
	require.ErrorIs(t, err, archive.ErrTooLarge)
}

func TestARowThatWasAlteredIsNoticed(t *testing.T) {
	store := offline(t)
	rec, other := signIn(t, "a", "2026-11-21T14:05:10Z", "1"), signIn(t, "a", "2026-11-21T14:05:10Z", "2")
	other.Hash = rec.Hash
	enc, err := store.codec.encodeRecord(nil, rec.Window(logs.SignInsInteractiveUser), other, dates{first: time.Now()})
	require.NoError(t, err)
	row, err := parseWholeRow(enc.lines[0].body)
	require.NoError(t, err)
	_, err = store.decodeRecord(t.Context(), rec.Window(logs.SignInsInteractiveUser), []fetchedRow{row})
	require.ErrorContains(t, err, "altered")
}

func TestTransactionsKeepTheServicesLimits(t *testing.T) {
	var batches []batch
	for i := range 1000 {
		b := batch{size: 100 << (i % 12)}
		for range 1 + i%3 {
			b.actions = append(b.actions, aztables.TransactionAction{})
		}
		batches = append(batches, b)
	}
	total := 0
	for _, actions := range pack(batches) {
		require.LessOrEqual(t, len(actions), maxOperations)
		total += len(actions)
	}
	require.Equal(t, 1999, total)
	large := []batch{{actions: make([]aztables.TransactionAction, 1), size: 3 << 20}, {actions: make([]aztables.TransactionAction, 1), size: 3 << 20}}
	require.Len(t, pack(large), 2)
}

package directory_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/verify"
)

// vault is a house into whose tables somebody else writes, too.
type vault struct {
	*house
	service *memstorage.Service
	client  *aztables.ServiceClient
	table   string // of the current snapshot
}

// inVault runs a test with a whole snapshot of a small tenant.
func inVault(t *testing.T, test func(v *vault)) {
	t.Helper()
	inBubble(t, func(t *testing.T) { test(newVault(t)) })
}

func newVault(t *testing.T) *vault {
	service := memstorage.New(nil)
	h := openOn(t, small(), tables.Config{ConnectionString: service.ConnectionString(), HTTP: service.Client()})
	client, err := aztables.NewServiceClientFromConnectionString(service.ConnectionString(),
		&aztables.ClientOptions{ClientOptions: policy.ClientOptions{Transport: service.Client()}})
	require.NoError(t, err)
	v := &vault{house: h, service: service, client: client}
	v.table = "snapshot" + h.take().ID
	require.Empty(t, v.flaws())
	return v
}

func (v *vault) flaws() (out []verify.Flaw) {
	for flaw, err := range v.store.SnapshotFlaws(v.Context()) {
		require.NoError(v, err)
		require.NotEmpty(v, flaw.Detail)
		out = append(out, flaw)
	}
	return out
}

// first is the first row of a partition.
func (v *vault) first(partition string) (key string) {
	for _, row := range v.service.Rows(v.table) {
		if row.Partition == partition {
			return row.Key
		}
	}
	require.Fail(v, "no row", partition)
	return ""
}

// change rewrites a row as somebody's tool might.
func (v *vault) change(table, partition, key string, how func(map[string]any)) (before map[string]any) {
	got, err := v.client.NewClient(table).GetEntity(v.Context(), partition, key, nil)
	require.NoError(v, err)
	row := make(map[string]any)
	require.NoError(v, json.Unmarshal(got.Value, &row))
	maps.DeleteFunc(row, func(name string, _ any) bool {
		return name == "Timestamp" || strings.HasPrefix(name, "odata.")
	})
	before = maps.Clone(row)
	how(row)
	v.put(table, row)
	return before
}

func (v *vault) put(table string, row map[string]any) {
	body, err := json.Marshal(row)
	require.NoError(v, err)
	_, err = v.client.NewClient(table).UpsertEntity(v.Context(), body,
		&aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	require.NoError(v, err)
}

func (v *vault) remove(table, partition, key string) {
	etag := azcore.ETagAny
	_, err := v.client.NewClient(table).DeleteEntity(v.Context(), partition, key,
		&aztables.DeleteEntityOptions{IfMatch: &etag})
	require.NoError(v, err)
}

// answers asks everything of which a row of a partition is part, and gives the error.
func (v *vault) answers(partition string) error {
	ctx := v.Context()
	user := v.userID()
	ask := map[string]func() error{
		"users":         func() error { return v.everyUser(directory.UserQuery{Days: 30}) },
		"users-unknown": func() error { return v.everyUser(directory.UserQuery{Days: 30}) },
		"credentials":   func() error { return v.everyCredential(directory.CredentialQuery{Within: 24 * time.Hour}) },
		"summaries": func() error {
			if _, _, _, err := v.reader.UserSummary(ctx, directory.UserQuery{Days: 30}); err != nil {
				return err
			}
			_, _, _, err := v.reader.CredentialSummary(ctx, directory.CredentialQuery{Within: time.Hour})
			return err
		},
		"read-users": func() error { _, _, err := v.reader.User(ctx, user, 30); return err },
		"read-names": func() error {
			_, err := v.reader.Users(ctx, directory.UserQuery{Days: 30, Exclude: []string{v.first("read-names")}}, 5,
				false, "")
			return err
		},
		"read-holders": func() error {
			id, _, _ := strings.Cut(v.first("read-holders"), "_")
			_, err := v.reader.Application(ctx, id, time.Hour, time.Hour)
			return err
		},
		"read-use": func() error {
			id, _, _ := strings.Cut(v.first("read-use"), "_")
			_, err := v.reader.Application(ctx, id, time.Hour, time.Hour)
			return err
		},
		"read-appuse": func() error {
			_, err := v.reader.Application(ctx, v.first("read-appuse"), time.Hour, time.Hour)
			return err
		},
	}
	return ask[partition]()
}

func (v *vault) userID() string { return v.first("read-users") }

// everyUser goes through all pages, small ones, and then through all at once.
func (v *vault) everyUser(q directory.UserQuery) error {
	for next := ""; ; {
		page, err := v.reader.Users(v.Context(), q, 100, false, next)
		if err != nil {
			return err
		}
		if next = page.Next; next == "" {
			break
		}
	}
	return v.reader.EachUser(v.Context(), q, func(directory.UserRow) error { return nil })
}

func (v *vault) everyCredential(q directory.CredentialQuery) error {
	for next := ""; ; {
		page, err := v.reader.Credentials(v.Context(), q, 100, false, next)
		if err != nil {
			return err
		}
		if next = page.Next; next == "" {
			break
		}
	}
	return v.reader.EachCredential(v.Context(), q, func(directory.CredentialRow) error { return nil })
}

var answered = []string{"users", "credentials", "summaries", "read-users", "read-names", "read-holders", "read-use"}

// TestARowOfASnapshotThatWasChangedIsAnErrorAndIsNamed: nobody gets a wrong answer from it.
func TestARowOfASnapshotThatWasChangedIsAnErrorAndIsNamed(t *testing.T) {
	changes := map[string]func(row map[string]any){
		"another document": func(row map[string]any) {
			row["Codec"], row["Record"], row["Record@odata.type"] = "none", "e30=", "Edm.Binary"
		},
		"no document": func(row map[string]any) {
			delete(row, "Codec")
			delete(row, "Record")
			delete(row, "Record@odata.type")
		},
		"another codec":    func(row map[string]any) { row["Codec"] = "lz4" },
		"garbage":          func(row map[string]any) { row["Record"] = 7; delete(row, "Record@odata.type") },
		"without a check":  func(row map[string]any) { delete(row, "Check"); delete(row, "Check@odata.type") },
		"a check of kinds": func(row map[string]any) { row["Check"] = "AAAA" },
	}
	for _, partition := range answered {
		subtest(t, partition, func(t *testing.T) {
			v := newVault(t)
			key := v.first(partition)
			for name, how := range changes {
				before := v.change(v.table, partition, key, how)
				// of another process: it remembers nothing
				v.reader = directory.NewReader(v.store, v.cursors, v.tenant.Now)
				err := v.answers(partition)
				require.Equal(t, entra.CodeTampered, entra.CodeOf(err), "%s: %v", name, err)
				require.ErrorIs(t, err, directory.ErrAltered)
				require.Contains(t, err.Error(), key)
				rows := []string{}
				for _, flaw := range v.flaws() {
					require.Equal(t, verify.DiffDerived, flaw.Difference)
					require.Equal(t, v.table, flaw.Table)
					rows = append(rows, flaw.Row)
				}
				require.NotEmpty(t, rows, name)
				require.Equal(t, partition+" "+key, rows[0])
				for _, row := range rows[1:] {
					require.Equal(t, partition, row)
				}
				v.put(v.table, before)
				require.Empty(t, v.flaws())
				require.NoError(t, v.answers(partition))
			}
		})
	}
}

func TestARowOfASnapshotUnderAnotherDateIsAnError(t *testing.T) {
	for _, partition := range []string{"users", "credentials"} {
		subtest(t, partition, func(t *testing.T) {
			v := newVault(t)
			key := v.first(partition)
			row := v.change(v.table, partition, key, func(map[string]any) {})
			v.remove(v.table, partition, key)
			row["RowKey"] = "2026-11-19" + key[10:]
			v.put(v.table, row)
			require.Equal(t, entra.CodeTampered, entra.CodeOf(v.answers(partition)))
			if partition == "users" {
				_, err := v.reader.Users(t.Context(), directory.UserQuery{Before: now.Add(-day),
					State: directory.Inactive}, 1, true, "")
				require.Equal(t, entra.CodeTampered, entra.CodeOf(err), "counting reads keys alone, and checks them")
			}
			flaws := v.flaws()
			require.NotEmpty(t, flaws)
			require.Equal(t, partition+" "+row["RowKey"].(string), flaws[0].Row)
		})
	}
}

// TestARowThatIsGoneOrIsNotFoundByItsColumnsIsMissed where an answer reads all of a kind.
func TestARowThatIsGoneOrIsNotFoundByItsColumnsIsMissed(t *testing.T) {
	queries := map[string]directory.UserQuery{
		"all":      {Days: 30},
		"inactive": {Days: 30, State: directory.Inactive},
		"members":  {Days: 30, State: directory.Inactive, Guest: new(false)},
	}
	for name, q := range queries {
		for how, change := range map[string]func(v *vault, key string){
			"gone": func(v *vault, key string) { v.remove(v.table, "users", key) },
			"an added row": func(v *vault, key string) {
				row := v.change(v.table, "users", key, func(map[string]any) {})
				row["RowKey"] = key + "x"
				v.put(v.table, row)
			},
			"a column": func(v *vault, key string) {
				v.change(v.table, "users", key, func(row map[string]any) { row["Guest"] = !row["Guest"].(bool) })
			},
		} {
			subtest(t, name+" "+how, func(t *testing.T) {
				v := newVault(t)
				require.NoError(t, v.everyUser(q))
				v.oldestMember(func(key string) { change(v, key) })
				require.NotEmpty(t, v.flaws())
				if how == "a column" && q.Guest == nil {
					require.NoError(t, v.everyUser(q), "the columns are not asked for")
					return
				}
				err := v.everyUser(q)
				require.Equal(t, entra.CodeTampered, entra.CodeOf(err), "%v", err)
			})
		}
	}
	subtest(t, "a guest among the members", func(t *testing.T) {
		v := newVault(t)
		for _, row := range v.service.Rows(v.table) {
			if row.Partition == "users" && row.Raw("Guest") == "true" {
				v.change(v.table, "users", row.Key, func(row map[string]any) { row["Guest"] = false })
				break
			}
		}
		require.Equal(t, entra.CodeTampered, entra.CodeOf(v.everyUser(queries["members"])))
		uncounted := directory.UserQuery{Before: now.Add(-day), State: directory.Inactive, Guest: new(false)}
		err := v.everyUser(uncounted)
		require.Equal(t, entra.CodeTampered, entra.CodeOf(err), "its document says what it is: %v", err)
	})
	subtest(t, "credentials", func(t *testing.T) {
		v := newVault(t)
		all := directory.CredentialQuery{Within: 400 * 24 * time.Hour, UnusedFor: time.Hour,
			States: []directory.State{directory.Expired, directory.Expiring, directory.Unused}}
		for _, kind := range []directory.Kind{"", directory.Secret, directory.Certificate} {
			all.Kind = kind
			require.NoError(t, v.everyCredential(all))
		}
		all.Kind = ""
		v.remove(v.table, "credentials", v.first("credentials"))
		require.Equal(t, entra.CodeTampered, entra.CodeOf(v.everyCredential(all)))
	})
}

// oldestMember gives the key of the member who has been inactive for longest.
func (v *vault) oldestMember(take func(key string)) {
	for _, row := range v.service.Rows(v.table) {
		if row.Partition == "users" && row.Raw("Guest") == "false" {
			take(row.Key)
			return
		}
	}
	require.Fail(v, "there is none")
}

// TestWhatOnlyVerifySeesOfASnapshot: each partition's rows are counted and added up.
func TestWhatOnlyVerifySeesOfASnapshot(t *testing.T) {
	inVault(t, func(v *vault) {
		partitions := make(map[string]string)
		for _, row := range v.service.Rows(v.table) {
			partitions[row.Partition] = row.Key
		}
		require.Greater(v, len(partitions), 7)
		for partition, key := range partitions {
			row := v.change(v.table, partition, key, func(map[string]any) {})
			v.remove(v.table, partition, key)
			flaws := v.flaws()
			require.Len(v, flaws, 1, partition)
			require.Equal(v, []string{v.table, partition}, []string{flaws[0].Table, flaws[0].Row})
			v.put(v.table, row)
			require.Empty(v, v.flaws())
		}
		v.put(v.table, map[string]any{"PartitionKey": "mine", "RowKey": "x"})
		require.Len(v, v.flaws(), 2, "the row, and the partition")
	})
}

func TestASnapshotsOwnRowIsChecked(t *testing.T) {
	inVault(t, func(v *vault) {
		rows := v.service.Rows("snapshots")
		require.Len(v, rows, 1)
		key := rows[0].Key
		before := v.change("snapshots", "directory", key, func(row map[string]any) { row["Check"] = "AAAAAAAAAAA=" })
		_, err := v.reader.Current(v.Context())
		require.Equal(v, entra.CodeTampered, entra.CodeOf(err))
		flaws := v.flaws()
		require.Len(v, flaws, 1)
		require.Equal(v, []string{"snapshots", key}, []string{flaws[0].Table, flaws[0].Row})
		v.put("snapshots", before)
		require.Empty(v, v.flaws())
		v.remove("snapshots", "directory", key)
		flaws = v.flaws()
		require.Len(v, flaws, 1)
		require.Contains(v, flaws[0].Detail, "is not there")
		v.put("snapshots", before)
		_, err = v.client.DeleteTable(v.Context(), v.table, nil)
		require.NoError(v, err)
		flaws = v.flaws()
		require.Len(v, flaws, 1)
		require.Equal(v, v.table, flaws[0].Table)
		require.NoError(v, v.store.DropRows(v.Context(), strings.TrimPrefix(v.table, "snapshot")))
		v.put("snapshots", map[string]any{"PartitionKey": "mine", "RowKey": key})
		require.Len(v, v.flaws(), 2)
	})
}

// TestAChangedRowOfTheSnapshotBeforeKeepsNoNewOneFromBeingTaken, and tells it nothing.
func TestAChangedRowOfTheSnapshotBeforeKeepsNoNewOneFromBeingTaken(t *testing.T) {
	inVault(t, func(v *vault) {
		for _, partition := range []string{"read-users", "read-holders", "read-use"} {
			v.change(v.table, partition, v.first(partition), func(row map[string]any) { row["Codec"] = "none" })
		}
		v.tenant.Freeze(now.Add(24 * time.Hour))
		v.table = "snapshot" + v.take().ID
		for _, flaw := range v.flaws() {
			require.NotEqual(v, v.table, flaw.Table)
		}
		require.NoError(v, v.answers("users"))
	})
}

// TestAChangedRowOfASnapshotThatIsBeingReadEndsIt: the next run begins another.
func TestAChangedRowOfASnapshotThatIsBeingReadEndsIt(t *testing.T) {
	inVault(t, func(v *vault) {
		v.tenant.Freeze(now.Add(24 * time.Hour))
		v.wrap = func(s directory.Store) directory.Store { return &spoiled{Store: s, v: v} }
		_, err := v.run(v.Context(), true)
		require.ErrorIs(v, err, directory.ErrAltered)
		v.wrap = nil
		v.tenant.Freeze(now.Add(25 * time.Hour))
		v.table = "snapshot" + v.take().ID
		require.Empty(v, v.flaws())
		require.False(v, slices.Contains(v.service.TableNames(),
			"snapshot"+now.Add(24*time.Hour).Format("20060102T150405Z")))
	})
}

// spoiled changes a user before the rules are applied.
type spoiled struct {
	directory.Store
	v    *vault
	done bool
}

func (s *spoiled) SaveSnapshot(ctx context.Context, snap directory.Snapshot) (directory.Snapshot, error) {
	if snap.Phase == directory.PhaseDecide && !s.done {
		s.done = true
		s.v.table = "snapshot" + snap.ID
		s.v.change(s.v.table, "read-users", s.v.first("read-users"), func(row map[string]any) { row["Codec"] = "none" })
	}
	return s.Store.SaveSnapshot(ctx, snap)
}

// TestVerifyingSnapshotsBesideARunNamesNothing: one is taken, others are dropped.
func TestVerifyingSnapshotsBesideARunNamesNothing(t *testing.T) {
	inVault(t, func(v *vault) {
		day := 0
		v.wrap = func(s directory.Store) directory.Store { return &watched{Store: s, v: v} }
		for range 4 {
			day++
			v.tenant.Freeze(now.AddDate(0, 0, day))
			v.take()
		}
		require.Empty(v, v.flaws())
	})
}

// watched looks for flaws before it writes or drops anything.
type watched struct {
	directory.Store
	v *vault
	n int
}

func (w *watched) look() {
	if w.n++; w.n%5 == 0 {
		require.Empty(w.v, w.v.flaws())
	}
}

func (w *watched) Put(ctx context.Context, id, partition string, rows []directory.Row) error {
	w.look()
	return w.Store.Put(ctx, id, partition, rows)
}

func (w *watched) DropRows(ctx context.Context, id string) error {
	err := w.Store.DropRows(ctx, id)
	require.Empty(w.v, w.v.flaws(), "the rows are gone before the row says so")
	return err
}

package memstorage_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

// account is a storage account that the cases run against: the one in memory, or Azurite's.
type account struct {
	service *aztables.ServiceClient
	text    string       // connection string
	client  *http.Client // reaches it
	azurite bool
}

// is gives what is expected here: of the service, and of Azurite where it is known to differ from
// it.
func (a account) is(service, azurite string) string {
	if a.azurite {
		return azurite
	}
	return service
}

const rows = "rows"

// forBoth runs a case against both accounts, with -short against the one in memory alone. Each has
// an empty table of rows.
func forBoth(t *testing.T, run func(t *testing.T, a account)) {
	memory := memstorage.New(nil)
	accounts := []account{{text: memory.ConnectionString(), client: memory.Client()}}
	if !testing.Short() {
		accounts = append(accounts, account{text: azuritetest.Account(t), client: http.DefaultClient, azurite: true})
	}
	for _, a := range accounts {
		t.Run(a.is("memory", "azurite"), func(t *testing.T) {
			var err error
			a.service, err = aztables.NewServiceClientFromConnectionString(a.text, &aztables.ClientOptions{
				ClientOptions: policy.ClientOptions{Transport: a.client, Retry: policy.RetryOptions{MaxRetries: -1}}})
			require.NoError(t, err)
			_, err = a.service.CreateTable(t.Context(), rows, nil)
			require.NoError(t, err)
			run(t, a)
		})
	}
}

// outcome is how a request ended, in one text: ok, or status and code, and for a transaction also
// the operation's index.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	refused, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return "no answer"
	}
	if refused.StatusCode != http.StatusAccepted {
		return fmt.Sprintf("%d %s", refused.StatusCode, refused.ErrorCode)
	}
	body, _ := runtime.Payload(refused.RawResponse) // it was read before
	text := string(body)
	status := strings.Fields(text[strings.Index(text, "HTTP/1.1"):])[1]
	failure := gjson.Get(text[strings.Index(text, "{"):], `odata\.error`)
	index, _, _ := strings.Cut(failure.Get("message.value").Str, ":")
	return fmt.Sprintf("202 [%s %s at %s]", status, failure.Get("code").Str, index)
}

func entity(partition, row string, more ...string) []byte {
	properties := strings.Join(append([]string{""}, more...), ",")
	return []byte(fmt.Sprintf(`{"PartitionKey":%q,"RowKey":%q%s}`, partition, row, properties))
}

func (a account) table() *aztables.Client { return a.service.NewClient(rows) }

func (a account) add(t *testing.T, partition, row string, more ...string) azcore.ETag {
	t.Helper()
	got, err := a.table().AddEntity(t.Context(), entity(partition, row, more...), nil)
	require.NoError(t, err)
	return got.ETag
}

func (a account) get(t *testing.T, partition, row string) gjson.Result {
	got, err := a.table().GetEntity(t.Context(), partition, row, nil)
	require.NoError(t, err)
	return gjson.ParseBytes(got.Value)
}

// keys lists the row keys that a query finds, page by page.
func (a account) keys(t *testing.T, filter string, top int32) (pages []string, err error) {
	pager := a.table().NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Top: &top})
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			return pages, err
		}
		var keys []string
		for _, e := range page.Entities {
			keys = append(keys, gjson.GetBytes(e, "RowKey").Str)
		}
		pages = append(pages, strings.Join(keys, " "))
	}
	return pages, nil
}

func TestOneWriteIsRefusedByTheStateThatItMeets(t *testing.T) {
	forBoth(t, func(t *testing.T, a account) {
		ctx := t.Context()
		first := a.add(t, "p", "1", `"A":1`)
		_, err := a.table().AddEntity(ctx, entity("p", "1"), nil)
		require.Equal(t, "409 EntityAlreadyExists", outcome(err))
		_, err = a.table().GetEntity(ctx, "p", "none", nil)
		require.Equal(t, "404 ResourceNotFound", outcome(err))
		_, err = a.service.NewClient("absent").GetEntity(ctx, "p", "1", nil)
		require.Equal(t, "404 TableNotFound", outcome(err))
		_, err = a.service.NewClient("absent").AddEntity(ctx, entity("p", "1"), nil)
		require.Equal(t, "404 TableNotFound", outcome(err))

		replace := &aztables.UpdateEntityOptions{IfMatch: &first, UpdateMode: aztables.UpdateModeReplace}
		merge := &aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeMerge}
		second, err := a.table().UpdateEntity(ctx, entity("p", "1", `"B":2`), replace)
		require.NoError(t, err)
		require.NotEqual(t, first, second.ETag)
		require.False(t, a.get(t, "p", "1").Get("A").Exists(), "it was replaced")
		_, err = a.table().UpdateEntity(ctx, entity("p", "1", `"B":3`), replace)
		require.Equal(t, "412 UpdateConditionNotSatisfied", outcome(err))
		_, err = a.table().UpdateEntity(ctx, entity("p", "none"), replace)
		require.Equal(t, "404 ResourceNotFound", outcome(err))
		_, err = a.table().UpdateEntity(ctx, entity("p", "1", `"C":4`), merge)
		require.NoError(t, err, "whatever the ETag")
		require.EqualValues(t, 2, a.get(t, "p", "1").Get("B").Int(), "it was merged")

		upsert := &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeMerge}
		_, err = a.table().UpsertEntity(ctx, entity("p", "2", `"A":1`), upsert)
		require.NoError(t, err)
		_, err = a.table().DeleteEntity(ctx, "p", "2", &aztables.DeleteEntityOptions{IfMatch: &first})
		require.Equal(t, "412 UpdateConditionNotSatisfied", outcome(err))
		_, err = a.table().DeleteEntity(ctx, "p", "2", nil)
		require.NoError(t, err)
		_, err = a.table().DeleteEntity(ctx, "p", "2", nil)
		require.Equal(t, "404 ResourceNotFound", outcome(err))
	})
}

func TestATransactionIsWrittenWholeOrNamesTheOperationThatFailed(t *testing.T) {
	stale := azcore.ETag(`W/"datetime'2020-01-01T00%3A00%3A00.0000000Z'"`)
	cases := []struct {
		name             string
		actions          actions
		service, azurite string
		written          bool // of the new row, here and at Azurite
		writtenAzurite   bool
	}{
		{name: "inserts", actions: actions{add("p", "new"), add("p", "other")},
			service: "ok", azurite: "ok",
			written: true, writtenAzurite: true},
		{name: "a row that is there", actions: actions{add("p", "new"), add("p", "1")},
			service: "202 [409 EntityAlreadyExists at 1]", azurite: "202 [409 EntityAlreadyExists at 1]"},
		{name: "a row to delete that is not there", actions: then(aztables.TransactionTypeDelete, "none", nil),
			service: "202 [404 ResourceNotFound at 1]", azurite: "202 [404 ResourceNotFound at 1]"},
		{name: "a row to replace that is not there", actions: then(aztables.TransactionTypeUpdateReplace, "none",
			&stale),
			service: "202 [404 ResourceNotFound at 1]", azurite: "202 [404 ResourceNotFound at 1]"},
		{name: "a stale ETag of a replacement", actions: then(aztables.TransactionTypeUpdateReplace, "1", &stale),
			service: "202 [412 UpdateConditionNotSatisfied at 1]",
			azurite: "202 [412 UpdateConditionNotSatisfied at 1]"},
		{name: "a stale ETag of a merge", actions: then(aztables.TransactionTypeUpdateMerge, "1", &stale),
			service: "202 [412 UpdateConditionNotSatisfied at 1]",
			azurite: "202 [412 UpdateConditionNotSatisfied at 1]"},
		{name: "a stale ETag of a deletion", actions: then(aztables.TransactionTypeDelete, "1", &stale),
			service: "202 [412 UpdateConditionNotSatisfied at 1]",
			azurite: "202 [412 UpdateConditionNotSatisfied at 1]"},
		{name: "a row twice", actions: then(aztables.TransactionTypeDelete, "new", nil),
			service: "202 [400 InvalidDuplicateRow at 1]", azurite: "202 [400 InvalidDuplicateRow at 1]"},
		{name: "two partitions", actions: actions{add("p", "new"), add("q", "new")},
			service: "202 [400 CommandsInBatchActOnDifferentPartitions at 1]", azurite: "ok", writtenAzurite: true},
		{name: "101 operations", actions: append(many(100), add("p", "new")),
			service: "202 [400 InvalidInput at 99]", azurite: "no answer"},
		{name: "100 operations", actions: append(many(99), add("p", "new")), service: "ok", azurite: "ok",
			written: true, writtenAzurite: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			forBoth(t, func(t *testing.T, a account) {
				a.add(t, "p", "1", `"A":1`)
				_, err := a.table().SubmitTransaction(t.Context(), c.actions, nil)
				require.Equal(t, a.is(c.service, c.azurite), outcome(err))
				_, err = a.table().GetEntity(t.Context(), "p", "new", nil)
				written := c.written
				if a.azurite {
					written = c.writtenAzurite
				}
				require.Equal(t, written, err == nil)
			})
		})
	}
}

type actions []aztables.TransactionAction

// then is an insertion that would succeed, and another operation.
func then(kind aztables.TransactionType, row string, etag *azcore.ETag) actions {
	return actions{add("p", "new"), act(kind, "p", row, etag)}
}

func act(kind aztables.TransactionType, partition, row string, etag *azcore.ETag) aztables.TransactionAction {
	return aztables.TransactionAction{ActionType: kind, Entity: entity(partition, row, `"N":1`), IfMatch: etag}
}

func add(partition, row string) aztables.TransactionAction {
	return act(aztables.TransactionTypeAdd, partition, row, nil)
}

func many(n int) (out actions) {
	for i := range n {
		out = append(out, add("p", fmt.Sprintf("many-%03d", i)))
	}
	return out
}

// TestOfTwoTransactionsWithOneETagTheSecondIsRefused is what keeps two runs apart.
func TestOfTwoTransactionsWithOneETagTheSecondIsRefused(t *testing.T) {
	for _, kind := range []aztables.TransactionType{
		aztables.TransactionTypeUpdateReplace, aztables.TransactionTypeUpdateMerge, aztables.TransactionTypeDelete,
	} {
		t.Run(string(kind), func(t *testing.T) {
			forBoth(t, func(t *testing.T, a account) {
				tag := a.add(t, "p", "1", `"N":0`)
				first := act(aztables.TransactionTypeUpdateReplace, "p", "1", &tag)
				_, err := a.table().SubmitTransaction(t.Context(), actions{first, add("p", "first")}, nil)
				require.NoError(t, err)
				_, err = a.table().SubmitTransaction(t.Context(),
					actions{act(kind, "p", "1", &tag), add("p", "second")}, nil)
				require.Equal(t, "202 [412 UpdateConditionNotSatisfied at 0]", outcome(err))
				_, err = a.table().GetEntity(t.Context(), "p", "second", nil)
				require.Equal(t, "404 ResourceNotFound", outcome(err))
			})
		})
	}
}

func TestAnETagThatIsRightIsAcceptedInATransaction(t *testing.T) {
	forBoth(t, func(t *testing.T, a account) {
		tag := a.add(t, "p", "1", `"N":0`)
		_, err := a.table().SubmitTransaction(t.Context(), actions{
			act(aztables.TransactionTypeUpdateReplace, "p", "1", &tag)}, nil)
		require.NoError(t, err)
		got := a.get(t, "p", "1")
		require.EqualValues(t, 1, got.Get("N").Int())
		require.NotEqual(t, string(tag), got.Get(`odata\.etag`).Str)
	})
}

func TestAFilterFindsRowsByAnyPropertyInTheOrderOfKeys(t *testing.T) {
	cases := []struct{ filter, want string }{
		{"", "a b c d e"},
		{"PartitionKey eq 'p' and RowKey ge 'b' and RowKey lt 'd'", "b c"},
		{"PartitionKey gt 'p'", "e"},
		{"RowKey ne 'a'", "b c d e"},
		{"N eq 3", "c"},
		{"N ge 2 and N lt 4", "b c"},
		{"Long eq 9000000000L", "a"},
		{"Flag eq true", "b"},
		{"Half gt 1.4", "c"},
		{"When lt datetime'2026-11-21T00:00:00Z'", "a"},
		{"Id eq guid'0f0e0d0c-0b0a-0908-0706-050403020100'", "d"},
		{"Bytes eq X'0102'", "e"},
		{"Text eq 'it''s'", "a"},
		{"Text eq 'it''s' or N eq 2 or RowKey eq 'e'", "a b e"},
		{"PartitionKey eq 'p' and (N eq 2 or N eq 3)", "b c"},
		{"not (N eq 2) and PartitionKey eq 'p'", "a c d"},
		{"N eq 77", ""},
	}
	forBoth(t, func(t *testing.T, a account) {
		a.add(t, "q", "e", `"Bytes@odata.type":"Edm.Binary","Bytes":"AQI="`)
		a.add(t, "p", "d", `"N":4,"Id@odata.type":"Edm.Guid","Id":"0f0e0d0c-0b0a-0908-0706-050403020100"`)
		a.add(t, "p", "c", `"N":3,"Half":1.5`)
		a.add(t, "p", "b", `"N":2,"Flag":true,"When@odata.type":"Edm.DateTime","When":"2026-11-21T12:00:00Z"`)
		a.add(t, "p", "a", `"N":1,"Text":"it's","Long@odata.type":"Edm.Int64","Long":"9000000000"`,
			`"When@odata.type":"Edm.DateTime","When":"2026-11-20T12:00:00.1234567Z"`)
		for _, c := range cases {
			pages, err := a.keys(t, c.filter, 1000)
			require.NoError(t, err, c.filter)
			require.Equal(t, c.want, strings.Join(pages, "|"), c.filter)
		}
		_, err := a.keys(t, "N eq", 1000)
		require.Equal(t, "400 InvalidInput", outcome(err), "a filter that is cut")
		_, err = a.keys(t, "Nonsense", 1000)
		require.Equal(t, a.is("400 InvalidInput", "ok"), outcome(err), "a filter that compares nothing")
	})
}

func TestAQueryComesInPagesThatGoOnWhereTheyEnded(t *testing.T) {
	forBoth(t, func(t *testing.T, a account) {
		for i := range 7 {
			a.add(t, fmt.Sprintf("p%d", i/4), fmt.Sprint(i))
		}
		pages, err := a.keys(t, "RowKey ge '1'", 3)
		require.NoError(t, err)
		require.Equal(t, []string{"1 2 3", "4 5 6"}, pages)
	})
}

func TestWhatIsReadBackHasItsTypesAndOnlyTheColumnsAskedFor(t *testing.T) {
	const given = `"S":"tést","I":7,"B":false,"L@odata.type":"Edm.Int64","L":"-5","D@odata.type":"Edm.DateTime",` +
		`"D":"2026-11-21T14:30:00.1234567Z","X@odata.type":"Edm.Binary","X":"AAEC"`
	forBoth(t, func(t *testing.T, a account) {
		tag := a.add(t, "p", "r", given)
		for name, got := range map[string]gjson.Result{"point": a.get(t, "p", "r"), "query": a.query(t, "")} {
			require.Equal(t, string(tag), got.Get(`odata\.etag`).Str, name)
			require.NotEmpty(t, got.Get("Timestamp").Str, name)
			for _, want := range []string{"S", "I", "B", "L", `L@odata\.type`, "D", `D@odata\.type`, "X",
				`X@odata\.type`} {
				path := gjsonPath(want)
				require.Equal(t, gjson.Parse("{"+given+"}").Get(path).Raw, got.Get(path).Raw, "%s: %s", name, want)
			}
		}
		got := a.query(t, "RowKey,L,None")
		require.Equal(t, "r", got.Get("RowKey").Str)
		require.Equal(t, "-5", got.Get("L").Str)
		require.Equal(t, "Edm.Int64", got.Get(gjsonPath(`L@odata\.type`)).Str)
		require.False(t, got.Get("S").Exists() || got.Get("PartitionKey").Exists() || got.Get("Timestamp").Exists())
	})
}

// gjsonPath escapes the character that begins a modifier.
func gjsonPath(name string) string { return strings.ReplaceAll(name, "@", `\@`) }

// query is the first row of the table, as a query gives it.
func (a account) query(t *testing.T, columns string) gjson.Result {
	options := &aztables.ListEntitiesOptions{}
	if columns != "" {
		options.Select = &columns
	}
	page, err := a.table().NewListEntitiesPager(options).NextPage(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, page.Entities)
	return gjson.ParseBytes(page.Entities[0])
}

func TestTablesAreMadeListedAndDeleted(t *testing.T) {
	forBoth(t, func(t *testing.T, a account) {
		ctx := t.Context()
		for _, name := range []string{"log202611", "log202610", "logs"} {
			_, err := a.service.CreateTable(ctx, name, nil)
			require.NoError(t, err)
		}
		_, err := a.service.CreateTable(ctx, "LOG202611", nil)
		require.Equal(t, "409 TableAlreadyExists", outcome(err), "names have no case")
		_, err = a.service.CreateTable(ctx, "no-dash", nil)
		require.Equal(t, a.is("400 InvalidResourceName", "400 "), outcome(err))
		filter, top := "TableName ge 'log0' and TableName lt 'log:'", int32(1)
		var names []string
		for pager := a.service.NewListTablesPager(&aztables.ListTablesOptions{Filter: &filter,
			Top: &top}); pager.More(); {
			page, err := pager.NextPage(ctx)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Tables), 1)
			for _, one := range page.Tables {
				names = append(names, *one.Name)
			}
		}
		require.Equal(t, []string{"log202610", "log202611"}, names)
		_, err = a.service.DeleteTable(ctx, "logs", nil)
		require.NoError(t, err)
		_, err = a.service.CreateTable(ctx, "logs", nil)
		require.Equal(t, a.is("409 TableBeingDeleted", "ok"), outcome(err), "made again at once")
		_, err = a.service.DeleteTable(ctx, "never", nil)
		require.Equal(t, "404 ResourceNotFound", outcome(err))
	})
}

func TestLimitsOfOneRow(t *testing.T) {
	wide := make([]string, 253)
	for i := range wide {
		wide[i] = fmt.Sprintf(`"P%d":1`, i)
	}
	large := make([]string, 17)
	for i := range large {
		large[i] = fmt.Sprintf(`"P%d":%q`, i, strings.Repeat("x", 32_000))
	}
	cases := []struct {
		name             string
		entity           []byte
		service, azurite string
	}{
		{"a string of 32,768 characters", entity("p", "r", `"S":"`+strings.Repeat("x", 32<<10)+`"`), "ok", "ok"},
		{"a longer one", entity("p", "r", `"S":"`+strings.Repeat("x", 32<<10+1)+`"`),
			"400 PropertyValueTooLarge", "400 PropertyValueTooLarge"},
		{"a binary of more than 64 KiB",
			entity("p", "r", `"S@odata.type":"Edm.Binary"`, `"S":"`+strings.Repeat("AAAA", 21_846)+`"`),
			"400 PropertyValueTooLarge", "400 PropertyValueTooLarge"},
		{"more than 1 MiB", entity("p", "r", large...), "400 EntityTooLarge", "ok"},
		{"more than 252 properties", entity("p", "r", wide...), "400 TooManyProperties", "ok"},
		{"an odd name", entity("p", "r", `"a-b":1`), "400 PropertyNameInvalid", "ok"},
		{"a year before 1601", entity("p", "r", `"D@odata.type":"Edm.DateTime","D":"1600-01-01T00:00:00Z"`),
			"400 OutOfRangeInput", "ok"},
		{"a key of 513 characters", entity("p", strings.Repeat("r", 513)), "400 KeyValueTooLarge", "400 InvalidInput"},
		{"a slash in a key", entity("p", "a/b"), "400 OutOfRangeInput", "400 InvalidInput"},
		{"a control character in a key", entity("p", "a\tb"), "400 OutOfRangeInput", "400 InvalidInput"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			forBoth(t, func(t *testing.T, a account) {
				_, err := a.table().AddEntity(t.Context(), c.entity, nil)
				require.Equal(t, a.is(c.service, c.azurite), outcome(err))
			})
		})
	}
}

func TestATransactionOfMoreThanFourMegabytesIsRefusedWhole(t *testing.T) {
	var actions actions
	text := strings.Repeat("x", 32_000)
	for i := range 90 {
		actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd,
			Entity: entity("p", fmt.Sprint(i), fmt.Sprintf(`"A":%q,"B":%q`, text, text))})
	}
	forBoth(t, func(t *testing.T, a account) {
		_, err := a.table().SubmitTransaction(t.Context(), actions, nil)
		require.Equal(t, "413 RequestBodyTooLarge", outcome(err))
		pages, err := a.keys(t, "", 1000)
		require.NoError(t, err)
		require.Empty(t, strings.Join(pages, ""))
	})
}

// TestEveryAnswerIsDated reads the header that a lease is aged by.
func TestEveryAnswerIsDated(t *testing.T) {
	forBoth(t, func(t *testing.T, a account) {
		var raw *http.Response
		_, err := a.table().GetEntity(policy.WithCaptureResponse(t.Context(), &raw), "p", "none", nil)
		require.Equal(t, "404 ResourceNotFound", outcome(err))
		at, err := http.ParseTime(raw.Header.Get("Date"))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), at, time.Minute)
	})
}

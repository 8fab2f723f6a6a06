package memstorage_test

import (
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// TestTheArchivesStoreWorksAlikeOnBoth goes through the ways in which internal/tables asks: a
// transaction that makes its table, rows with and without ETag, queries with columns, deletions in
// transactions.
func TestTheArchivesStoreWorksAlikeOnBoth(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	forBoth(t, func(t *testing.T, a account) {
		ctx := t.Context()
		store, err := tablestest.New(tables.Config{ConnectionString: a.text, HTTP: a.client})
		require.NoError(t, err)
		n, err := store.InQuarantine(ctx, logs.Provisioning)
		require.NoError(t, err)
		require.Zero(t, n, "there is no table yet")
		for _, raw := range []string{"one", "two", "one"} {
			rejected := collect.Rejected{Raw: []byte(raw), Hash: entra.HashOf([]byte(raw)), Reason: "a test's"}
			require.NoError(t, store.Quarantine(ctx, logs.Provisioning, []collect.Rejected{rejected}, at))
		}
		n, err = store.InQuarantine(ctx, logs.Provisioning)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		var back []string
		for rec, err := range store.Quarantined(ctx, logs.Provisioning) {
			require.NoError(t, err)
			require.Equal(t, at, rec.LastSeen)
			back = append(back, string(rec.Raw))
		}
		require.ElementsMatch(t, []string{"one", "two"}, back)
		dropped, err := store.DropQuarantined(ctx, logs.Provisioning, at.Add(time.Second))
		require.NoError(t, err)
		require.EqualValues(t, 2, dropped)
		n, err = store.InQuarantine(ctx, logs.Provisioning)
		require.NoError(t, err)
		require.Zero(t, n)

		job := jobs.Job{Kind: "verify", ID: "a/b", State: []byte("state"), Created: at, Updated: at}
		first, err := store.SaveJob(ctx, job)
		require.NoError(t, err)
		second, err := store.SaveJob(ctx, first)
		require.NoError(t, err)
		require.NotEqual(t, first.Revision, second.Revision)
		_, err = store.SaveJob(ctx, first)
		require.ErrorIs(t, err, jobs.ErrMoved)
		read, err := store.Job(ctx, "verify", "a/b")
		require.NoError(t, err)
		require.Equal(t, second.Revision, read.Revision)
		require.Equal(t, "state", string(read.State))
		require.NoError(t, store.DropJobs(ctx, "verify", at))
		_, err = store.Job(ctx, "verify", "a/b")
		require.NoError(t, err, "it was not written before")
		require.NoError(t, store.DropJobs(ctx, "other", at.Add(time.Second)))
		require.NoError(t, store.DropJobs(ctx, "verify", at.Add(time.Second)))
		_, err = store.Job(ctx, "verify", "a/b")
		require.Equal(t, entra.CodeNotFound, entra.CodeOf(err))
		require.NoError(t, store.ProbeTables(ctx))

		_, err = a.service.CreateTable(ctx, tables.TableName(entra.Window{Stream: logs.Provisioning, Start: at}), nil)
		require.NoError(t, err)
		months, err := store.Months(ctx, logs.Provisioning)
		require.NoError(t, err)
		require.Equal(t, []time.Time{time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}, months)
	})
}

func TestABlobIsPutOnceReadAndListed(t *testing.T) {
	forBoth(t, func(t *testing.T, a account) {
		ctx := t.Context()
		client, err := azblob.NewClientFromConnectionString(a.text, &azblob.ClientOptions{
			ClientOptions: policy.ClientOptions{Transport: a.client, Retry: policy.RetryOptions{MaxRetries: -1}}})
		require.NoError(t, err)
		heads := client.ServiceClient().NewContainerClient("heads")
		_, err = heads.NewListBlobsFlatPager(nil).NextPage(ctx)
		require.True(t, bloberror.HasCode(err, bloberror.ContainerNotFound), "%v", err)
		_, err = heads.Create(ctx, nil)
		require.NoError(t, err)
		_, err = heads.Create(ctx, nil)
		require.True(t, bloberror.HasCode(err, bloberror.ContainerAlreadyExists), "%v", err)
		once := &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}
		put := func(name, text string) error {
			_, err := heads.NewBlockBlobClient(name).UploadBuffer(ctx, []byte(text), &blockblob.UploadBufferOptions{
				HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: to.Ptr("text/plain")},
				AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: once}})
			return err
		}
		for _, name := range []string{"s/2", "s/1", "t/1"} {
			require.NoError(t, put(name, "content of "+name))
		}
		require.True(t, bloberror.HasCode(put("s/1", "another"), bloberror.BlobAlreadyExists))
		page, err := heads.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: to.Ptr("s/")}).NextPage(ctx)
		require.NoError(t, err)
		var names []string
		for _, item := range page.Segment.BlobItems {
			names = append(names, *item.Name)
		}
		require.Equal(t, []string{"s/1", "s/2"}, names)
		into := make([]byte, 14)
		_, err = heads.NewBlobClient("s/1").DownloadBuffer(ctx, into, nil)
		require.NoError(t, err)
		require.Equal(t, "content of s/1", string(into))
	})
}

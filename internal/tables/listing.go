package tables

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
	"unsafe"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/tidwall/gjson"
)

// The SDK decodes every row of a query's answer into a map and encodes it anew, which costs more than all that is done with
// the rows. So the rows are taken out of the answer by a policy of its pipeline, and the SDK is handed the rest: address,
// authentication, retries and continuation stay the SDK's.

// listing is the rows of one page of a query, and the service's clock when it answered.
type listing struct {
	rows [][]byte
	date time.Time
}

type listingKey struct{}

// withListing makes the SDK's queries under the context leave their rows in the listing.
func withListing(ctx context.Context) (context.Context, *listing) {
	if l, ok := ctx.Value(listingKey{}).(*listing); ok {
		return ctx, l
	}
	l := &listing{}
	return context.WithValue(ctx, listingKey{}, l), l
}

// listingPolicy is the policy that takes the rows. It runs outside the retries, so once for each page.
type listingPolicy struct{}

func (listingPolicy) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	l, ok := req.Raw().Context().Value(listingKey{}).(*listing)
	if err != nil || !ok {
		return resp, err
	}
	l.date = dateOf(resp)
	if resp.StatusCode != http.StatusOK {
		return resp, nil
	}
	body, err := runtime.Payload(resp)
	if err != nil {
		return resp, err
	}
	l.rows = l.rows[:0]
	if !gjson.ValidBytes(body) {
		return resp, nil // the SDK says what is wrong with it
	}
	doc := gjson.Parse(unsafe.String(unsafe.SliceData(body), len(body)))
	doc.Get("value").ForEach(func(_, row gjson.Result) bool {
		l.rows = append(l.rows, []byte(row.Raw))
		return true
	})
	resp.Body = io.NopCloser(bytes.NewReader([]byte(`{"value":[]}`)))
	return resp, nil
}

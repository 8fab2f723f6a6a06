package rows

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// The SDK decodes every row of a query's answer into a map and encodes it again, which costs more
// than all other work on the rows. So a policy of its pipeline removes the rows from the answer,
// and the SDK gets the rest: address, authentication, retries and continuation stay the SDK's.

// listing is the rows of one page of a query, and the service's clock when it answered.
type listing struct {
	rows [][]byte // slices of the answer
	date time.Time
	size int // of the largest answer so far, in bytes
}

type listingKey struct{}

// withListing makes the SDK's queries under the context leave their rows in the listing.
func withListing(ctx context.Context) (context.Context, *listing) {
	l := &listing{}
	return context.WithValue(ctx, listingKey{}, l), l
}

// listingPolicy is the policy that removes the rows. It runs within the retries, so an answer that
// breaks off is requested again.
type listingPolicy struct{}

func (listingPolicy) Do(req *policy.Request) (*http.Response, error) {
	l, ok := req.Raw().Context().Value(listingKey{}).(*listing)
	if !ok {
		return req.Next()
	}
	runtime.SkipBodyDownload(req) // the SDK's grows a buffer from nothing for each answer
	resp, err := req.Next()
	if err != nil {
		return resp, err
	}
	l.date, l.rows = dateOf(resp), l.rows[:0]
	body, err := l.read(resp)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		if rows, ok := rowsOf(body, l.rows); ok {
			l.rows, body = rows, []byte(`{"value":[]}`)
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body)) // what is not understood, the SDK explains
	return resp, nil
}

// read reads an answer into memory of its own, which its rows share.
func (l *listing) read(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	expected := max(int(resp.ContentLength), l.size+l.size/8)
	buffer := bytes.NewBuffer(make([]byte, 0, expected+bytes.MinRead))
	if _, err := buffer.ReadFrom(resp.Body); err != nil {
		return nil, err
	}
	l.size = max(l.size, buffer.Len())
	return buffer.Bytes(), nil
}

// rowsOf appends the rows of a query's answer to out; false where it is none.
func rowsOf(body []byte, out [][]byte) ([][]byte, bool) {
	found := false
	ok := Members(body, func(name, value []byte) bool {
		if string(name) == "value" {
			out, found = Elements(value, out)
		}
		return true
	})
	return out, ok && found
}

// dateOf is the service's clock, as its answer has it.
func dateOf(answer *http.Response) time.Time {
	if answer == nil {
		return time.Time{}
	}
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return date
}

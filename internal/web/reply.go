package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// Answer is what a function answers. This package writes it.
type Answer struct {
	write func(w http.ResponseWriter, r Request) error
}

// Object answers with v as JSON.
func Object(v any) Answer {
	return Answer{func(w http.ResponseWriter, _ Request) error { JSON(w, http.StatusOK, v); return nil }}
}

// Raw answers with a body that is JSON already, byte for byte.
func Raw(body []byte) Answer {
	return Answer{func(w http.ResponseWriter, _ Request) error { writeRaw(w, body); return nil }}
}

// Number answers with a number as text, as Graph answers a path that ends with $count, whatever the
// request accepts: Graph refuses a request that accepts JSON alone. Sources:
// learn.microsoft.com/graph/api/user-list (example 3), and OData 4.01, part 2, section 4.8.
func Number(n int64) Answer {
	return Answer{func(w http.ResponseWriter, _ Request) error {
		body := strconv.AppendInt(nil, n, 10)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(body) // a caller that went away needs no answer
		return nil
	}}
}

// Stream answers by writing. An error before the first byte is answered as one; after it the
// connection is cut, because half a file must not look like a whole one.
func Stream(write func(w http.ResponseWriter, r *http.Request) error) Answer {
	return Answer{func(w http.ResponseWriter, r Request) error { return write(w, r.http) }}
}

// Entity answers with one object: what is said of the answer, and then the object's own properties.
// Neither may be empty.
func Entity(about any, object json.RawMessage) Answer {
	return Answer{func(w http.ResponseWriter, _ Request) error {
		head, err := json.Marshal(about)
		if err != nil {
			return err
		}
		JSON(w, http.StatusOK, json.RawMessage(slices.Concat(head[:len(head)-1], []byte(","), object[1:])))
		return nil
	}}
}

// Later reports how far a job is, and where the answer will be: the function's address followed by
// the job's id. Power Automate and the Azure SDKs poll there by themselves.
func Later(location string, v any) Answer {
	return Answer{func(w http.ResponseWriter, _ Request) error {
		w.Header().Set("Location", location)
		w.Header().Set("Retry-After", "1")
		JSON(w, http.StatusAccepted, v)
		return nil
	}}
}

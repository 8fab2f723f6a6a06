package devhost

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
)

// admits checks the caller's key: the master key opens everything, the function key what asks for
// one.
func (h *Host) admits(r *http.Request, level string) bool {
	return level == "anonymous" || h.isMaster(r) || level == "function" && h.isFunction(r)
}

func (h *Host) isMaster(r *http.Request) bool   { return sameKey(keyOf(r), h.opts.MasterKey) }
func (h *Host) isFunction(r *http.Request) bool { return sameKey(keyOf(r), h.opts.FunctionKey) }

func sameKey(got, want string) bool {
	return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// keyOf is the key that counts: the header's, even where it is wrong and the query's is right. The
// query's name is compared without case.
func keyOf(r *http.Request) string {
	if keys := r.Header.Values("x-functions-key"); len(keys) > 0 {
		return keys[0]
	}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err != nil || !strings.EqualFold(name, "code") {
			continue
		}
		if key, err := url.QueryUnescape(value); err == nil {
			return key
		}
	}
	return ""
}

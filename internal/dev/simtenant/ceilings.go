package simtenant

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ceiling is how much one app may ask for in a time.
type ceiling struct {
	most int // 0: without bound
	per  time.Duration
	used []use
}

// use is one request's share of a ceiling.
type use struct {
	at   time.Time
	cost int
}

// take charges a request's cost to a ceiling, and reports whether it is over it: then nothing is
// charged.
func (c *ceiling) take(now time.Time, cost int) (over bool) {
	if c.most == 0 {
		return false
	}
	c.used = slices.DeleteFunc(c.used, func(u use) bool { return now.Sub(u.at) >= c.per })
	sum := cost
	for _, u := range c.used {
		sum += u.cost
	}
	if over = sum > c.most; !over {
		c.used = append(c.used, use{now, cost})
	}
	return over
}

// unitsOf is what a request to the directory costs. Source:
// learn.microsoft.com/graph/throttling-limits, "Identity and access service limits".
func (l listing) unitsOf(r *http.Request) int {
	values, cost := r.URL.Query(), l.units
	if values.Has("$select") {
		cost--
	}
	if values.Has("$expand") {
		cost++
	}
	if top, err := strconv.Atoi(values.Get("$top")); err == nil && top < 20 {
		cost--
	}
	return max(1, cost)
}

// overUnits charges a request's resource units, which the answer names, and reports whether there
// were enough. keys is set if the request selects keyCredentials, which have a ceiling of their
// own.
func (t *Tenant) overUnits(w http.ResponseWriter, r *http.Request, l listing, keys bool) bool {
	if l.units == 0 {
		return false // a report
	}
	cost := l.unitsOf(r)
	w.Header().Set("x-ms-resource-unit", strconv.Itoa(cost))
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if keys && t.keys.take(now, 1) {
		return true
	}
	return t.units.take(now, cost)
}

// selectsKeys reports whether a request selects keyCredentials.
func selectsKeys(r *http.Request) bool {
	return slices.Contains(strings.Split(r.URL.Query().Get("$select"), ","), "keyCredentials")
}

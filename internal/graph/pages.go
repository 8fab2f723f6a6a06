package graph

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// pageSize is both the default and the greatest $top of the log collections.
// Source: learn.microsoft.com/graph/api/signin-list.
const pageSize = 1000

// path is where Graph has a log, below the endpoint.
func path(l *logs.Log) string { return "/" + l.Form() + "/auditLogs/" + l.Collection }

// Permission is what an error asks for when the log can't be read.
func Permission(s entra.Stream) string {
	log := logs.Of(s)
	if log.Alternative != "" {
		return log.Permission + " (or " + log.Alternative + ")"
	}
	return log.Permission
}

// Ordered tells whether the stream's pages come oldest record first. Provisioning accepts $orderby but does not obey.
func (c *Client) Ordered(s entra.Stream) bool { return logs.Of(s).Ordered }

const literal = "2006-01-02T15:04:05.0000000Z"

// query is the address of the first page of [from, to).
func (c *Client) query(s entra.Stream, from, to time.Time) string {
	log := logs.Of(s)
	property := log.TimeProperty
	last := to.Add(-entra.Tick).UTC().Format(literal)
	filter := fmt.Sprintf("%s ge %s and %s le %s", property, from.UTC().Format(literal), property, last)
	if log.Strict {
		filter = fmt.Sprintf("%s gt %s and %s lt %s", property, from.Add(-entra.Tick).UTC().Format(literal), property, to.UTC().Format(literal))
	}
	if log.EventType != "" && !log.Unfiltered {
		filter += fmt.Sprintf(" and signInEventTypes/any(t: t eq '%s')", log.EventType)
	}
	text := c.base.String() + path(log) + "?$filter=" + escape(filter) + fmt.Sprintf("&$top=%d", pageSize)
	if log.Ordered {
		text += "&$orderby=" + escape(property+" asc")
	}
	return text
}

// escape writes a query value. Raw blanks and quotes give 400, and + is not read as a blank everywhere.
func escape(value string) string { return strings.ReplaceAll(url.QueryEscape(value), "+", "%20") }

// Pages reads the records of a stream dated [from, to), up to 1,000 a page. Each request waits for
// the limiter. A page is tried several times on 429, 408, 5xx, time-outs, cut connections and
// answers that can't be read. Errors are *entra.Error, entra.ErrPagingLost (begin again at the last
// record stored), or the context's.
func (c *Client) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	s, from, to := q.Stream, q.From, q.To
	return func(yield func(entra.Page, error) bool) {
		doing := "read " + string(s) + " from Graph"
		next, walking := c.query(s, from, to), false
		for next != "" {
			page, link, err := c.page(ctx, s, doing, next, walking)
			if err == nil {
				err = c.checkLink(doing, link, next)
			}
			if err != nil {
				yield(entra.Page{}, err)
				return
			}
			if !yield(page, nil) {
				return
			}
			next, walking = link, true
		}
	}
}

// checkLink refuses a nextLink that would loop, or that leads to another host.
func (c *Client) checkLink(doing, link, from string) error {
	if link == "" {
		return nil
	}
	if link == from {
		return fmt.Errorf("%s: the next page is this page again: %w", doing, entra.ErrPagingLost)
	}
	u, err := url.Parse(link)
	if err != nil || u.Host != c.base.Host || u.Scheme != c.base.Scheme {
		return &entra.Error{Code: entra.CodeBrokenAnswer, Doing: doing, Why: fmt.Sprintf("the next page is on another host than %s", c.base.Host),
			Remedy: "check GRAPH_ENDPOINT and AZURE_CLOUD; no token was sent there"}
	}
	return nil
}

// page reads one page, with retries.
func (c *Client) page(ctx context.Context, s entra.Stream, doing, rawURL string, walking bool) (entra.Page, string, error) {
	type result struct {
		page entra.Page
		link string
	}
	r := request{doing: doing, url: rawURL, permission: Permission(s), walking: walking, wait: c.cfg.Limiter.Wait}
	res, err := ask(ctx, c, r, func(a answer) (result, error) {
		page, link, err := parsePage(s, a)
		page.Free = func() { c.giveBuffer(a.body) }
		return result{page, link}, err
	})
	return res.page, res.link, err
}

// request is one request for a page.
type request struct {
	doing      string // for errors
	url        string
	permission string // the least that it needs
	walking    bool   // it follows a nextLink
	wait       func(context.Context) error
	licence    string // what needs it, and what to do without; empty: a log
}

// ask makes a request, with retries, and reads the answer. What read can't understand is asked for again.
func ask[T any](ctx context.Context, c *Client, r request, read func(answer) (T, error)) (T, error) {
	var none T
	return retry(ctx, c, r.doing, func() (T, error) {
		a, err := c.send(ctx, r.url, r.wait)
		if err != nil {
			return none, c.unanswered(ctx, r.doing, err)
		}
		if a.status != http.StatusOK {
			return none, r.refused(a)
		}
		v, err := read(a)
		if err != nil {
			return none, &again{error: &entra.Error{Code: entra.CodeBrokenAnswer, Doing: r.doing, Err: err,
				Remedy: "the next run tries again; if it stays, look at Microsoft 365 service health"}}
		}
		return v, nil
	})
}

// retry tries op while its error is an again, with growing, jittered pauses. A Retry-After that ends after the
// context's deadline is not waited for.
func retry[T any](ctx context.Context, c *Client, doing string, op func() (T, error)) (T, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier, pauses.MaxInterval = c.cfg.BackOff, 2, 32*c.cfg.BackOff
	doubted := false
	res, err := backoff.Retry(ctx, func() (T, error) {
		res, err := op()
		var more *again
		if !errors.As(err, &more) {
			if err != nil {
				err = backoff.Permanent(err)
			}
			return res, err
		}
		if more.once && doubted {
			return res, backoff.Permanent(err)
		}
		doubted = doubted || more.once
		if deadline, ok := ctx.Deadline(); ok && time.Now().Add(more.after).After(deadline) {
			return res, backoff.Permanent(err)
		}
		if entra.CodeOf(err) == entra.CodeThrottled {
			c.cfg.Limiter.Pause(more.after)
		}
		return res, err
	},
		backoff.WithBackOff(pauses), backoff.WithMaxTries(c.cfg.Tries), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			c.cfg.Log.InfoContext(ctx, "trying again", "doing", doing, "code", entra.CodeOf(err), "after", wait.Round(time.Millisecond).String(), "error", err.Error())
		}))
	var more *again
	if errors.As(err, &more) {
		err = more.error
	}
	return res, err
}

// parsePage takes a page apart. A page whose JSON is broken, that has no list, or that holds an error object is not a page.
func parsePage(s entra.Stream, a answer) (entra.Page, string, error) {
	body := a.body.Bytes()
	parts, err := logs.ScanPage(s, body)
	switch {
	case errors.Is(err, entra.ErrNoList):
		return entra.Page{}, "", err
	case err != nil:
		return entra.Page{}, "", fmt.Errorf("a page of %d bytes is not JSON (%s)", len(body), a.header.Get("Content-Type"))
	case parts.Error:
		return entra.Page{}, "", errors.New("a page holds an error object in place of records")
	}
	for _, rec := range parts.Records {
		if errors.Is(rec.Err, entra.ErrNoID) && gjson.GetBytes(rec.Raw, "error").IsObject() {
			return entra.Page{}, "", errors.New("a page holds an error object among its records")
		}
	}
	return entra.Page{Records: parts.Records, Date: a.date(), Form: logs.Of(s).Form()}, strings.Clone(parts.NextLink), nil
}

// freely is the turn of a request that does not count against a ceiling.
func freely(context.Context) error { return nil }

// Now is the tenant's clock: the Date header of an answer that does not count against the reporting ceiling.
func (c *Client) Now(ctx context.Context) (time.Time, error) {
	const doing = "ask Graph for the time"
	return retry(ctx, c, doing, func() (time.Time, error) {
		a, err := c.send(ctx, c.base.String()+"/v1.0/", freely)
		if err != nil {
			return time.Time{}, c.unanswered(ctx, doing, err)
		}
		now := a.date()
		if now.IsZero() {
			return now, &again{error: &entra.Error{Code: entra.CodeBrokenAnswer, Doing: doing, Why: "the answer has no Date",
				Remedy: "check GRAPH_ENDPOINT: " + c.base.Host + " may not be Microsoft Graph"}}
		}
		return now, nil
	})
}

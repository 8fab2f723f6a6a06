package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// pageSize is both the default and the greatest $top of the log collections.
// Source: learn.microsoft.com/graph/api/signin-list.
const pageSize = 1000

// path is where Graph has a log in a form, below the endpoint.
func path(l *logs.Log, form string) string { return "/" + form + "/auditLogs/" + l.Collection }

// formOf is the form that a query asks for: the richest unless it names another that the log has.
func formOf(q entra.Query) (string, error) {
	log := logs.Of(q.Stream)
	if q.Form == "" && len(log.Forms) > 0 {
		return log.Form(), nil
	}
	if slices.Contains(log.Forms, q.Form) {
		return q.Form, nil
	}
	return "", &entra.Error{Code: entra.CodeInternal, Doing: "read " + string(q.Stream) + " from Graph",
		Why:    fmt.Sprintf("it is not to be had as %q: accepted are [%s]", q.Form, strings.Join(log.Forms, ", ")),
		Remedy: "please report this"}
}

// Permission is what an error asks for when the log can't be read.
func Permission(s entra.Stream) string {
	log := logs.Of(s)
	if log.Alternative != "" {
		return log.Permission + " (or " + log.Alternative + ")"
	}
	return log.Permission
}

// Ordered reports whether the stream's pages come oldest record first. Provisioning accepts
// $orderby but does not obey.
func (c *Client) Ordered(s entra.Stream) bool { return logs.Of(s).Ordered }

const literal = "2006-01-02T15:04:05.0000000Z"

// query is the address of the first page of a query, in a form.
func (c *Client) query(q entra.Query, form string) string {
	log, from, to := logs.Of(q.Stream), q.From, q.To
	property := log.TimeProperty
	last := to.Add(-entra.Tick).UTC().Format(literal)
	filter := fmt.Sprintf("%s ge %s and %s le %s", property, from.UTC().Format(literal), property, last)
	if log.Strict {
		filter = fmt.Sprintf("%s gt %s and %s lt %s", property, from.Add(-entra.Tick).UTC().Format(literal), property,
			to.UTC().Format(literal))
	}
	if log.EventType != "" && !log.Unfiltered {
		filter += fmt.Sprintf(" and signInEventTypes/any(t: t eq '%s')", log.EventType)
	}
	text := c.base.String() + path(log, form) + "?$filter=" + escape(filter) + fmt.Sprintf("&$top=%d", pageSize)
	if log.Ordered {
		text += "&$orderby=" + escape(property+" asc")
	}
	return text
}

// escape writes a query value. Raw blanks and quotes give 400, and + is not read as a blank
// everywhere.
func escape(value string) string { return strings.ReplaceAll(url.QueryEscape(value), "+", "%20") }

// Pages reads the records of a stream dated [q.From, q.To) in one of its forms, up to 1,000 a page.
// Each request waits for the limiter. What is no page is asked for again as often as Refusals says.
// The errors:
//
//   - *entra.Error, with CodeRefused, CodePermission, CodeLicence, CodeNotFound or CodeToken only
//     where Graph said so more than once;
//   - entra.ErrPagingLost: begin again at the last record stored. The walk came back to where it
//     had been, by a link or by the records of a page, or went through too many empty pages, or its
//     token is not good any more;
//   - of a query that is Divisible, entra.ErrTooWide, in an *entra.Error with CodeUnavailable:
//     Graph answered 504 or 408, or did not answer for Config.Timeout, or ended the connection after more
//     than a third of it. Nothing was tried again: the same span would be as wide. Of another query
//     these count as any failure of the service;
//   - the context's.
//
// The pages before an error are whole, and what they hold is good.
func (c *Client) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	return func(yield func(entra.Page, error) bool) {
		r, form, err := c.firstPage(q)
		if err != nil {
			yield(entra.Page{}, err)
			return
		}
		for walk := newWalk(r.url); ; r.walking = true {
			page, link, err := c.page(ctx, q.Stream, form, r)
			if err == nil {
				if why := walk.came(page.Records); why != "" {
					page.Done()
					err = r.ended(LeadsBack, why)
				}
			}
			if err != nil {
				yield(entra.Page{}, err)
				return
			}
			if !yield(page, nil) || link == "" {
				return
			}
			if err = c.checkHost(r, link); err == nil {
				if why := walk.follow(link); why != "" {
					err = r.ended(LeadsBack, why)
				}
			}
			if err != nil {
				yield(entra.Page{}, err)
				return
			}
			r.url = link
		}
	}
}

// firstPage is the request for the first page of a query, and the form that it asks for.
func (c *Client) firstPage(q entra.Query) (request, string, error) {
	form, err := formOf(q)
	if err != nil {
		return request{}, "", err
	}
	r := request{doing: "read " + string(q.Stream) + " from Graph", url: c.query(q, form),
		permission: Permission(q.Stream), wait: c.cfg.Limiter.Wait}
	if q.Divisible {
		r.divisible = fmt.Sprintf("%s from %s on", q.To.Sub(q.From), q.From.UTC().Format(time.RFC3339))
	}
	return r, form, nil
}

// page reads one page, with retries.
func (c *Client) page(ctx context.Context, s entra.Stream, form string, r request) (entra.Page, string, error) {
	type result struct {
		page entra.Page
		link string
	}
	res, err := ask(ctx, c, r, func(a answer) (result, error) {
		page, link, err := parsePage(s, form, a)
		page.Free = func() { c.giveBuffer(a.body) }
		return result{page, link}, err
	})
	return res.page, res.link, err
}

// parsePage takes a page apart. A page whose JSON is broken, that has no list, or that holds an
// error object is not a page.
func parsePage(s entra.Stream, form string, a answer) (entra.Page, string, error) {
	body := a.body.Bytes()
	parts, err := logs.ScanPage(s, body)
	switch {
	case errors.Is(err, entra.ErrNoList):
		return entra.Page{}, "", err
	case err != nil:
		return entra.Page{}, "", fmt.Errorf("a page of %d bytes is not JSON (%s)", len(body),
			a.header.Get("Content-Type"))
	case parts.Error:
		return entra.Page{}, "", errors.New("a page holds an error object in place of records")
	}
	if err := scannedWhole(body, parts); err != nil {
		return entra.Page{}, "", err
	}
	for _, rec := range parts.Records {
		if errors.Is(rec.Err, entra.ErrNoID) && gjson.GetBytes(rec.Raw, "error").IsObject() {
			return entra.Page{}, "", errors.New("a page holds an error object among its records")
		}
	}
	return entra.Page{Records: parts.Records, Date: a.date(), Form: form}, strings.Clone(parts.NextLink), nil
}

// scannedWhole tells of a page whether the scanner may have left something of it out. Of lists with
// one name it takes the last, and a next link that is no text is none to it.
func scannedWhole(body []byte, parts entra.PageParts) error {
	head := body
	if len(parts.Records) > 0 {
		if at := bytes.Index(body, parts.Records[0].Raw); at >= 0 {
			head = body[:at]
		}
	}
	lists := 0
	gjson.ParseBytes(head).ForEach(func(name, value gjson.Result) bool {
		if name.Str == "value" && value.IsArray() {
			lists++
		}
		return true
	})
	if lists > 1 {
		return errors.New("a page has two lists of records")
	}
	if parts.NextLink == "" && bytes.Contains(body, []byte("@odata.nextLink")) {
		link := gjson.GetBytes(body, `@odata\.nextLink`)
		if link.Exists() && link.Type != gjson.Null && link.Raw != `""` {
			return errors.New("a page's next link is not one text")
		}
	}
	return nil
}

// freely is the turn of a request that does not count against a ceiling.
func freely(context.Context) error { return nil }

// Now is the tenant's clock: the Date header of an answer that does not count against the reporting
// ceiling.
func (c *Client) Now(ctx context.Context) (time.Time, error) {
	const doing = "ask Graph for the time"
	r := request{doing: doing, url: c.base.String() + "/v1.0/", wait: freely}
	return retry(ctx, c, doing, func() (time.Time, error) {
		a, err := c.send(ctx, r)
		if err != nil {
			return time.Time{}, c.unanswered(ctx, r, err)
		}
		now := a.date()
		if now.IsZero() {
			const why = "the answer has no Date, which Graph always sends: is GRAPH_ENDPOINT right?"
			return now, r.answered(Unreadable, "", why, nil)
		}
		return now, nil
	})
}

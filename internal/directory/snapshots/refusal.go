package snapshots

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
)

// refusal tells whether the tenant refuses to disclose something, rather than being out of order.
func refusal(err error) bool {
	codes := []entra.Code{entra.CodePermission, entra.CodeLicence, entra.CodeNotFound}
	return !errors.As(err, new(notKept)) && slices.Contains(codes, entra.CodeOf(err))
}

// unforeseen tells whether a request is refused in a way that says nothing of permissions.
func unforeseen(err error) bool {
	codes := []entra.Code{entra.CodeInternal, entra.CodeRefused}
	return !errors.As(err, new(notKept)) && errors.As(err, new(*entra.Error)) &&
		slices.Contains(codes, entra.CodeOf(err))
}

// refused tells whether an error of reading a collection says that the tenant refuses it.
func refused(c *collections.Collection, err error) bool {
	return refusal(err) || c.AnyRefusal && unforeseen(err)
}

// missed tells whether a collection that no snapshot waits for did not come.
func missed(ctx context.Context, c *collections.Collection, err error) bool {
	return c.NoWait && ctx.Err() == nil && errors.As(err, new(*entra.Error)) && !errors.As(err, new(notKept)) &&
		entra.Without(err, context.Canceled, context.DeadlineExceeded) != nil
}

// refusalLasts is how long the tenant must refuse what it has disclosed before that is believed. A
// licence has been seen to be missing for a moment. Runs are shorter, so two of them are refused.
const refusalLasts = time.Hour

// unbelieved ends a run that was refused what the tenant had disclosed. It is no failure.
type unbelieved struct{ error }

func (e unbelieved) Unwrap() error { return e.error }

// undisclose records that the tenant does not disclose something, as soon as that is believed;
// until then its error is an unbelieved.
func (r *reading) undisclose(ctx context.Context, what string, err error) error {
	since := r.now()
	if r.snap.Doubt != nil && r.snap.Doubt.What == what {
		since = r.snap.Doubt.Since
	}
	if !slices.Contains(r.snap.Accepted, what) && !believed(r.had(what), since, r.now()) {
		r.snap.Doubt = &directory.Doubt{What: what, Since: since, Code: entra.CodeOf(err), Message: err.Error()}
		r.maker.log.WarnContext(ctx, "a refusal is not believed yet", "resource", what, "since", stamp(since),
			"error", err.Error())
		if err := r.save(ctx); err != nil {
			return err
		}
		return unbelieved{fmt.Errorf("%s is refused since %s, and was disclosed before, "+
			"so it is asked for again until %s: %w", what, stamp(since), stamp(since.Add(refusalLasts)), err)}
	}
	r.maker.log.WarnContext(ctx, "a refusal is believed", "resource", what, "since", stamp(since), "error", err.Error())
	r.lose(what, entra.CodeOf(err), err.Error(), false) // the doubt stays until the phase is over
	return nil
}

// believed tells whether a refusal since a moment is: at once of what the tenant never disclosed,
// else once it has lasted.
func believed(had bool, since, now time.Time) bool {
	return !had || now.Sub(since) >= refusalLasts
}

// had tells whether the tenant has disclosed something to this walk, or to the snapshot before.
// What was carried by that one was refused to it, and that has been believed.
func (r *reading) had(what string) bool {
	if r.snap.Walk.Pages > 0 || r.snap.Walk.First > 0 {
		return true
	}
	return r.disclosed(what)
}

// readGroup tells whether a snapshot could read a group's members, if that is what is asked about.
// An empty list of which nobody asked whether it is hidden is none.
func readGroup(s directory.Snapshot, what string) bool {
	group, is := strings.CutPrefix(what, groupPrefix)
	return !is || slices.ContainsFunc(s.Groups, func(o directory.Group) bool {
		return o.ID == group && !o.Unknown && (o.Disclosed || o.Members > 0)
	})
}

const groupPrefix = "group "

func (r *reading) undisclosed(what string, err error) {
	r.snap.Undisclosed = append(r.snap.Undisclosed,
		directory.Undisclosed{What: what, Code: entra.CodeOf(err), Message: err.Error()})
}

package snapshots

import (
	"context"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
)

// ending is what is known, at the end of a walk, of whether it brought the whole collection.
type ending struct {
	Brought int64  // objects that came, each once, whichever walk of this snapshot brought them
	First   bool   // no snapshot before tells of the collection
	Unsure  bool   // the snapshot before does, and nothing confirmed that it held all
	Missing int64  // objects or credentials of the snapshot before that did not come
	Steep   bool   // these are more than a tenth of its users
	Gone    uint64 // a hash of which users did not come with this walk
	Agree   bool   // this walk is to confirm the one before it, and with both the same did not come

	Named  bool  // what is missing was asked for by name, or can't be
	Asked  int64 // of the missing, how many were asked for
	There  int64 // of these, how many there are
	Counts bool  // the tenant was asked how many there are
	Count  int64 // its answer; -1: it gave none
	Few    bool  // the walk had one page: a second one is cheap
	Twice  bool  // this walk is to confirm the one before it
	Same   bool  // and both brought the same objects
	Spent  bool  // there were so many walks that none more is worth it
	Exact  bool  // the count must be no greater; else it may be so by what was made meanwhile
}

// verdict is what is to be done about the end of a walk.
type verdict string

const (
	isWhole   verdict = "whole"
	askNames  verdict = "ask for what is missing by name"
	askCount  verdict = "ask how many there are"
	walkTwice verdict = "walk twice"
	isShort   verdict = "short"
	isTorn    verdict = "two walks differ"
	isUnknown verdict = "nothing confirms it"
)

// judge weighs the evidence. Where more than a tenth of the users are gone, a second walk has to
// say the same of who, whatever else confirms it: names and counts may come from the same index.
// How many came says nothing here: in a large tenant users are made during each walk.
func judge(e ending) verdict {
	v := weigh(e)
	switch {
	case v != isWhole || !e.Steep:
		return v
	case !e.Twice:
		return walkTwice
	case e.Agree:
		return isWhole
	}
	return isTorn
}

// weigh weighs the evidence of one walk. Nothing is asked where all came again that the snapshot
// before held, unless that one was in doubt itself.
func weigh(e ending) verdict {
	switch {
	case e.There > 0:
		return isShort
	case e.Missing > 0 && !e.Named:
		return askNames
	case e.gone() && e.Missing <= maxGone:
		return isWhole
	case !e.Counts:
		return askCount
	case e.Count < 0:
		return uncounted(e)
	case e.Count <= e.Brought:
		return isWhole
	case e.Count > e.Brought+e.slack():
		return isShort
	case !e.Twice, !e.Same && !e.Spent:
		return walkTwice
	case e.Same:
		return isWhole
	}
	return isUnknown
}

// uncounted weighs what there is without a count.
func uncounted(e ending) verdict {
	switch {
	case e.gone():
		return isWhole
	case !e.Few:
		return isUnknown
	case !e.Twice:
		return walkTwice
	case e.Same:
		return isWhole
	}
	return isUnknown
}

// gone tells whether all that the snapshot before held, which held all, has come or is not there by
// its name.
func (e ending) gone() bool { return !e.First && !e.Unsure && e.Asked == e.Missing }

// slack is by how many the tenant's count, which comes from an index that is behind, may be greater
// than what two equal walks brought: objects are made and deleted while they go on.
func (e ending) slack() int64 {
	if e.Exact || e.Missing > 0 && e.Asked == 0 {
		return 0
	}
	return min(15, e.Brought/100) + e.Brought/1000
}

const (
	// maxNamed bounds how many objects are asked for by name: in four questions.
	maxNamed = 4 * collections.MaxNamed
	// maxGone is how many may be gone by the list by id alone, which may be empty by a fault.
	maxGone = 3
	// maxAnew bounds how often a collection is walked again because the walk's end was not
	// believed.
	maxAnew = 2
	// oldEnough is the age at which the snapshot before is no longer better than one that nothing
	// confirms.
	oldEnough = 72 * time.Hour
	// firstAfter is how long a first snapshot, before which nothing can be answered, is tried.
	firstAfter = 3 * time.Hour
)

// confirm tells whether the walk that has come to its end brought the whole collection, as far as
// anything else than its own word tells. Where it did not, the collection is begun anew, and the
// answer is no; after maxAnew times it is an error.
func (r *reading) confirm(ctx context.Context, q collections.Query) (bool, error) {
	if q.Collection.Uncounted {
		return r.confirmUncounted(ctx, q)
	}
	e, missing, err := r.compare(ctx, q)
	if err != nil {
		return false, err
	}
	if anew, err := r.lookCloser(ctx, q, e); anew || err != nil {
		return false, err
	}
	name, example := q.Title(), ""
	var refused error
	for {
		v := judge(e)
		if v != isWhole || e.Named || e.Counts {
			r.maker.log.InfoContext(ctx, "the end of a walk is weighed", "collection", name, "verdict", string(v),
				"brought", e.Brought, "missing", e.Missing, "asked", e.Asked, "there", e.There, "count", e.Count)
		}
		switch v {
		case isWhole:
			return true, nil
		case askNames:
			e.Named = true
			e.Asked, e.There, example, err = r.askNames(ctx, q, missing)
		case askCount:
			e.Counts = true
			r.snap.GraphRequests++
			if e.Count, err = r.maker.source.Count(ctx, q); refusal(err) || unforeseen(err) {
				refused, e.Count, err = err, -1, nil
			}
		case walkTwice:
			return false, r.walkAgain(ctx, e.Brought+1, e.Gone)
		case isUnknown:
			r.unconfirmed(name, e, refused)
			return true, r.keepMembers(ctx, q, missing)
		case isShort:
			done, err := r.short(ctx, name, e, example)
			if done && err == nil {
				err = r.keepMembers(ctx, q, missing)
			}
			return done, err
		case isTorn:
			return r.torn(ctx, name, e)
		}
		if err != nil {
			return false, err
		}
	}
}

// walkAgain begins the collection anew. First and gone are as in Walk. A walk that confirms another
// comes further with each page, though these were read before: in a large tenant it takes several
// runs.
func (r *reading) walkAgain(ctx context.Context, first int64, gone uint64) error {
	r.beginAnew()
	r.snap.Walk.Gone = gone
	if r.snap.Walk.First = first; first > 0 {
		r.snap.Walk.Farthest = 0
	}
	r.snap.Walk.Anew++
	return r.save(ctx)
}

// unconfirmed records that nothing tells whether all was read. The error is why there is no count.
func (r *reading) unconfirmed(name string, e ending, refused error) {
	failed := &entra.Error{Code: entra.CodeOf(refused), Err: refused, Doing: "confirm that all " + name + " were read",
		Why:    fmt.Sprintf("%d came, and Graph does not tell how many there are", e.Brought),
		Remedy: "compare the number with what the portal shows"}
	if e.Count >= 0 {
		failed.Code = entra.CodeBrokenAnswer
		failed.Why = fmt.Sprintf("%d came in %d walks, the last of which differ, and Graph counts %d",
			e.Brought, r.snap.Walk.Anew+1, e.Count)
	}
	r.undisclosed("all "+name, failed)
}

// confirmUncounted tells whether the walk through a collection that Graph does not count, as a
// report of use, brought all of it. One that no snapshot before tells of for sure is walked until a
// walk brings nothing new: what it lacks would pass for unused.
func (r *reading) confirmUncounted(ctx context.Context, q collections.Query) (bool, error) {
	if q.Collection.Evidence == collections.NoEvidence {
		return true, nil // a lack of names is seen, and nothing is decided by it
	}
	if q.Collection.Evidence == collections.ByUse {
		if err := r.carryUse(ctx, q.Collection.Partition); err != nil {
			return false, err
		}
	}
	name, brought := q.Title(), r.memory.brought()
	told := r.told(q) && r.base.WhyUndisclosed("all "+name) == nil
	switch {
	case told, r.snap.Walk.First == brought+1:
		return true, nil
	case r.snap.Walk.First > 0 && r.snap.Walk.Anew >= maxAnew:
		r.undisclosed("all "+name, &entra.Error{Code: entra.CodeBrokenAnswer,
			Doing: "confirm that all " + name + " was read",
			Why:   fmt.Sprintf("each of %d walks brought more, %d in all", r.snap.Walk.Anew+1, brought),
			Remedy: "what did not come passes for unused until the next snapshot; " +
				"look at Microsoft 365 service health"})
		return true, nil
	}
	return false, r.walkAgain(ctx, brought+1, 0)
}

// askNames asks for a sample of what is missing by its name, and tells how many were asked for, how
// many of these there are, and one of them. None is asked for where Graph refuses the question.
func (r *reading) askNames(
	ctx context.Context, q collections.Query, missing []absent,
) (asked, there int64, example string, err error) {
	if q.Collection.ByID == "" {
		return 0, 0, "", nil // members can't be asked for by id
	}
	missing = sample(missing, maxNamed)
	for len(missing) > 0 {
		some := missing[:min(collections.MaxNamed, len(missing))]
		missing = missing[len(some):]
		ids := make([]string, len(some))
		for i, a := range some {
			ids[i] = a.ID
		}
		r.snap.GraphRequests++
		page, err := r.maker.source.Named(ctx, q, ids)
		if refusal(err) || unforeseen(err) {
			r.maker.log.WarnContext(ctx, "what is missing can't be asked for by id",
				"collection", q.Collection.Word, "error", err.Error())
			return 0, 0, "", nil
		}
		if err != nil {
			return 0, 0, "", err
		}
		n, one, err := found(q.Collection, some, page.Items)
		page.Free()
		if err != nil {
			return 0, 0, "", err
		}
		asked, there = asked+int64(len(some)), there+n
		if one != "" {
			example = one
		}
	}
	return asked, there, example, nil
}

// short begins the collection anew, or says that this was done too often. What all walks brought is
// kept. Where the snapshot before is too old, the new one is used as it is.
func (r *reading) short(ctx context.Context, name string, e ending, example string) (bool, error) {
	why := fmt.Sprintf("%d walks brought %d", r.snap.Walk.Anew+1, e.Brought)
	if e.There > 0 {
		why += fmt.Sprintf("; of %d that were there before and did not come, %d are there when asked for by id (%s)",
			e.Missing, e.There, example)
	} else {
		why += fmt.Sprintf(", and Graph counts %d", e.Count)
	}
	failed := &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read all " + name + " from Graph", Why: why,
		Remedy: "answers go on from the snapshot before, and the next run reads them again; " +
			"if it stays, look at Microsoft 365 service health"}
	r.maker.log.WarnContext(ctx, "a walk fell short", "collection", name, "why", why)
	if e.Spent && (r.tooLate() || e.noWorse()) {
		failed.Remedy = "what did not come is missing from answers; look at Microsoft 365 service health"
		r.undisclosed("all "+name, failed)
		return true, nil
	}
	if err := r.walkAgain(ctx, 0, 0); err != nil || !e.Spent {
		return false, err
	}
	return false, failed
}

// steepFall is the share of the users before, as one in so many, of whom more may not be gone at
// once without a second walk.
const steepFall = 10

// torn ends a run whose walks say that many users are gone, and differ in who: the next run walks
// again, until two in a row agree. Where the snapshot before is too old, the new one is
// used as it is.
func (r *reading) torn(ctx context.Context, name string, e ending) (bool, error) {
	failed := &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "confirm that so many " + name + " are gone",
		Why: fmt.Sprintf("%d that were there before did not come, more than a tenth, and two walks differ: "+
			"together they brought %d", e.Missing, e.Brought),
		Remedy: "answers go on from the snapshot before until two walks bring the same, and the next run reads them " +
			"again; if many were deleted on purpose, nothing needs to be done"}
	r.maker.log.WarnContext(ctx, "two walks differ", "collection", name, "why", failed.Why)
	if r.tooLate() {
		failed.Remedy = "what did not come is missing from answers; look at Microsoft 365 service health"
		r.undisclosed("all "+name, failed)
		return true, nil
	}
	if err := r.walkAgain(ctx, e.Brought+1, e.Gone); err != nil {
		return false, err
	}
	return false, failed
}

// noWorse tells whether a walk that fell short is as good as the snapshot before, which did, too.
func (e ending) noWorse() bool { return e.Unsure && e.There == 0 && (e.Missing == 0 || e.Asked > 0) }

// tooLate tells whether there is nothing better than a snapshot that nothing confirms.
func (r *reading) tooLate() bool {
	if r.base.ID == "" {
		return r.now().Sub(r.snap.AsOf) > firstAfter
	}
	return r.now().Sub(r.base.AsOf) > oldEnough
}

// sample takes no more than n of a list, spread over it.
func sample[T any](list []T, n int) []T {
	if len(list) <= n {
		return list
	}
	out := make([]T, n)
	for i := range out {
		out[i] = list[i*len(list)/n]
	}
	return out
}

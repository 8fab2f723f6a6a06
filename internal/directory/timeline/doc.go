// Package timeline says what is new in an answer about the directory, so that each item is told
// once. It is pure: it knows no storage, no clock and no HTTP.
//
// An item is in the answer to a question on a snapshot, is not, or nobody can say. It entered with
// the first snapshot of the unbroken run, up to the newest, in which it is in the answer, for
// whatever reason: time passed, it appeared, changed, or lost an exception. A snapshot on which
// nobody can say neither begins nor breaks a run. An absence that is confirmed breaks it. States
// are judged at the time of the snapshot, not of the request.
//
// What a maker of flows needs to know:
//
//   - Each answer comes with a cursor. The next call gives it back, with the same parameters, and
//     is told what entered since, whatever days were missed. Until there is a new snapshot it is
//     told nothing, with the same cursor.
//   - A cursor may be used again. A run that failed gives the old one, or leaves its reader where
//     it is, and is told the same and what came since. The item's id keeps it from acting twice.
//   - Callers with cursors of their own don't disturb each other.
//   - The first answer may judge credentials when it is asked for, after its snapshot. What it told
//     then is not told again when a snapshot of after that time says the same.
//   - What left the answer and comes back is new. An end that changes within the answer is not.
//   - What nobody could judge at a call is told once somebody can, unless it was told before.
//   - Filters in the flow break the promise: what they dropped once is not told again when it
//     changes. Filters belong into the question.
//   - A cursor is good for 400 days. After that, or with another archive, a flow begins without. What
//     nobody could judge for that long may be told again.
//
// Snapshots are dropped, so each item carries a [User] or [Credential]: a short timeline that is
// made from the one before and what the new snapshot says. It holds when each thing that can be
// asked about last differed, so that the run of any question follows from it without the old
// snapshots.
package timeline

package snapshots

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/directory/timeline"
)

// decidedCredentials goes through the objects that a snapshot read, application by application, so
// that credentials that both the application and its service principal have are joined. What comes
// has the application's id and an underscore as its key: so begin the keys of rows, and their order
// is that of the table.
func (r *reading) decidedCredentials(
	ctx context.Context, snap directory.Snapshot, read rangeOf,
) iter.Seq2[keyed[[]rules.Credential], error] {
	return func(yield func(keyed[[]rules.Credential], error) bool) {
		rows := func(partition string) iter.Seq2[directory.Row, error] {
			return r.maker.store.Rows(ctx, snap.ID, read(directory.Range{Partition: partition}))
		}
		d := &applicationDecided{snap: snap, uses: newMerged(rows(directory.ReadUse))}
		defer d.uses.stop()
		give := func() bool {
			all, err := d.credentials()
			return len(d.apps) == 0 || yield(keyed[[]rules.Credential]{d.appID + "_", all}, err) && err == nil
		}
		for row, err := range rows(directory.ReadApps) {
			var app rules.App
			if err == nil {
				if err = json.Unmarshal(row.Doc, &app); err != nil {
					err = fmt.Errorf("read holder %s of the snapshot: %w", row.Key, err)
				}
			}
			if err != nil {
				yield(keyed[[]rules.Credential]{}, err)
				return
			}
			if app.AppID != d.appID {
				if !give() {
					return
				}
				d.appID, d.apps = app.AppID, d.apps[:0]
			}
			d.apps = append(d.apps, app)
		}
		give()
	}
}

// applicationDecided gathers one application: it, and its service principals.
type applicationDecided struct {
	snap  directory.Snapshot
	uses  *merged
	appID string
	apps  []rules.App
}

// credentials are those of the application that was gathered, each once.
func (d *applicationDecided) credentials() ([]rules.Credential, error) {
	if len(d.apps) == 0 {
		return nil, nil
	}
	used := make(map[string]time.Time)
	err := d.uses.of(d.appID, func(row directory.Row) error {
		var u rules.Use
		if err := json.Unmarshal(row.Doc, &u); err != nil {
			return fmt.Errorf("read use %s of the snapshot: %w", row.Key, err)
		}
		used[u.KeyID] = u.Last
		return nil
	})
	disclosed := d.snap.WhyUndisclosed(collections.CredentialUse) == nil
	return rules.JoinedWithUse(d.apps, used, disclosed, d.snap.AsOf), err
}

// credentialLines are the timelines of credentials up to the snapshot before, by key id,
// application by application as decidedCredentials gives them.
func (r *reading) credentialLines(ctx context.Context) iter.Seq2[keyed[credentialLines], error] {
	switch {
	case r.kept.on == nil:
		return func(func(keyed[credentialLines], error) bool) {}
	case r.kept.made:
		return byApplication(linesOf[timeline.Credential](ctx, r, directory.CredentialTimelines))
	}
	return func(yield func(keyed[credentialLines], error) bool) {
		read := func(of directory.Range) directory.Range { return r.past(ctx, r.before, of) }
		for app, err := range r.decidedCredentials(ctx, r.before, read) {
			if errors.Is(err, directory.ErrNoSnapshot) {
				return // it was deleted by hand, and tells nothing
			}
			lines := make(credentialLines)
			for _, c := range app.of {
				if err != nil {
					break
				}
				seen := directory.SeenCredential(c)
				lines[c.KeyID], err = timeline.Credential{}.Next(r.kept.on, &seen)
			}
			if !yield(keyed[credentialLines]{app.key, lines}, err) || err != nil {
				return
			}
		}
	}
}

// credentialLines are the timelines of an application's credentials, by key id.
type credentialLines map[string]timeline.Credential

// byApplication gathers timelines by the application in their keys.
func byApplication(lines iter.Seq2[keyed[timeline.Credential], error]) iter.Seq2[keyed[credentialLines], error] {
	return func(yield func(keyed[credentialLines], error) bool) {
		of := keyed[credentialLines]{of: make(credentialLines)}
		for one, err := range lines {
			if err != nil {
				yield(of, err)
				return
			}
			app, key, _ := strings.Cut(one.key, "_")
			if app += "_"; app != of.key {
				if len(of.of) > 0 && !yield(of, nil) {
					return
				}
				of = keyed[credentialLines]{app, make(credentialLines)}
			}
			of.of[key] = one.of
		}
		if len(of.of) > 0 {
			yield(of, nil)
		}
	}
}

// credentialsOut gathers the rows of all credentials.
type credentialsOut struct {
	*reading
	out        *batches
	lines      packs
	all        []directory.CredentialEnd
	mayBeThere bool // what did not come
	blind      bool // one of the two collections could not be read: nothing can be said of any
	first      bool // no snapshot before has read service principals, so what they have is no news
}

func (r *reading) decideCredentials(ctx context.Context) error {
	r.snap.Credentials, r.snap.MicrosoftNew = 0, 0
	d := &credentialsOut{reading: r, out: r.batches(directory.Credentials, directory.CredentialTimelines),
		mayBeThere: r.mayBeThere("applications", "servicePrincipals"),
		blind:      r.snap.Lacks("applications") || r.snap.Lacks("servicePrincipals")}
	var err error
	if d.first, err = r.firstPrincipals(ctx); err != nil {
		return err
	}
	d.lines = packs{out: d.out, partition: directory.CredentialTimelines}
	err = sideBySide(r.credentialLines(ctx), r.decidedCredentials(ctx, r.snap, asItIs),
		func(app string, before *credentialLines, now *[]rules.Credential) error {
			var came []rules.Credential
			if now != nil {
				came = *now
			}
			lines := make(credentialLines)
			if before != nil {
				lines = *before
			}
			return d.application(ctx, app, lines, came)
		})
	if err != nil {
		return err
	}
	if err := d.lines.flush(ctx); err != nil {
		return err
	}
	if err := d.out.done(ctx); err != nil {
		return err
	}
	return r.maker.store.Put(ctx, r.snap.ID, directory.Summaries, []directory.Row{directory.EndsOfCredentials(d.all)})
}

// firstPrincipals tells whether no snapshot before has read service principals: where the one
// before could not, and knows of no credential on one.
func (r *reading) firstPrincipals(ctx context.Context) (bool, error) {
	if r.kept.on == nil || r.before.WhyUndisclosed(collections.ServicePrincipals) == nil {
		return false, nil
	}
	for app, err := range r.credentialLines(ctx) {
		if err != nil {
			return false, err
		}
		for _, line := range app.of {
			if line.OnPrincipal() {
				return false, nil
			}
		}
	}
	return true, nil
}

// application adds the rows of an application's credentials, and the timelines of these and of
// those that did not come. before are the timelines up to the snapshot before.
func (d *credentialsOut) application(
	ctx context.Context, app string, before credentialLines, all []rules.Credential,
) error {
	lines := make(credentialLines)
	for _, c := range all {
		row := directory.StoredCredential(c)
		if !d.blind {
			now, err := d.timeline(ctx, app, before, c)
			if err != nil {
				return err
			}
			lines[c.KeyID], row = now, row.WithTimeline(now)
		}
		d.snap.Credentials++
		d.all = append(d.all, directory.EndOf(c))
		if err := d.out.add(ctx, directory.Credentials, row); err != nil {
			return err
		}
	}
	for key, line := range before {
		if _, came := lines[key]; came {
			continue
		}
		now, ok := unseen[timeline.Credential, timeline.CredentialSeen](ctx, d.reading, app+key, d.mayBeThere, line)
		if ok {
			lines[key] = now
		}
	}
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		if err := d.lines.add(ctx, app+key, lines[key]); err != nil {
			return err
		}
	}
	return nil
}

// maxAdded bounds the lines of the log about credentials on Microsoft's service principals.
const maxAdded = 20

// added tells of a credential on a service principal of Microsoft's that the snapshot before did
// not have. Microsoft renews its own; one that somebody in the tenant adds gives that somebody all
// that the principal may do. Source: Mandiant, "Remediation and Hardening Strategies for Microsoft
// 365 to Defend Against UNC2452", on credentials added to service principals.
func (d *credentialsOut) added(ctx context.Context, c rules.Credential) {
	if d.snap.MicrosoftNew++; d.snap.MicrosoftNew > maxAdded {
		return
	}
	d.maker.log.WarnContext(ctx, "a credential is new on a service principal of Microsoft's: "+
		"find out who added it, unless Microsoft renewed its own", "application", c.DisplayName, "appId", c.AppID,
		"keyId", c.KeyID, "kind", string(c.Kind), "begins", stamp(c.Start))
}

// timeline is that of a credential that came.
func (d *credentialsOut) timeline(
	ctx context.Context, app string, before credentialLines, c rules.Credential,
) (timeline.Credential, error) {
	var line *timeline.Credential
	if one, ok := before[c.KeyID]; ok {
		line = &one
	} else if c.Microsoft && d.kept.on != nil && !d.first {
		d.added(ctx, c)
	}
	seen := directory.SeenCredential(c)
	seen.Doubt = d.mayBeThere
	return goOn(ctx, d.reading, app+c.KeyID, line, &seen)
}

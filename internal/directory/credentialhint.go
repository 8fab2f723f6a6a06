package directory

import (
	"context"
	"strings"
	"sync"
)

// CredentialHint is the hint of a question that is answered with a file: see credentialHint.
func (rd *Reader) CredentialHint(ctx context.Context, q CredentialQuery) (string, error) {
	if q.AppID == "" && len(q.Exclude) == 0 && (q.Owner == "" || q.Owner == "none") {
		return "", nil
	}
	page, err := rd.Credentials(ctx, q, 1, false, "")
	return page.Hint, err
}

// credentialHint says what of a question is well formed and fits nothing in the snapshot: an
// application may have lost its last secret, and an id may be mistyped. Empty: nothing is to be
// said. none tells that the whole answer is empty.
func (rd *Reader) credentialHint(ctx context.Context, snap Snapshot, q CredentialQuery, none bool) (string, error) {
	var out []string
	if q.AppID != "" {
		hint, err := rd.applicationHint(ctx, snap, q, none)
		if err != nil {
			return "", err
		}
		out = append(out, hint...)
	}
	unknown, err := rd.unknownCredentials(ctx, snap, q.Exclude)
	if err != nil {
		return "", err
	}
	if len(unknown) > 0 {
		out = append(out, "exclude leaves out nothing by "+clip(strings.Join(unknown, ", "))+
			": the snapshot has no credential of it; it may have lost its last one, be mistyped, or be "+
			"the object id of an "+
			"enterprise application whose credentials lie on the app registration: the appId names both")
	}
	if q.Owner != "" && q.Owner != "none" && none {
		out = append(out, "of the credentials that are asked for none has the owner "+clip(q.Owner)+
			": accepted are the id, the sign-in name and the mail address")
	}
	return strings.Join(out, "; "), nil
}

// applicationHint is what is said of the application whose credentials are asked for.
func (rd *Reader) applicationHint(ctx context.Context, snap Snapshot, q CredentialQuery, none bool) ([]string, error) {
	ids, err := rd.credentialIDs(ctx, snap)
	if err != nil {
		return nil, err
	}
	if !ids.apps[strings.ToLower(q.AppID)] {
		return []string{"the snapshot has no credential of application " + q.AppID +
			": appId is the client id, and no id of an object"}, nil
	}
	if !none || q.Microsoft != "" {
		return nil, nil
	}
	for row, err := range rd.store.Rows(ctx, snap.ID, snap.Checking(Range{Partition: Credentials,
		Where: CredentialQuery{AppID: q.AppID}.where()})) {
		if err != nil {
			return nil, rd.gone(snap, err)
		}
		c, err := readCredential(row)
		if err != nil {
			return nil, err
		}
		if c.RenewedByMicrosoft() {
			return []string{"credentials of application " + q.AppID + " are on a service principal of Microsoft's " +
				"and are left out: ask with microsoft=include"}, nil
		}
	}
	return nil, nil
}

// unknownCredentials are those of some ids by which no credential of a snapshot is left out.
func (rd *Reader) unknownCredentials(
	ctx context.Context, snap Snapshot, exclude []string,
) (unknown []string, err error) {
	if len(exclude) == 0 {
		return nil, nil
	}
	ids, err := rd.credentialIDs(ctx, snap)
	if err != nil {
		return nil, err
	}
	for _, id := range exclude {
		of := strings.ToLower(id)
		known := ids.apps[of] || ids.keys[of]
		if !known && ids.objects == nil {
			if ids, err = rd.credentialObjects(ctx, snap, ids); err != nil {
				return nil, err
			}
		}
		if !known && !ids.objects[of] {
			unknown = append(unknown, id)
		}
	}
	return unknown, nil
}

// knownIDs are the ids, in lower case, by which credentials of a snapshot are found.
type knownIDs struct {
	apps, keys map[string]bool
	objects    map[string]bool // on which there are credentials; nil: they were not read yet
}

// knownCredentials remembers the ids of snapshots.
type knownCredentials struct {
	mu sync.Mutex
	of map[string]knownIDs // by the snapshot's id
}

func (k *knownCredentials) get(id string) (knownIDs, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ids, ok := k.of[id]
	return ids, ok
}

func (k *knownCredentials) put(id string, ids knownIDs) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil || len(k.of) >= kept {
		k.of = make(map[string]knownIDs)
	}
	k.of[id] = ids
}

// credentialIDs are the ids of credentials in a snapshot and of their applications. Keys of rows
// have both, so that no row is read.
func (rd *Reader) credentialIDs(ctx context.Context, snap Snapshot) (knownIDs, error) {
	if ids, ok := rd.known.get(snap.ID); ok {
		return ids, nil
	}
	ids := knownIDs{apps: make(map[string]bool), keys: make(map[string]bool)}
	for row, err := range rd.store.Rows(ctx, snap.ID, Range{Partition: Credentials, KeysOnly: true}) {
		if err != nil {
			return ids, rd.gone(snap, err)
		}
		_, of, _ := strings.Cut(row.Key, "_")
		app, key, _ := strings.Cut(of, "_")
		ids.apps[strings.ToLower(app)], ids.keys[strings.ToLower(key)] = true, true
	}
	rd.known.put(snap.ID, ids)
	return ids, nil
}

// credentialObjects adds the ids of the objects, for which all rows are read: only where somebody
// leaves out something that is neither an application nor a credential.
func (rd *Reader) credentialObjects(ctx context.Context, snap Snapshot, ids knownIDs) (knownIDs, error) {
	ids.objects = make(map[string]bool)
	for row, err := range rd.store.Rows(ctx, snap.ID, snap.Checking(Range{Partition: Credentials})) {
		if err != nil {
			return ids, rd.gone(snap, err)
		}
		c, err := readCredential(row)
		if err != nil {
			return ids, err
		}
		ids.objects[strings.ToLower(c.ObjectID)] = true
	}
	rd.known.put(snap.ID, ids)
	return ids, nil
}

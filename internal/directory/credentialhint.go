package directory

import (
	"context"
	"strings"
)

// credentialHint says what of a question is well formed and fits nothing in the snapshot: an
// application may have lost its last secret, and an id may be mistyped. Empty: nothing is to be
// said. none tells that the whole answer is empty.
func (rd *Reader) credentialHint(ctx context.Context, snap Snapshot, q CredentialQuery, none bool) (string, error) {
	var out []string
	var unknown []string
	if q.AppID != "" || len(q.Exclude) > 0 {
		ids, err := rd.credentialIDs(ctx, snap)
		if err != nil {
			return "", err
		}
		if q.AppID != "" && !ids[strings.ToLower(q.AppID)] {
			out = append(out, "the snapshot has no credential of application "+q.AppID+
				": appId is the client id, and no id of an object")
		}
		for _, id := range q.Exclude {
			if !ids[strings.ToLower(id)] {
				unknown = append(unknown, id)
			}
		}
	}
	if len(unknown) > 0 {
		out = append(out, "exclude leaves out nothing by "+clip(strings.Join(unknown, ", "))+
			": the snapshot has no credential of it; it may have lost its last one, or be mistyped")
	}
	if q.Owner != "" && q.Owner != "none" && none {
		out = append(out, "of the credentials that are asked for none has the owner "+clip(q.Owner)+
			": accepted are the id, the sign-in name and the mail address")
	}
	return strings.Join(out, "; "), nil
}

// credentialIDs are the ids, in lower case, of credentials in a snapshot and of their applications
// and objects. They are read once for a snapshot.
func (rd *Reader) credentialIDs(ctx context.Context, snap Snapshot) (map[string]bool, error) {
	name := snap.ID + "\ncredentials"
	rd.mu.Lock()
	set, ok := rd.sets[name]
	rd.mu.Unlock()
	if ok {
		return set.ids, nil
	}
	ids := make(map[string]bool)
	for partition, from := range map[string]int{Credentials: 1, ReadApps: 2} { // the first id in the key that counts
		for row, err := range rd.store.Rows(ctx, snap.ID, Range{Partition: partition, KeysOnly: true}) {
			if err != nil {
				return nil, rd.gone(snap, err)
			}
			parts := strings.Split(row.Key, "_")
			for _, id := range parts[min(from, len(parts)):] {
				ids[strings.ToLower(id)] = true
			}
		}
	}
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if len(rd.sets) >= kept {
		clear(rd.sets)
	}
	rd.sets[name] = left{ids: ids}
	return ids, nil
}

package archive_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

// tampering is one thing that somebody who can write every table does, and how verify names it.
type tampered struct {
	name string
	do   func(l *lab)
	want archive.Difference
	at   string // part of "table row hour detail"
}

const recordsTable = "signinsinteractive202611"

var midKey = mid.Format(entra.HourFormat)

// row of the hour mid whose key has a part.
func (l *lab) midRow(part string) entity {
	r := l.recordRow(stream, part)
	return l.get(recordsTable, r.Partition, r.Key)
}

// forged is a record of the hour mid that Graph never showed.
func (l *lab) forged(seen time.Time) entra.Record {
	rec, err := logs.ParseRecord(stream, []byte(record(stream, "forged", start.Sub(mid.Add(20*time.Minute)),
		"never shown")))
	require.NoError(l, err)
	_, err = l.store.Insert(l.Context(), rec.Window(stream), []entra.Record{rec}, seen)
	require.NoError(l, err)
	return rec
}

// hourRow is the ledger's row of the hour mid, with other values.
func (l *lab) hourRow(change func(e entity) entity) {
	l.set(coverageTable, change(l.get(coverageTable, string(stream), midKey)))
}

func (l *lab) progressRow(change func(e entity) entity) {
	l.set(coverageTable, change(l.get(coverageTable, string(stream), "progress")))
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// inLedger changes one typed column of the hour's row.
func inHour(column, edmType string, value any) func(l *lab) {
	return func(l *lab) {
		l.hourRow(func(e entity) entity {
			if edmType == "" {
				return e.with(column, value)
			}
			return e.typed(column, edmType, value)
		})
	}
}

func inProgress(column, edmType string, value any) func(l *lab) {
	return func(l *lab) {
		l.progressRow(func(e entity) entity {
			if edmType == "" {
				return e.with(column, value)
			}
			return e.typed(column, edmType, value)
		})
	}
}

const (
	edmTime  = "Edm.DateTime"
	edmInt64 = "Edm.Int64"
)

// tamperings are those that the ledger's readers were blind to, and others.
func tamperings() []tampered {
	progress, hour := "coverage progress", "coverage "+midKey
	cases := []tampered{
		{"the progress row is gone", func(l *lab) { l.drop(coverageTable, string(stream), "progress") },
			archive.DiffLedger, progress},
		{"the progress row is another stream's", func(l *lab) {
			l.set(coverageTable, l.get(coverageTable, string(other), "progress").moved(string(stream), "progress"))
		}, archive.DiffLedger, progress},
		{"a forged row, and State=reopened", func(l *lab) {
			l.forged(l.progress(stream).SealedAt)
			inHour("State", "", "reopened")(l)
		}, archive.DiffAdded, "_forged"},
		{"a forged row, and Doubt, long ago", func(l *lab) {
			l.forged(l.progress(stream).SealedAt)
			inHour("Doubt", "", true)(l)
			p := l.progress(stream)
			_ = p
			l.progressRow(func(e entity) entity {
				return e.typed("LastSuccessAt", edmTime,
					at(time.Now().Add(-time.Hour)))
			})
		}, archive.DiffLedger, progress},
		{"a forged row that the ledger counts", func(l *lab) {
			rec := l.forged(mid.Add(2 * time.Hour))
			cov := l.hours(stream)[mid]
			cov.Sum.Add(archive.SumOf(l.store.RowKey(rec.Key), rec.Hash))
			l.hourRow(func(e entity) entity {
				return e.typed("Sum", "Edm.Binary", base64.StdEncoding.EncodeToString(cov.Sum[:])).typed("Records",
					edmInt64, fmt.Sprint(cov.Records+1)).
					typed("New", edmInt64, fmt.Sprint(cov.New+1)).typed("Fetched", edmInt64, fmt.Sprint(cov.Fetched+1))
			})
		}, archive.DiffAdded, "_forged"},
		{"Suspects over a forged row", func(l *lab) {
			l.forged(l.progress(stream).SealedAt.Add(-time.Minute))
			span := strings.Join([]string{at(mid), at(mid.Add(time.Hour)), at(mid), at(december), at(mid)}, "/")
			inProgress("Suspects", "", span)(l)
			inProgress("LastSuccessAt", edmTime, at(mid.Add(3*24*time.Hour)))(l)
		}, archive.DiffAdded, "_forged"},
		{"a copied column", func(l *lab) {
			l.set(recordsTable, l.midRow("_large").with("UserPrincipalName",
				"other@example.com"))
		}, archive.DiffAltered, "_large"},
		{"an extra column of a record", func(l *lab) { l.set(recordsTable, l.midRow("_large").with("Surplus", "x")) },
			archive.DiffAltered, "_large"},
		{"FirstSeen is set earlier", func(l *lab) {
			l.set(recordsTable, l.midRow("_large").typed("FirstSeen", edmTime, at(mid.Add(-time.Hour))))
		}, archive.DiffAltered, "_large"},
		{"Superseded of a version", func(l *lab) {
			l.set(recordsTable, l.midRow("_changes!v").typed("Superseded", edmTime, at(mid.Add(30*24*time.Hour))))
		}, archive.DiffAltered, "_changes"},
		{"Superseded of the current row", func(l *lab) {
			l.set(recordsTable, l.midRow("_large").typed("Superseded",
				edmTime, at(december)))
		}, archive.DiffAltered, "_large"},
		{"the spells of what came back", func(l *lab) {
			for _, r := range l.service.Rows(recordsTable) {
				if e := l.get(recordsTable, r.Partition, r.Key); e["Spells"] != nil {
					l.set(recordsTable, e.with("Spells", at(mid)+"/"+at(mid.Add(time.Minute))))
				}
			}
		}, archive.DiffAltered, "_changes"},
		{"an index row hides records", func(l *lab) {
			for _, r := range l.service.Rows("index202611") {
				if strings.HasPrefix(r.Key, "UserId!") {
					l.set("index202611", l.get("index202611", r.Partition, r.Key).with("Hours", 0))
				}
			}
		}, archive.DiffDerived, "index202611 UserId!"},
		{"Records of an hour", inHour("Records", edmInt64, "1"), archive.DiffLedger, hour},
		{"an hour is complete again", inHour("State", "", "complete"), archive.DiffLedger, hour},
		{"an hour was purged", inHour("State", "", "purged"), archive.DiffLedger, hour},
		{"an hour is lost", inHour("State", "", "lost"), archive.DiffLedger, hour},
		{"an hour is partial", inHour("State", "", "partial"), archive.DiffLedger, hour},
		{"Begin is earlier", inProgress("Begin", edmTime, at(november.Add(-20*time.Hour))), archive.DiffLedger,
			"coverage 2026-10-31T04"},
		{"Begin is later", inProgress("Begin", edmTime, at(november.Add(2*time.Hour))), archive.DiffLedger, progress},
		{"Watermark is later", inProgress("Watermark", edmTime, at(november.Add(40*time.Hour))), archive.DiffLedger,
			"coverage 2026-11-02T0"},
		{"Watermark is earlier", inProgress("Watermark", edmTime, at(november.Add(15*time.Hour))), archive.DiffLedger,
			progress},
		{"Watermark is in the future", inProgress("Watermark", edmTime, at(december.Add(48*time.Hour))),
			archive.DiffLedger, progress},
		{"SealedTo is later", inProgress("SealedTo", edmTime, at(november.Add(28*time.Hour))), archive.DiffLedger,
			progress},
		{"SealedTo is earlier", inProgress("SealedTo", edmTime, at(november.Add(2*time.Hour))), archive.DiffLedger,
			progress},
		{"PurgedTo is later", inProgress("PurgedTo", edmTime, at(november.Add(12*time.Hour))), archive.DiffLedger,
			progress},
		{"PurgedTo is gone", inProgress("PurgedTo", "", nil), archive.DiffLedger, progress},
		{"the totals are lower", inProgress("Records", edmInt64, "3"), archive.DiffLedger, progress},
		{"the lost hour is not counted", inProgress("Lost", "", nil), archive.DiffLedger, progress},
		{"a mark of a pass is later", inProgress("Passed", "",
			"3h0m0s="+december.Add(time.Hour).Format(time.RFC3339Nano)), archive.DiffLedger, progress},
		{"the row of an hour is gone", func(l *lab) { l.drop(coverageTable, string(stream), midKey) },
			archive.DiffLedger, hour},
		{"the row of an hour is another hour's", func(l *lab) {
			l.set(coverageTable, l.get(coverageTable, string(stream),
				mid.Add(-time.Hour).Format(entra.HourFormat)).moved(string(stream), midKey))
		}, archive.DiffLedger, hour},
		{"the row of an hour is another stream's", func(l *lab) {
			l.set(coverageTable, l.get(coverageTable, string(other), midKey).moved(string(stream), midKey))
		}, archive.DiffLedger, hour},
		{"the row of an hour is garbage", func(l *lab) { inHour("Fetched", "", true)(l) }, archive.DiffLedger, hour},
		{"an extra column of an hour", inHour("Surplus", "", "x"), archive.DiffLedger, hour},
		{"an hour in the future", func(l *lab) {
			far := december.AddDate(70, 0, 0).Format(entra.HourFormat)
			l.set(coverageTable, l.get(coverageTable, string(stream), midKey).moved(string(stream), far))
		}, archive.DiffLedger, "coverage " + december.AddDate(70, 0, 0).Format(entra.HourFormat)},
		{"a row under a key that is no hour", func(l *lab) {
			l.set(coverageTable, l.get(coverageTable, string(stream), midKey).moved(string(stream), midKey+":30"))
		}, archive.DiffLedger, hour + ":30"},
		{"a row that is none of a ledger", func(l *lab) {
			l.set(coverageTable, l.get(coverageTable, string(stream), midKey).moved(string(stream), "zzz"))
		}, archive.DiffLedger, "coverage zzz"},
		{"Sum of an hour", func(l *lab) {
			sum := archive.SumOf("a", entra.Hash{})
			inHour("Sum", "Edm.Binary", base64.StdEncoding.EncodeToString(sum[:]))(l)
		}, archive.DiffLedger, hour},
		{"Unmet of an hour", inHour("Unmet", edmInt64, "1"), archive.DiffLedger, hour},
		{"a lost part of an hour", func(l *lab) {
			inHour("LostFrom", edmTime, at(mid))(l)
			inHour("LostTo", edmTime, at(mid.Add(10*time.Minute)))(l)
		}, archive.DiffLedger, hour},
		{"Reads of an hour", inHour("Reads", "", "1 2 3"), archive.DiffLedger, hour},
		{"LastSeal of an hour", inHour("LastSeal", edmInt64, "1"), archive.DiffLedger, hour},
		{"Seals of an hour", inHour("Seals", edmInt64, "9"), archive.DiffLedger, hour},
		{"Bytes of an hour", inHour("Bytes", edmInt64, "9"), archive.DiffLedger, hour},
		{"PassedAt of an hour", inHour("PassedAt", edmTime, at(december)), archive.DiffLedger, hour},
		{"LastReadAt of an hour", inHour("LastReadAt", edmTime, at(december.Add(24*time.Hour))), archive.DiffLedger,
			hour},
		{"the lease is gone", func(l *lab) { l.drop(coverageTable, string(stream), "lease") }, archive.DiffLedger,
			"coverage lease"},
		{"the lease is garbage", func(l *lab) {
			l.set(coverageTable, l.get(coverageTable, string(stream), "lease").with("Seconds", 9999))
		}, archive.DiffLedger, "coverage lease"},
		{"the lease is an old one", func(l *lab) {
			l.set(coverageTable, l.get(coverageTable, string(stream), "lease").typed("Base", edmTime,
				at(mid)).typed("Stamp", edmTime, at(mid)))
		}, archive.DiffLedger, "coverage lease"},
		{"the revision row is gone", func(l *lab) {
			l.drop(coverageTable, string(stream), fmt.Sprintf("revision!%d", l.progress(stream).Revision))
		}, archive.DiffLedger, "coverage "},
		{"a second revision row", func(l *lab) {
			l.set(coverageTable, l.get(coverageTable, string(stream), fmt.Sprintf("revision!%d",
				l.progress(stream).Revision)).moved(string(stream), "revision!1"))
		}, archive.DiffLedger, "coverage "},
		{"a record is removed", func(l *lab) {
			e := l.recordRow(stream, "_large")
			l.drop(recordsTable, e.Partition, e.Key)
		}, archive.DiffRemoved, "_large"},
		{"a record is moved to another hour", func(l *lab) {
			e := l.midRow("_large")
			l.set(recordsTable, e.with("PartitionKey", mid.Add(time.Hour).Format(entra.HourFormat)))
			r := l.recordRow(stream, "_large")
			l.drop(recordsTable, midKey, r.Key)
		}, archive.DiffRemoved, "_large"},
		{"two records have changed their contents", func(l *lab) {
			a, b := l.midRow("_large"), l.midRow("_changes")
			a["Record"], b["Record"], a["Hash"], b["Hash"] = b["Record"], a["Record"], b["Hash"], a["Hash"]
			l.set(recordsTable, a)
			l.set(recordsTable, b)
		}, archive.DiffAltered, "_large"},
		{"a record is rolled back to an earlier content", func(l *lab) {
			current, version := l.midRow("_changes"), l.midRow("_changes!v")
			for _, column := range []string{"Record", "Hash", "Codec"} {
				current[column] = version[column]
			}
			l.set(recordsTable, current)
		}, archive.DiffAltered, "_changes"},
		{"an earlier content is removed", func(l *lab) {
			r := l.recordRow(stream, "_changes!v")
			l.drop(recordsTable, r.Partition, r.Key)
		}, archive.DiffAltered, "_changes"},
		{"a record's bytes and hash are forged", func(l *lab) {
			raw := []byte(record(stream, "large", start.Sub(mid.Add(9*time.Minute)), "forged"))
			hash := entra.HashOf(raw)
			l.set(recordsTable, l.midRow("_large").typed("Record", "Edm.Binary",
				base64.StdEncoding.EncodeToString(raw)).with("Codec", "none").
				typed("Hash", "Edm.Binary", base64.StdEncoding.EncodeToString(hash[:])).with("Record1", nil))
		}, archive.DiffAltered, "_large"},
		{"a record of another stream", func(l *lab) {
			r := l.recordRow(other, "_large")
			l.set(recordsTable, l.get("directoryaudits202611", r.Partition, r.Key))
		}, archive.DiffAltered, "_large"},
		{"rows in a partition that is no hour", func(l *lab) {
			e := l.midRow("_large")
			l.set(recordsTable, e.with("PartitionKey", midKey+":30"))
		}, archive.DiffAltered, midKey + ":30"},
		{"the dictionary is gone", func(l *lab) {
			l.drop("dictionaries", recordsTable,
				l.service.Rows("dictionaries")[1].Key)
		}, archive.DiffAltered, "dictionaries"},
		{"a row in a purged hour", func(l *lab) {
			rec, err := logs.ParseRecord(stream, []byte(record(stream, "forged",
				start.Sub(november.Add(-30*time.Minute)), "never shown")))
			require.NoError(l, err)
			_, err = l.store.Insert(l.Context(), rec.Window(stream), []entra.Record{rec}, november)
			require.NoError(l, err)
		}, archive.DiffAdded, "2026-10-31T23"},
		{"the rule of a purge", func(l *lab) {
			key := november.Add(-time.Hour).Format(entra.HourFormat)
			l.set(coverageTable, l.get(coverageTable, string(stream), key).with("Reason",
				"purged: somebody asked for it"))
		}, archive.DiffLedger, "coverage 2026-10-31T23"},
		{"a seal's time", func(l *lab) { l.set(coverageTable, l.seal(3).typed("SealedAt", edmTime, at(mid))) },
			archive.DiffLog, "seal!0000000003"},
		{"a seal's root", func(l *lab) {
			l.set(coverageTable, l.seal(3).typed("Root", "Edm.Binary", base64.StdEncoding.EncodeToString(make([]byte,
				32))))
		}, archive.DiffLog, "seal!0000000003"},
		{"a seal is garbage", func(l *lab) { l.set(coverageTable, l.seal(3).with("Hour", true)) }, archive.DiffLog,
			"seal!0000000003"},
		{"a seal is gone", func(l *lab) { l.drop(coverageTable, string(stream), "seal!0000000003") }, archive.DiffLog,
			"seal!0000000003"},
		{"a seal is another stream's", func(l *lab) {
			l.set(coverageTable, l.get(coverageTable, string(other), "seal!0000000003").moved(string(stream),
				"seal!0000000003"))
		}, archive.DiffLog, "seal!0000000003"},
		{"a seal stands twice", func(l *lab) {
			n := l.progress(stream).Seals
			l.set(coverageTable, l.seal(n-1).moved(string(stream), fmt.Sprintf("seal!%010d", n)))
		}, archive.DiffLog, "seal!"},
		{"the log is cut", func(l *lab) { l.cutLog(2) }, archive.DiffLog, "seal!"},
		{"the log is cut, and the ledger counts less", func(l *lab) {
			l.cutLog(2)
			n := fmt.Sprint(l.progress(stream).Seals - 2)
			l.progressRow(func(e entity) entity { return e.typed("Seals", edmInt64, n).typed("Heads", edmInt64, n) })
		}, archive.DiffLog, "the head of size"},
		{"the log is written anew from an entry on", func(l *lab) { l.rewriteLog() }, archive.DiffLog,
			"do not have the root"},
		{"a list of a seal is gone", func(l *lab) { l.drop(l.list()[0], l.list()[1], l.list()[2]) },
			archive.DiffDerived, "leaves202611 " + midKey},
		{"a list of a seal is garbage", func(l *lab) {
			k := l.list()
			l.set(k[0], l.get(k[0], k[1], k[2]).with("Codec", "zip"))
		}, archive.DiffDerived, "leaves202611 " + midKey},
		{"a list of a seal has another's content", func(l *lab) {
			k := l.list()
			e := l.get(k[0], k[1], k[2])
			for _, r := range l.service.Rows(k[0]) {
				if r.Partition == string(stream) && !strings.HasPrefix(r.Key, midKey) {
					l.set(k[0], l.get(k[0], k[1], r.Key).moved(k[1], k[2]))
				}
			}
			_ = e
		}, archive.DiffDerived, "leaves202611 " + midKey},
		{"a record is in quarantine under another key", func(l *lab) {
			rows := l.service.Rows("quarantine")
			r := rows[slices.IndexFunc(rows, func(r memstorage.Row) bool { return !strings.Contains(r.Key, "!") })]
			l.set("quarantine", l.get("quarantine", r.Partition, r.Key).with("RowKey", strings.Repeat("0", len(r.Key))))
		}, archive.DiffAltered, "quarantine"},
	}
	return cases
}

func (l *lab) seal(n int64) entity {
	return l.get(coverageTable, string(stream), fmt.Sprintf("seal!%010d", n))
}

// list is the table, partition and key of the list of the last seal of the hour mid.
func (l *lab) list() (key [3]string) {
	for _, r := range l.service.Rows("leaves202611") {
		if r.Partition == string(stream) && strings.HasPrefix(r.Key, midKey) {
			key = [3]string{"leaves202611", r.Partition, r.Key}
		}
	}
	return key
}

// cutLog takes the newest entries of the log away.
func (l *lab) cutLog(n int64) {
	for size := l.progress(stream).Seals; n > 0; n-- {
		size--
		l.drop(coverageTable, string(stream), fmt.Sprintf("seal!%010d", size))
	}
}

// forgedLog is a log in memory.
type forgedLog []seal.Seal

func (f forgedLog) Seal(n int64) (seal.Seal, error) { return f[n], nil }

// rewriteLog writes the log anew with another reason in an entry, all hashes right.
func (l *lab) rewriteLog() {
	var all forgedLog
	for s, err := range l.store.Seals(l.Context(), stream) {
		require.NoError(l, err)
		all = append(all, s)
	}
	var log forgedLog
	for _, s := range all {
		if s.Number == 3 {
			s.Reason = "because"
		}
		s, err := seal.Append(log, s.Number, s)
		require.NoError(l, err)
		log = append(log, s)
		l.set(coverageTable, l.seal(s.Number).with("Reason", s.Remark()).typed("Stored", "Edm.Binary",
			base64.StdEncoding.EncodeToString(seal.EncodeHashes(s.Stored))))
	}
}

// TestEveryTamperingIsNamedWithItsPlace: and verify goes on, with the other stream and the rest of
// this one.
func TestEveryTamperingIsNamedWithItsPlace(t *testing.T) {
	inLabAt(t, november.Add(5*time.Hour), func(l *lab) {
		restore := l.proven()
		sound := l.verifyAll(l.store)
		require.Empty(l, sound.Findings)
		var missed []string
		for _, c := range tamperings() {
			restore()
			c.do(l)
			store, _ := l.process()
			v := l.verifyAll(store)
			named := slices.ContainsFunc(v.Findings, func(f archive.Finding) bool {
				return f.Difference == c.want && strings.Contains(fmt.Sprintln(f.Table, f.Row,
					f.Hour.Format(entra.HourFormat), f.Detail), c.at)
			})
			switch {
			case v.Intact() || !named:
				missed = append(missed, fmt.Sprintf("%s: not named: %.900v", c.name, v.Findings))
			case v.Records < sound.Records-2:
				missed = append(missed, fmt.Sprintf("%s: it does not go on: %d records of %d", c.name, v.Records,
					sound.Records))
			case len(v.Findings) > 80:
				missed = append(missed, fmt.Sprintf("%s: once is enough, %d findings", c.name, len(v.Findings)))
			case !v.Findings[0].Difference.IsTampering():
				missed = append(missed, c.name+": tampering comes first")
			}
		}
		require.Empty(l, missed, "%s", strings.Join(missed, "\n"))
	})
}

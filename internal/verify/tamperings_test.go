package verify_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/verify"
)

// tampering is one change by an attacker who can write every table, and how verify names it.
type tampered struct {
	name string
	do   func(l *lab.Lab)
	want verify.Difference
	at   string // part of "table row hour detail"
}

const recordsTable = "signinsinteractive202611"

var midKey = mid.Format(entra.HourFormat)

// row of the hour mid whose key has a part.
func midRow(l *lab.Lab, part string) lab.Entity {
	r := recordRow(l, lab.Stream, part)
	return get(l, recordsTable, r.Partition, r.Key)
}

// forged is a record of the hour mid that Graph never showed.
func forged(l *lab.Lab, seen time.Time) entra.Record {
	rec, err := logs.ParseRecord(lab.Stream, []byte(lab.Record(lab.Stream, "forged",
		lab.Start.Sub(mid.Add(20*time.Minute)),
		"never shown")))
	require.NoError(l, err)
	_, err = l.Store.Insert(l.Context(), rec.Window(lab.Stream), []entra.Record{rec}, seen)
	require.NoError(l, err)
	return rec
}

// hourRow is the ledger's row of the hour mid, with other values.
func hourRow(l *lab.Lab, change func(e lab.Entity) lab.Entity) {
	set(l, lab.CoverageTable, change(get(l, lab.CoverageTable, string(lab.Stream), midKey)))
}

func progressRow(l *lab.Lab, change func(e lab.Entity) lab.Entity) {
	set(l, lab.CoverageTable, change(get(l, lab.CoverageTable, string(lab.Stream), "progress")))
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// inLedger changes one typed column of the hour's row.
func inHour(column, edmType string, value any) func(l *lab.Lab) {
	return func(l *lab.Lab) {
		hourRow(l, func(e lab.Entity) lab.Entity {
			if edmType == "" {
				return e.With(column, value)
			}
			return typed(e, column, edmType, value)
		})
	}
}

func inProgress(column, edmType string, value any) func(l *lab.Lab) {
	return func(l *lab.Lab) {
		progressRow(l, func(e lab.Entity) lab.Entity {
			if edmType == "" {
				return e.With(column, value)
			}
			return typed(e, column, edmType, value)
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
		{"the progress row is gone", func(l *lab.Lab) { drop(l, lab.CoverageTable, string(lab.Stream), "progress") },
			verify.DiffLedger, progress},
		{"the progress row is another stream's", func(l *lab.Lab) {
			set(l, lab.CoverageTable, moved(get(l, lab.CoverageTable, string(lab.Other), "progress"),
				string(lab.Stream),
				"progress"))
		}, verify.DiffLedger, progress},
		{"a forged row, and State=reopened", func(l *lab.Lab) {
			forged(l, l.Progress(lab.Stream).SealedAt)
			inHour("State", "", "reopened")(l)
		}, verify.DiffAdded, "_forged"},
		{"a forged row, and Doubt, long ago", func(l *lab.Lab) {
			forged(l, l.Progress(lab.Stream).SealedAt)
			inHour("Doubt", "", true)(l)
			p := l.Progress(lab.Stream)
			_ = p
			progressRow(l, func(e lab.Entity) lab.Entity {
				return typed(e, "LastSuccessAt", edmTime,
					at(time.Now().Add(-time.Hour)))
			})
		}, verify.DiffLedger, progress},
		{"a forged row that the ledger counts", func(l *lab.Lab) {
			rec := forged(l, mid.Add(2*time.Hour))
			cov := l.Hours(lab.Stream)[mid]
			cov.Sum.Add(ledger.SumOf(l.Store.RowKey(rec.Key), rec.Hash))
			hourRow(l, func(e lab.Entity) lab.Entity {
				return typed(typed(typed(typed(e, "Sum", "Edm.Binary", base64.StdEncoding.EncodeToString(cov.Sum[:])),
					"Records",
					edmInt64, fmt.Sprint(cov.Records+1)), "New", edmInt64, fmt.Sprint(cov.New+1)), "Fetched", edmInt64,
					fmt.Sprint(cov.Fetched+1))
			})
		}, verify.DiffAdded, "_forged"},
		{"Suspects over a forged row", func(l *lab.Lab) {
			forged(l, l.Progress(lab.Stream).SealedAt.Add(-time.Minute))
			span := strings.Join([]string{at(mid), at(mid.Add(time.Hour)), at(mid), at(lab.December), at(mid)}, "/")
			inProgress("Suspects", "", span)(l)
			inProgress("LastSuccessAt", edmTime, at(mid.Add(3*24*time.Hour)))(l)
		}, verify.DiffAdded, "_forged"},
		{"a copied column", func(l *lab.Lab) {
			set(l, recordsTable, midRow(l, "_large").With("UserPrincipalName",
				"other@example.com"))
		}, verify.DiffAltered, "_large"},
		{"an extra column of a record", func(l *lab.Lab) {
			set(l, recordsTable, midRow(l, "_large").With("Surplus", "x"))
		},
			verify.DiffAltered, "_large"},
		{"FirstSeen is set earlier", func(l *lab.Lab) {
			set(l, recordsTable, typed(midRow(l, "_large"), "FirstSeen", edmTime, at(mid.Add(-time.Hour))))
		}, verify.DiffAltered, "_large"},
		{"Superseded of a version", func(l *lab.Lab) {
			set(l, recordsTable, typed(midRow(l, "_changes!v"), "Superseded", edmTime, at(mid.Add(30*24*time.Hour))))
		}, verify.DiffAltered, "_changes"},
		{"Superseded of the current row", func(l *lab.Lab) {
			set(l, recordsTable, typed(midRow(l, "_large"), "Superseded",
				edmTime, at(lab.December)))
		}, verify.DiffAltered, "_large"},
		{"the spells of what came back", func(l *lab.Lab) {
			for _, r := range l.Service.Rows(recordsTable) {
				if e := get(l, recordsTable, r.Partition, r.Key); e["Spells"] != nil {
					set(l, recordsTable, e.With("Spells", at(mid)+"/"+at(mid.Add(time.Minute))))
				}
			}
		}, verify.DiffAltered, "_changes"},
		{"an index row hides records", func(l *lab.Lab) {
			for _, r := range l.Service.Rows("index202611") {
				if strings.HasPrefix(r.Key, "UserId!") {
					set(l, "index202611", get(l, "index202611", r.Partition, r.Key).With("Hours", 0))
				}
			}
		}, verify.DiffDerived, "index202611 UserId!"},
		{"Records of an hour", inHour("Records", edmInt64, "1"), verify.DiffLedger, hour},
		{"an hour is complete again", inHour("State", "", "complete"), verify.DiffLedger, hour},
		{"an hour was purged", inHour("State", "", "purged"), verify.DiffLedger, hour},
		{"an hour is lost", inHour("State", "", "lost"), verify.DiffLedger, hour},
		{"an hour is partial", inHour("State", "", "partial"), verify.DiffLedger, hour},
		{"Begin is earlier", inProgress("Begin", edmTime, at(lab.November.Add(-20*time.Hour))), verify.DiffLedger,
			"coverage 2026-10-31T04"},
		{"Begin is later", inProgress("Begin", edmTime, at(lab.November.Add(2*time.Hour))), verify.DiffLedger,
			progress},
		{"Watermark is later", inProgress("Watermark", edmTime, at(lab.November.Add(40*time.Hour))), verify.DiffLedger,
			"coverage 2026-11-02T0"},
		{"Watermark is earlier", inProgress("Watermark", edmTime, at(lab.November.Add(15*time.Hour))),
			verify.DiffLedger,
			progress},
		{"Watermark is in the future", inProgress("Watermark", edmTime, at(lab.December.Add(48*time.Hour))),
			verify.DiffLedger, progress},
		{"SealedTo is later", inProgress("SealedTo", edmTime, at(lab.November.Add(28*time.Hour))), verify.DiffLedger,
			progress},
		{"SealedTo is earlier", inProgress("SealedTo", edmTime, at(lab.November.Add(2*time.Hour))), verify.DiffLedger,
			progress},
		{"PurgedTo is later", inProgress("PurgedTo", edmTime, at(lab.November.Add(12*time.Hour))), verify.DiffLedger,
			progress},
		{"PurgedTo is gone", inProgress("PurgedTo", "", nil), verify.DiffLedger, progress},
		{"the totals are lower", inProgress("Records", edmInt64, "3"), verify.DiffLedger, progress},
		{"the lost hour is not counted", inProgress("Lost", "", nil), verify.DiffLedger, progress},
		{"a mark of a pass is later", inProgress("Passed", "",
			"3h0m0s="+lab.December.Add(time.Hour).Format(time.RFC3339Nano)), verify.DiffLedger, progress},
		{"the row of an hour is gone", func(l *lab.Lab) { drop(l, lab.CoverageTable, string(lab.Stream), midKey) },
			verify.DiffLedger, hour},
		{"the row of an hour is another hour's", func(l *lab.Lab) {
			set(l, lab.CoverageTable, moved(get(l, lab.CoverageTable, string(lab.Stream),
				mid.Add(-time.Hour).Format(entra.HourFormat)), string(lab.Stream), midKey))
		}, verify.DiffLedger, hour},
		{"the row of an hour is another stream's", func(l *lab.Lab) {
			set(l, lab.CoverageTable, moved(get(l, lab.CoverageTable, string(lab.Other), midKey), string(lab.Stream),
				midKey))
		}, verify.DiffLedger, hour},
		{"the row of an hour is garbage", func(l *lab.Lab) { inHour("Fetched", "", true)(l) }, verify.DiffLedger, hour},
		{"an extra column of an hour", inHour("Surplus", "", "x"), verify.DiffLedger, hour},
		{"an hour in the future", func(l *lab.Lab) {
			far := lab.December.AddDate(70, 0, 0).Format(entra.HourFormat)
			set(l, lab.CoverageTable, moved(get(l, lab.CoverageTable, string(lab.Stream), midKey), string(lab.Stream),
				far))
		}, verify.DiffLedger, "coverage " + lab.December.AddDate(70, 0, 0).Format(entra.HourFormat)},
		{"a row under a key that is no hour", func(l *lab.Lab) {
			set(l, lab.CoverageTable, moved(get(l, lab.CoverageTable, string(lab.Stream), midKey), string(lab.Stream),
				midKey+":30"))
		}, verify.DiffLedger, hour + ":30"},
		{"a row that is none of a ledger", func(l *lab.Lab) {
			set(l, lab.CoverageTable, moved(get(l, lab.CoverageTable, string(lab.Stream), midKey), string(lab.Stream),
				"zzz"))
		}, verify.DiffLedger, "coverage zzz"},
		{"Sum of an hour", func(l *lab.Lab) {
			sum := ledger.SumOf("a", entra.Hash{})
			inHour("Sum", "Edm.Binary", base64.StdEncoding.EncodeToString(sum[:]))(l)
		}, verify.DiffLedger, hour},
		{"Unmet of an hour", inHour("Unmet", edmInt64, "1"), verify.DiffLedger, hour},
		{"a lost part of an hour", func(l *lab.Lab) {
			inHour("LostFrom", edmTime, at(mid))(l)
			inHour("LostTo", edmTime, at(mid.Add(10*time.Minute)))(l)
		}, verify.DiffLedger, hour},
		{"Reads of an hour", inHour("Reads", "", "1 2 3"), verify.DiffLedger, hour},
		{"LastSeal of an hour", inHour("LastSeal", edmInt64, "1"), verify.DiffLedger, hour},
		{"Seals of an hour", inHour("Seals", edmInt64, "9"), verify.DiffLedger, hour},
		{"Bytes of an hour", inHour("Bytes", edmInt64, "9"), verify.DiffLedger, hour},
		{"PassedAt of an hour", inHour("PassedAt", edmTime, at(lab.December)), verify.DiffLedger, hour},
		{"LastReadAt of an hour", inHour("LastReadAt", edmTime, at(lab.December.Add(24*time.Hour))), verify.DiffLedger,
			hour},
		{"the lease is gone", func(l *lab.Lab) {
			drop(l, lab.CoverageTable, string(lab.Stream), "lease")
		}, verify.DiffLedger,
			"coverage lease"},
		{"the lease is garbage", func(l *lab.Lab) {
			set(l, lab.CoverageTable, get(l, lab.CoverageTable, string(lab.Stream), "lease").With("Seconds", 9999))
		}, verify.DiffLedger, "coverage lease"},
		{"the lease is an old one", func(l *lab.Lab) {
			set(l, lab.CoverageTable, typed(typed(get(l, lab.CoverageTable, string(lab.Stream), "lease"), "Base",
				edmTime,
				at(mid)), "Stamp", edmTime, at(mid)))
		}, verify.DiffLedger, "coverage lease"},
		{"the revision row is gone", func(l *lab.Lab) {
			drop(l, lab.CoverageTable, string(lab.Stream), fmt.Sprintf("revision!%d", l.Progress(lab.Stream).Revision))
		}, verify.DiffLedger, "coverage "},
		{"a second revision row", func(l *lab.Lab) {
			set(l, lab.CoverageTable, moved(get(l, lab.CoverageTable, string(lab.Stream), fmt.Sprintf("revision!%d",
				l.Progress(lab.Stream).Revision)), string(lab.Stream), "revision!1"))
		}, verify.DiffLedger, "coverage "},
		{"a record is removed", func(l *lab.Lab) {
			e := recordRow(l, lab.Stream, "_large")
			drop(l, recordsTable, e.Partition, e.Key)
		}, verify.DiffRemoved, "_large"},
		{"a record is moved to another hour", func(l *lab.Lab) {
			e := midRow(l, "_large")
			set(l, recordsTable, e.With("PartitionKey", mid.Add(time.Hour).Format(entra.HourFormat)))
			r := recordRow(l, lab.Stream, "_large")
			drop(l, recordsTable, midKey, r.Key)
		}, verify.DiffRemoved, "_large"},
		{"two records have changed their contents", func(l *lab.Lab) {
			a, b := midRow(l, "_large"), midRow(l, "_changes")
			a["Record"], b["Record"], a["Hash"], b["Hash"] = b["Record"], a["Record"], b["Hash"], a["Hash"]
			set(l, recordsTable, a)
			set(l, recordsTable, b)
		}, verify.DiffAltered, "_large"},
		{"a record is rolled back to an earlier content", func(l *lab.Lab) {
			current, version := midRow(l, "_changes"), midRow(l, "_changes!v")
			for _, column := range []string{"Record", "Hash", "Codec"} {
				current[column] = version[column]
			}
			set(l, recordsTable, current)
		}, verify.DiffAltered, "_changes"},
		{"an earlier content is removed", func(l *lab.Lab) {
			r := recordRow(l, lab.Stream, "_changes!v")
			drop(l, recordsTable, r.Partition, r.Key)
		}, verify.DiffAltered, "_changes"},
		{"a record's bytes and hash are forged", func(l *lab.Lab) {
			raw := []byte(lab.Record(lab.Stream, "large", lab.Start.Sub(mid.Add(9*time.Minute)), "forged"))
			hash := entra.HashOf(raw)
			set(l, recordsTable, typed(typed(midRow(l, "_large"), "Record", "Edm.Binary",
				base64.StdEncoding.EncodeToString(raw)).With("Codec", "none"), "Hash", "Edm.Binary",
				base64.StdEncoding.EncodeToString(hash[:])).With("Record1", nil))
		}, verify.DiffAltered, "_large"},
		{"a record of another stream", func(l *lab.Lab) {
			r := recordRow(l, lab.Other, "_large")
			set(l, recordsTable, get(l, "directoryaudits202611", r.Partition, r.Key))
		}, verify.DiffAltered, "_large"},
		{"rows in a partition that is no hour", func(l *lab.Lab) {
			e := midRow(l, "_large")
			set(l, recordsTable, e.With("PartitionKey", midKey+":30"))
		}, verify.DiffAltered, midKey + ":30"},
		{"the dictionary is gone", func(l *lab.Lab) {
			drop(l, "dictionaries", recordsTable,
				l.Service.Rows("dictionaries")[1].Key)
		}, verify.DiffAltered, "dictionaries"},
		{"a row in a purged hour", func(l *lab.Lab) {
			rec, err := logs.ParseRecord(lab.Stream, []byte(lab.Record(lab.Stream, "forged",
				lab.Start.Sub(lab.November.Add(-30*time.Minute)), "never shown")))
			require.NoError(l, err)
			_, err = l.Store.Insert(l.Context(), rec.Window(lab.Stream), []entra.Record{rec}, lab.November)
			require.NoError(l, err)
		}, verify.DiffAdded, "2026-10-31T23"},
		{"the rule of a purge", func(l *lab.Lab) {
			key := lab.November.Add(-time.Hour).Format(entra.HourFormat)
			set(l, lab.CoverageTable, get(l, lab.CoverageTable, string(lab.Stream), key).With("Reason",
				"purged: somebody asked for it"))
		}, verify.DiffLedger, "coverage 2026-10-31T23"},
		{"a seal's time", func(l *lab.Lab) {
			set(l, lab.CoverageTable,
				typed(sealEntry(l, 3), "SealedAt", edmTime, at(mid)))
		},
			verify.DiffLog, "seal!0000000003"},
		{"a seal's root", func(l *lab.Lab) {
			set(l, lab.CoverageTable, typed(sealEntry(l, 3), "Root", "Edm.Binary",
				base64.StdEncoding.EncodeToString(make([]byte,
					32))))
		}, verify.DiffLog, "seal!0000000003"},
		{"a seal is garbage", func(l *lab.Lab) { set(l, lab.CoverageTable, sealEntry(l, 3).With("Hour", true)) },
			verify.DiffLog,
			"seal!0000000003"},
		{"a seal is gone", func(l *lab.Lab) { drop(l, lab.CoverageTable, string(lab.Stream), "seal!0000000003") },
			verify.DiffLog,
			"seal!0000000003"},
		{"a seal is another stream's", func(l *lab.Lab) {
			set(l, lab.CoverageTable, moved(get(l, lab.CoverageTable, string(lab.Other), "seal!0000000003"),
				string(lab.Stream),
				"seal!0000000003"))
		}, verify.DiffLog, "seal!0000000003"},
		{"a seal stands twice", func(l *lab.Lab) {
			n := l.Progress(lab.Stream).Seals
			set(l, lab.CoverageTable, moved(sealEntry(l, n-1), string(lab.Stream), fmt.Sprintf("seal!%010d", n)))
		}, verify.DiffLog, "seal!"},
		{"the log is cut", func(l *lab.Lab) { cutLog(l, 2) }, verify.DiffLog, "seal!"},
		{"the log is cut, and the ledger counts less", func(l *lab.Lab) {
			cutLog(l, 2)
			n := fmt.Sprint(l.Progress(lab.Stream).Seals - 2)
			progressRow(l, func(e lab.Entity) lab.Entity {
				return typed(typed(e, "Seals", edmInt64, n), "Heads", edmInt64, n)
			})
		}, verify.DiffLog, "the head of size"},
		{"the log is written anew from an entry on", func(l *lab.Lab) { rewriteLog(l) }, verify.DiffLog,
			"do not have the root"},
		{"a list of a seal is gone", func(l *lab.Lab) { drop(l, list(l)[0], list(l)[1], list(l)[2]) },
			verify.DiffDerived, "leaves202611 " + midKey},
		{"a list of a seal is garbage", func(l *lab.Lab) {
			k := list(l)
			set(l, k[0], get(l, k[0], k[1], k[2]).With("Codec", "zip"))
		}, verify.DiffDerived, "leaves202611 " + midKey},
		{"a list of a seal has another's content", func(l *lab.Lab) {
			k := list(l)
			e := get(l, k[0], k[1], k[2])
			for _, r := range l.Service.Rows(k[0]) {
				if r.Partition == string(lab.Stream) && !strings.HasPrefix(r.Key, midKey) {
					set(l, k[0], moved(get(l, k[0], k[1], r.Key), k[1], k[2]))
				}
			}
			_ = e
		}, verify.DiffDerived, "leaves202611 " + midKey},
		{"a record is in quarantine under another key", func(l *lab.Lab) {
			rows := l.Service.Rows("quarantine")
			r := rows[slices.IndexFunc(rows, func(r memstorage.Row) bool { return !strings.Contains(r.Key, "!") })]
			set(l, "quarantine", get(l, "quarantine", r.Partition, r.Key).With("RowKey",
				strings.Repeat("0", len(r.Key))))
		}, verify.DiffAltered, "quarantine"},
	}
	return cases
}

func sealEntry(l *lab.Lab, n int64) lab.Entity {
	return get(l, lab.CoverageTable, string(lab.Stream), fmt.Sprintf("seal!%010d", n))
}

// list is the table, partition and key of the list of the last seal of the hour mid.
func list(l *lab.Lab) (key [3]string) {
	for _, r := range l.Service.Rows("leaves202611") {
		if r.Partition == string(lab.Stream) && strings.HasPrefix(r.Key, midKey) {
			key = [3]string{"leaves202611", r.Partition, r.Key}
		}
	}
	return key
}

// cutLog deletes the newest entries of the log.
func cutLog(l *lab.Lab, n int64) {
	for size := l.Progress(lab.Stream).Seals; n > 0; n-- {
		size--
		drop(l, lab.CoverageTable, string(lab.Stream), fmt.Sprintf("seal!%010d", size))
	}
}

// forgedLog is a log in memory.
type forgedLog []seal.Seal

func (f forgedLog) Seal(n int64) (seal.Seal, error) { return f[n], nil }

// rewriteLog rewrites the log with another reason in an entry, all hashes right.
func rewriteLog(l *lab.Lab) {
	var all forgedLog
	for s, err := range l.Store.Seals(l.Context(), lab.Stream) {
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
		set(l, lab.CoverageTable, typed(sealEntry(l, s.Number).With("Reason", s.Remark()), "Stored", "Edm.Binary",
			base64.StdEncoding.EncodeToString(seal.EncodeHashes(s.Stored))))
	}
}

// TestEveryTamperingIsNamedWithItsPlace: and verify continues, with the other stream and the rest
// of this one.
func TestEveryTamperingIsNamedWithItsPlace(t *testing.T) {
	lab.InAt(t, lab.November.Add(5*time.Hour), func(l *lab.Lab) {
		restore := proven(l)
		sound := verifyAll(l, l.Store)
		require.Empty(l, sound.Findings)
		var missed []string
		for _, c := range tamperings() {
			restore()
			c.do(l)
			store, _ := l.Process()
			v := verifyAll(l, store)
			named := slices.ContainsFunc(v.Findings, func(f verify.Finding) bool {
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

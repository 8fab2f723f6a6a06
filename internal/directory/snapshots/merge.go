package snapshots

import (
	"iter"
	"strings"

	"github.com/entraledger/entraledger/internal/directory"
)

// merged walks through a partition in the order of its keys beside another walk in the same order,
// so that what belongs together is joined without holding either in memory.
type merged struct {
	next func() (directory.Row, error, bool)
	stop func()
	row  directory.Row
	err  error
	ok   bool
}

func newMerged(rows iter.Seq2[directory.Row, error]) *merged {
	m := &merged{}
	m.next, m.stop = iter.Pull2(rows)
	m.row, m.err, m.ok = m.next()
	return m
}

// of yields the rows whose key is the prefix or begins with it and an underscore. Prefixes have to
// come in order.
func (m *merged) of(prefix string, yield func(directory.Row) error) error {
	for m.ok && m.err == nil {
		first, _, _ := strings.Cut(m.row.Key, "_")
		if first > prefix {
			return nil
		}
		if first == prefix {
			if err := yield(m.row); err != nil {
				return err
			}
		}
		m.row, m.err, m.ok = m.next()
	}
	return m.err
}

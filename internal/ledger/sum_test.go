package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

func TestASumTellsContentsApartInAnyOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	all := make([]ledger.Sum, 200)
	for i := range all {
		all[i] = ledger.SumOf(fmt.Sprint("key-", i), entra.HashOf([]byte(fmt.Sprint(i))))
	}
	total := func() (s ledger.Sum) {
		for _, one := range all {
			s.Add(one)
		}
		return s
	}
	want := total()
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	require.Equal(t, want, total())
	less := want
	less.Sub(all[7])
	require.NotEqual(t, want, less)
	less.Add(all[7])
	require.Equal(t, want, less)
	twice := want
	twice.Add(all[7])
	require.NotEqual(t, want, twice, "a content that is there twice shows")
	h := entra.HashOf([]byte("x"))
	require.NotEqual(t, ledger.SumOf("a", h), ledger.SumOf("b", h), "the key counts")
	require.NotEqual(t, ledger.SumOf("a", h), ledger.SumOf("a", entra.HashOf([]byte("y"))), "the content counts")
	var zero ledger.Sum
	zero.Sub(all[0])
	zero.Add(all[0])
	require.Zero(t, zero, "carries go through all bytes")
}

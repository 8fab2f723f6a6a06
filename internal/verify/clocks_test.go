package verify_test

import (
	"github.com/entraledger/entraledger/internal/dev/lab"
)

func clear(w *lab.Words) {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.All.Reset()
}

package importing_test

import (
	"bytes"
	"testing"

	"github.com/entraledger/entraledger/internal/dev/keptfiles"
	"github.com/entraledger/entraledger/internal/importing"
)

// BenchmarkReader reads each form.
func BenchmarkReader(b *testing.B) {
	for name, form := range keptfiles.Forms() {
		b.Run(name, func(b *testing.B) {
			file := form(made(2000))
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				r, err := importing.NewReader(bytes.NewReader(file), importing.Options{}, importing.Place{})
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = r.Next()
				}
			}
		})
	}
}

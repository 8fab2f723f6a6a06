package importing

import (
	"errors"
	"io"
)

// EachEntry yields the entries of an unpacked file of any format as JSON, whatever they are of, and
// returns how many could not be read. What is yielded is valid until yield returns. Errors: those of
// NewReader, a *Cut at the end of a file that is not whole, and those of yield.
func EachEntry(in io.Reader, yield func(raw []byte) error) (refused int64, err error) {
	r, err := NewReader(in, Options{}, Place{})
	if err != nil {
		return 0, err
	}
	for {
		e, err := r.elements.next()
		if errors.Is(err, io.EOF) {
			return refused, nil
		}
		if err != nil {
			return refused, err
		}
		if e.refused != "" {
			refused++
			continue
		}
		r.element = e
		r.unpack(e)
		for _, v := range r.pending {
			if err := yield([]byte(v.Raw)); err != nil {
				return refused, err
			}
		}
	}
}

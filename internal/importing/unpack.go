package importing

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// Unpack is a file's text: gzip is unpacked, and UTF-16, which Windows PowerShell writes, becomes
// UTF-8. Places count its bytes.
func Unpack(file io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(file, 256<<10)
	if head, _ := in.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		packed, err := gzip.NewReader(in)
		if err != nil {
			return nil, &Cut{Unit: "byte", Why: err.Error()}
		}
		in = bufio.NewReaderSize(packed, 256<<10)
	}
	switch head, _ := in.Peek(2); string(head) {
	case "\xff\xfe":
		_, _ = in.Discard(2) // they were looked at
		return &wideText{in: in, order: binary.LittleEndian}, nil
	case "\xfe\xff":
		_, _ = in.Discard(2)
		return &wideText{in: in, order: binary.BigEndian}, nil
	}
	return in, nil
}

// wideText reads UTF-16 as UTF-8.
type wideText struct {
	in    *bufio.Reader
	order binary.ByteOrder
	out   []byte
	unit  [2]byte
	high  rune // half of a pair
	err   error
}

func (w *wideText) Read(p []byte) (int, error) {
	for len(w.out) < len(p) && w.err == nil {
		if _, err := io.ReadFull(w.in, w.unit[:]); err != nil {
			w.err = err // half a character at the end is the end of a file that was cut
			break
		}
		c := rune(w.order.Uint16(w.unit[:]))
		switch {
		case w.high != 0:
			pair := utf16.DecodeRune(w.high, c)
			if w.high = 0; pair == utf8.RuneError && !utf16.IsSurrogate(c) { // half a pair, and then a whole character
				w.out = utf8.AppendRune(w.out, utf8.RuneError)
			} else {
				c = pair
			}
		case utf16.IsSurrogate(c):
			w.high = c
			continue
		}
		w.out = utf8.AppendRune(w.out, c)
	}
	n := copy(p, w.out)
	w.out = w.out[:copy(w.out, w.out[n:])]
	if n == 0 {
		return 0, w.err
	}
	return n, nil
}

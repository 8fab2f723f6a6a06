package generate

import (
	"encoding/json"
	"strconv"
	"time"
)

// writer appends JSON.
type writer struct{ b []byte }

func (w *writer) raw(text string) { w.b = append(w.b, text...) }

// key begins a property: ,"name": within an object, without the comma at its start.
func (w *writer) key(name string) {
	if last := w.b[len(w.b)-1]; last != '{' && last != '[' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) str(name, value string) {
	w.key(name)
	w.quote(value)
}

func (w *writer) quote(value string) {
	for i := range len(value) {
		if c := value[i]; c < 0x20 || c == '"' || c == '\\' {
			text, _ := json.Marshal(value) // a string always has a JSON form
			w.b = append(w.b, text...)
			return
		}
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, value...)
	w.b = append(w.b, '"')
}

func (w *writer) lit(name, literal string) {
	w.key(name)
	w.b = append(w.b, literal...)
}

func (w *writer) num(name string, n int) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, int64(n), 10)
}

func (w *writer) nulls(names ...string) {
	for _, name := range names {
		w.lit(name, "null")
	}
}

func (w *writer) strs(value string, names ...string) {
	for _, name := range names {
		w.str(name, value)
	}
}

func (w *writer) time(name string, at time.Time) {
	w.key(name)
	w.b = append(w.b, '"')
	w.b = at.AppendFormat(w.b, time.RFC3339Nano)
	w.b = append(w.b, '"')
}

func (w *writer) guid(name string, r *rand) {
	w.key(name)
	w.b = append(w.b, '"')
	w.b = appendGUID(w.b, r)
	w.b = append(w.b, '"')
}

func (w *writer) open(name string, bracket byte) {
	w.key(name)
	w.b = append(w.b, bracket)
}

// item begins an element of a list.
func (w *writer) item() {
	if w.b[len(w.b)-1] != '[' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '{')
}

const hexDigits = "0123456789abcdef"

func appendGUID(b []byte, r *rand) []byte {
	hi, lo := r.next(), r.next()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			b = append(b, '-')
		}
		word := hi
		if i >= 16 {
			word = lo
		}
		b = append(b, hexDigits[word>>(60-4*(i%16))&15])
	}
	return b
}

func guid(r *rand) string { return string(appendGUID(nil, r)) }

// token is a text of n characters as in base64url.
func token(r *rand, n int) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	b := make([]byte, n)
	for i := range b {
		b[i] = digits[r.below(64)]
	}
	return string(b)
}

// next begins an element of an array, with the comma that parts it from the one before.
func (w *writer) next() {
	if w.b[len(w.b)-1] != '[' {
		w.b = append(w.b, ',')
	}
}

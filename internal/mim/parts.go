package mim

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Part is a part of a request that the service split, as one event 4137 had it.
type Part struct {
	Request string // its HybridObjectID
	Number  int    // from 1
	Of      int    // how many there are
	Text    string
	Came    Delivery
}

// mostParts bounds into how many events a request may be split: some 8 MB of text, which are joined in
// memory.
const mostParts = 250

// longestPart bounds the text of a part in bytes. An event has at most 31,839 characters. Source:
// learn.microsoft.com/windows/win32/api/winbase/nf-winbase-reporteventw, "lpStrings".
const longestPart = 128 << 10

// partHead is in front of a part. Servers write "Request '<guid>', message 1 out of 3:" and a line's
// end; the documentation has "Request: <GUID> , message 1 out of 3".
var partHead = regexp.MustCompile(`(?i)^\s*Request\s*:?\s*['"]?\{?(` + guidPattern + `)\}?['"]?\s*,\s*message\s+` +
	`(\d{1,4})\s+(?:out\s+)?of\s+(\d{1,4})[ \t]*[:.]?(?:[ \t]*\r?\n|[ \t]?)`)

// ReadPart reads the part that an event is. Errors: ErrNoPart.
func ReadPart(e Event, came Delivery) (Part, error) {
	head := partHead.FindStringSubmatchIndex(e.Message)
	if head == nil {
		return Part{}, ErrNoPart
	}
	group := func(i int) string { return e.Message[head[2*i]:head[2*i+1]] }
	number, _ := strconv.Atoi(group(2)) // they are digits
	of, _ := strconv.Atoi(group(3))
	if number < 1 || number > of || of > mostParts || len(e.Message) > longestPart {
		return Part{}, ErrNoPart
	}
	return Part{Request: guid(group(1)), Number: number, Of: of, Text: e.Message[head[1]:], Came: came}, nil
}

// near is how far apart the events of one request may be by their times: the service writes them
// one after the other.
const near = 10 * time.Minute

// Join finds the parts that make one whole request among those that are there of a request and
// number of parts. A request may be logged more than once, in other states, and its parts then may
// have texts in common: those are it that one server logged in one run. Where each number came with
// one text alone, the parts of several servers make it, too. It returns nil where no whole one is
// there; false, where all parts are there and make no request.
func Join(parts []Part) (text string, used []Part, sound bool) {
	if len(parts) == 0 {
		return "", nil, true
	}
	sound = true
	for _, candidate := range candidates(parts) {
		var whole strings.Builder
		for _, p := range candidate {
			whole.WriteString(p.Text)
		}
		text := whole.String()
		if Shallow(text) && gjson.Valid(text) {
			doc := gjson.Parse(text)
			if doc.IsObject() && guid(members(doc)["hybridobjectid"].String()) == parts[0].Request {
				return text, candidate, true
			}
		}
		sound = false
	}
	return "", nil, sound
}

// candidates are the sets of parts that may be a whole request, each in the order of the numbers.
func candidates(parts []Part) [][]Part {
	out := runsOf(parts)
	byNumber := make(map[int][]Part)
	for _, p := range parts {
		byNumber[p.Number] = append(byNumber[p.Number], p)
	}
	for n := 1; n <= parts[0].Of; n++ {
		all := byNumber[n]
		if len(all) == 0 || slices.ContainsFunc(all, func(o Part) bool { return o.Text != all[0].Text }) {
			return out
		}
	}
	for _, first := range byNumber[1] {
		whole := []Part{first}
		for n := 2; n <= first.Of; n++ {
			whole = append(whole, slices.MinFunc(byNumber[n], func(a, b Part) int {
				return cmp.Compare(a.Came.At.Sub(first.Came.At).Abs(), b.Came.At.Sub(first.Came.At).Abs())
			}))
		}
		if together(whole) {
			return append(out, whole)
		}
	}
	return out
}

// together reports whether parts were logged within a moment, as far as their times tell.
func together(parts []Part) bool {
	var first, last time.Time
	for _, p := range parts {
		if p.Came.ByArrival {
			continue
		}
		if first.IsZero() || p.Came.At.Before(first) {
			first = p.Came.At
		}
		if p.Came.At.After(last) {
			last = p.Came.At
		}
	}
	return last.Sub(first) <= near
}

// runsOf are the whole runs of each server: in the order of its numbers, until one comes again.
// Events without a number, which Azure Monitor brought, are in the order of their times.
func runsOf(parts []Part) [][]Part {
	byComputer := make(map[string][]Part)
	var computers []string
	for _, p := range parts {
		key := fmt.Sprint(strings.ToLower(p.Came.Computer), "\n", p.Came.RecordID > 0)
		if byComputer[key] == nil {
			computers = append(computers, key)
		}
		byComputer[key] = append(byComputer[key], p)
	}
	slices.Sort(computers)
	var out [][]Part
	for _, computer := range computers {
		own := byComputer[computer]
		slices.SortStableFunc(own, func(a, b Part) int {
			if c := a.Came.RecordID - b.Came.RecordID; c != 0 {
				return int(max(-1, min(1, c)))
			}
			return a.Came.At.Compare(b.Came.At)
		})
		run := make(map[int]Part)
		for _, p := range own {
			if _, again := run[p.Number]; again {
				run = make(map[int]Part)
			}
			run[p.Number] = p
			if len(run) < p.Of {
				continue
			}
			whole := make([]Part, 0, p.Of)
			for n := 1; n <= p.Of; n++ {
				whole = append(whole, run[n])
			}
			if together(whole) {
				out = append(out, whole)
			}
			run = make(map[int]Part)
		}
	}
	return out
}

// Vault encrypts parts that wait: what may not be stored can't be found in a part, because it may
// begin in one and end in the next.
type Vault struct {
	seal cipher.AEAD
	mac  []byte
}

// KeyBytes is how long the key of a Vault is.
const KeyBytes = 32

// ErrOtherKey says that a part was encrypted with another key, or is not what was written.
var ErrOtherKey = errors.New("the part can't be decrypted with this key")

// NewVault makes a Vault of a key of KeyBytes.
func NewVault(key []byte) (*Vault, error) {
	if len(key) != KeyBytes {
		return nil, errors.New("the key has not 32 bytes")
	}
	block, err := aes.NewCipher(derived(key, "parts of requests"))
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCM(block)
	return &Vault{seal: seal, mac: derived(key, "names of parts")}, err
}

func derived(key []byte, of string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(of))
	return mac.Sum(nil)
}

// Name tells an event that brought a part from every other one, and nothing of its text to who has
// not the key. It is the same for each delivery of that event.
func (v *Vault) Name(p Part) string {
	sent := p.Came.Sent
	if !p.Came.ByArrival {
		sent = p.Came.At.UTC().Format(time.RFC3339Nano)
	}
	return p.Request + "!" + pad(p.Of) + "!" + pad(p.Number) + "!" + v.hash(p.Text) + "!" +
		v.hash(fmt.Sprintf("%s\n%d\n%s", strings.ToLower(p.Came.Computer), p.Came.RecordID, sent))
}

func (v *Vault) hash(text string) string {
	mac := hmac.New(sha256.New, v.mac)
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// TextOf begins the names of all parts that have the number and the text of one.
func TextOf(name string) string { return name[:strings.LastIndexByte(name, '!')+1] }

// GroupOf begins the names of all parts of one request that was split into as many.
func GroupOf(p Part) string { return p.Request + "!" + pad(p.Of) + "!" }

func pad(n int) string { return strings.Repeat("0", max(0, 4-len(strconv.Itoa(n)))) + strconv.Itoa(n) }

// Seal encrypts a part. The name is bound to it.
func (v *Vault) Seal(p Part) ([]byte, error) {
	plain, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, v.seal.NonceSize())
	_, _ = rand.Read(nonce) // it never fails
	return v.seal.Seal(nonce, nonce, plain, []byte(v.Name(p))), nil
}

// Open decrypts the part of a name. Errors: ErrOtherKey.
func (v *Vault) Open(name string, sealed []byte) (Part, error) {
	var p Part
	if len(sealed) < v.seal.NonceSize() {
		return p, ErrOtherKey
	}
	plain, err := v.seal.Open(nil, sealed[:v.seal.NonceSize()], sealed[v.seal.NonceSize():], []byte(name))
	if err != nil || json.Unmarshal(plain, &p) != nil || v.Name(p) != name {
		return Part{}, ErrOtherKey
	}
	return p, nil
}

// AsEvent is the event that a part came as, for its quarantine.
func (p Part) AsEvent() Event {
	sent := p.Came.Sent
	if !p.Came.ByArrival {
		sent = p.Came.At.UTC().Format(time.RFC3339Nano)
	}
	return Event{ID: EventPart, Time: sent, Computer: p.Came.Computer, RecordID: p.Came.RecordID,
		Message: fmt.Sprintf("Request '%s', message %d out of %d:\n%s", p.Request, p.Number, p.Of, p.Text)}
}

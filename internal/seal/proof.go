package seal

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Proof shows that one record was part of a window when it was sealed, and the seal part of the
// stream's log at its head. It needs nothing of the archive to be checked: docs/proof.md has the
// rules.
type Proof struct {
	RecordText  string   `json:"record" text:"The record as Graph sent it"`
	RecordHash  string   `json:"recordHash" text:"Its SHA-256"`
	Leaf        int64    `json:"leaf" text:"Its place in the hour"`
	WindowProof []string `json:"windowProof" text:"From the record to the seal"`
	Seal        string   `json:"seal" text:"The seal"`
	Entry       int64    `json:"entry" text:"The seal's place in the log"`
	LogProof    []string `json:"logProof" text:"From the seal to the head"`
	Head        string   `json:"head" text:"The head of the log"`

	// When the content was there, as Leaf.DatesAt has it, and its path in the dates' tree; absent
	// where the seal does not cover them.
	Dates      string   `json:"dates,omitempty"`
	DatesProof []string `json:"datesProof,omitempty" text:"From the record to the seal"`

	// Where the record came from that was not read from its source, as entra.Origin has it. It is a
	// part of the leaf: without it the proof does not hold.
	Origin string `json:"origin,omitempty"`
}

// Texts are those that are too long for their line.
func (Proof) Texts() map[string]string {
	return map[string]string{
		"origin": "Where the record came from: kind, SHA-256 of the file, when, who, name; absent where it was read " +
			"from its source",
		"dates": "When the record was first seen, and from when to when it was current; absent for seals without dates",
	}
}

// ErrNotSealed says that a record is not part of a seal.
var ErrNotSealed = errors.New("the record is not part of the window as it was sealed")

// Prove makes the proof of a content. sealed are the leaves of its window's seal, in their order.
func Prove(log Log, head Head, s Seal, sealed []Leaf, raw []byte, of Leaf) (Proof, error) {
	at, hash := -1, of.Hash
	for i, l := range sealed {
		if l.Hash == hash && l.Key == of.Key && l.Origin == of.Origin {
			at = i
			break
		}
	}
	if at < 0 {
		return Proof{}, ErrNotSealed
	}
	inWindow, err := tlog.ProveRecord(int64(len(sealed)), int64(at), treeOf(sealed))
	if err != nil {
		return Proof{}, fmt.Errorf("prove a record: %w", err)
	}
	inLog, err := tlog.ProveRecord(head.Size, s.Number, hashes{log})
	if err != nil {
		return Proof{}, fmt.Errorf("prove a seal: %w", err)
	}
	p := Proof{RecordText: string(raw), RecordHash: hexOf(hash), Leaf: int64(at), Seal: string(s.Text()),
		Entry: s.Number, Head: string(head.Text()), Origin: of.Origin,
		WindowProof: []string{}, LogProof: []string{}}
	for _, h := range inWindow {
		p.WindowProof = append(p.WindowProof, base64Of(h))
	}
	for _, h := range inLog {
		p.LogProof = append(p.LogProof, base64Of(h))
	}
	if s.Dated {
		p.Dates = sealed[at].DatesAt(s.SealedAt)
		dated, err := tlog.ProveRecord(int64(len(sealed)), int64(at), datedTree(sealed, s.SealedAt))
		if err != nil {
			return Proof{}, fmt.Errorf("prove a record's dates: %w", err)
		}
		for _, h := range dated {
			p.DatesProof = append(p.DatesProof, base64Of(h))
		}
	}
	return p, nil
}

// Check reports whether a proof holds: the record's bytes have the hash, the hash is a leaf of the
// seal's tree, the seal an entry of the log with the head. trusted is a head that the checker has
// from elsewhere, for example the write-once blob; nil if only the proof's own is available.
func Check(p Proof, trusted *Head) (Seal, error) {
	hash := entra.HashOf([]byte(p.RecordText))
	if hexOf(hash) != p.RecordHash {
		return Seal{}, fmt.Errorf("check the record: its SHA-256 is %s, not %s", hexOf(hash), p.RecordHash)
	}
	s, err := ParseSeal([]byte(p.Seal))
	if err != nil {
		return Seal{}, err
	}
	s.Number = p.Entry
	inWindow, err := parseHashes(p.WindowProof)
	if err != nil {
		return s, err
	}
	if _, err := entra.ParseOrigin(p.Origin); err != nil {
		return s, fmt.Errorf("check the record: %w", err)
	}
	if err := tlog.CheckRecord(inWindow, s.Leaves, s.Root, p.Leaf, leafHash(hash, p.Origin)); err != nil {
		return s, fmt.Errorf("check the record: it is not leaf %d of the %d that were sealed: %w", p.Leaf, s.Leaves,
			err)
	}
	if err := p.checkDates(s, hash); err != nil {
		return s, err
	}
	rec, err := logs.ParseRecord(s.Stream, []byte(p.RecordText))
	if err != nil {
		return s, fmt.Errorf("check the record: %w", err)
	}
	if rec.Window(s.Stream) != s.Window {
		return s, fmt.Errorf("check the record: it is of %s, the seal of %s", rec.Window(s.Stream), s.Window)
	}
	return s, p.checkLog(s, trusted)
}

// checkLog reports whether the seal is the log's entry at the head.
func (p Proof) checkLog(s Seal, trusted *Head) error {
	head, err := ParseHead([]byte(p.Head))
	if err != nil {
		return err
	}
	if trusted != nil && *trusted != head {
		return fmt.Errorf("check the head: the proof is for %s of size %d with root %s, the head given is of "+
			"%s, size %d, root %s",
			head.Stream, head.Size, head.Root, trusted.Stream, trusted.Size, trusted.Root)
	}
	if head.Stream != s.Stream {
		return fmt.Errorf("check the head: it is of %s, the seal of %s", head.Stream, s.Stream)
	}
	inLog, err := parseHashes(p.LogProof)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(inLog, head.Size, head.Root, p.Entry, tlog.RecordHash([]byte(p.Seal))); err != nil {
		return fmt.Errorf("check the seal: it is not entry %d of the log of %d: %w", p.Entry, head.Size, err)
	}
	return nil
}

// checkDates reports whether the dates of a proof are those that were sealed. A proof without them
// does not prove when the record was there.
func (p Proof) checkDates(s Seal, hash entra.Hash) error {
	if p.Dates == "" && len(p.DatesProof) == 0 {
		return nil
	}
	if !s.Dated {
		return errors.New("check the dates: the seal does not cover them, and the proof has some")
	}
	path, err := parseHashes(p.DatesProof)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(path, s.Leaves, s.Dates, p.Leaf, datedHash(hash, p.Dates)); err != nil {
		return fmt.Errorf("check the dates: %q is not what was sealed of leaf %d: %w", p.Dates, p.Leaf, err)
	}
	return nil
}

func parseHashes(texts []string) (tlog.RecordProof, error) {
	var out tlog.RecordProof
	for _, text := range texts {
		h, err := tlog.ParseHash(text)
		if err != nil {
			return nil, fmt.Errorf("read the proof: %w", err)
		}
		out = append(out, h)
	}
	return out, nil
}

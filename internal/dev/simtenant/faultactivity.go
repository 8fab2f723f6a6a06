package simtenant

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/tidwall/gjson"
)

// The kinds of fault by which a part of a page of users comes without sign-in activity. Source:
// github.com/microsoftgraph/msgraph-sdk-powershell/issues/1898.
const (
	BlankBeyond Kind = "blank-beyond" // all users of a page after the first Records, 120 by default
	BlankFirst  Kind = "blank-first"  // the first Records users of a page, 100 by default
	BlankSome   Kind = "blank-some"   // Records in a hundred, 50 by default, others in each walk
	BlankSame   Kind = "blank-same"   // the same, with the same users in each answer
)

// partlyBlank are the kinds that leave out a part of a page's activity.
func partlyBlank() []Kind { return []Kind{BlankBeyond, BlankFirst, BlankSome, BlankSame} }

// leavesOutPart reports whether the fault leaves out a part of a page's activity.
func (f *Fault) leavesOutPart() bool { return f != nil && slices.Contains(partlyBlank(), f.Kind) }

// blanks reports whether the fault leaves out the activity of a page's user. n is how many users of
// the page come before.
func (f *Fault) blanks(n int, user []byte, walk uint32) bool {
	switch f.Kind {
	case BlankBeyond:
		return n >= orDefault(f.Records, 120)
	case BlankFirst:
		return n < orDefault(f.Records, 100)
	case BlankSame:
		walk = 0
	}
	salted := binary.BigEndian.AppendUint32([]byte(gjson.GetBytes(user, "id").Str), walk)
	sum := sha256.Sum256(salted)
	return int(binary.BigEndian.Uint16(sum[:])%100) < orDefault(f.Records, 50)
}

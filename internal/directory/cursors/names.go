package cursors

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/entraledger/entraledger/internal/entra"
)

// maxName is how many characters a reader's name has at most.
const maxName = 64

// KeyOf is the key under which a reader of a name is kept: names that differ in case alone name the
// same one. A name has 1 to 64 letters, digits, -, _ and . and is more than dots, of which clients
// make another path. The error is an *entra.Error with CodeBadRequest.
func KeyOf(name string) (string, error) {
	why := ""
	switch n := utf8.RuneCountInString(name); {
	case name == "":
		why = "it is empty"
	case n > maxName:
		why = fmt.Sprintf("it has %d characters", n)
	case strings.Trim(name, ".") == "":
		why = strconv.Quote(name) + " has only dots"
	default:
		if at := strings.IndexFunc(name, refused); at >= 0 {
			r, _ := utf8.DecodeRuneInString(name[at:])
			why = fmt.Sprintf("%q has %q (%U) in it", name, r, r)
		}
	}
	if why != "" {
		return "", &entra.Error{Code: entra.CodeBadRequest, Doing: "read the reader's name", Why: why,
			Remedy: fmt.Sprintf("accepted are 1 to %d letters, digits, -, _ and ., as in daily-tickets", maxName)}
	}
	return strings.Map(folded, name), nil
}

// refused tells whether a name must not have a character.
func refused(r rune) bool {
	return r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
}

// folded is one of the characters that differ from r in case alone, the same for all of them.
func folded(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	if 'A' <= least && least <= 'Z' {
		return least + 'a' - 'A' // it is read more easily
	}
	return least
}

package timeline

// UserTexts are the texts by which users are asked for, each whatever its case. Of a user, empty is
// that there is none; of a question, that any will do.
type UserTexts struct {
	Department    string `json:",omitempty"`
	Domain        string `json:",omitempty"` // of the principal name
	ExternalState string `json:",omitempty"` // of a guest
}

// None tells whether no text is asked for.
func (t UserTexts) None() bool { return t == UserTexts{} }

// toldTexts is the mark of the last snapshot at which texts were taken in: a version before took in
// none.
var toldTexts = hashOf("texts\n")

// named are the texts that there are, each with the name of its property before it.
func (t UserTexts) named() (out []string) {
	for _, one := range [][2]string{
		{"department", t.Department}, {"domain", t.Domain}, {"externalUserState", t.ExternalState},
	} {
		if one[1] != "" {
			out = append(out, one[0]+"\n"+one[1])
		}
	}
	return out
}

// isText is the mark of the last snapshot with a text, and noText, which is kept only with a text
// that the item has, that of the last one without it.
func isText(named string) string { return hashOf("is\n" + named) }
func noText(named string) string { return hashOf("no\n" + named) }

// texts are the marks of a user's texts: those that the item carries now, and those that it lost
// before. A version before reads them as it reads all marks. What was not told before was so all
// along, and is not new.
func (i *item) texts(t UserTexts) (now []string, lost []mark) {
	told := i.lastCarried(toldTexts)
	now = append(now, toldTexts)
	for _, named := range t.named() {
		is := isText(named)
		if told > 0 && i.lastCarried(is) != told {
			lost = append(lost, mark{noText(named), told})
		}
		now = append(now, is)
	}
	return now, lost
}

// lastOther is the last snapshot at which the item is known to have had another text; 0: none.
func (i *item) lastOther(named string) int {
	told := i.lastCarried(toldTexts)
	if told == 0 || i.lastCarried(isText(named)) != told {
		return i.lastSeen()
	}
	return i.lastCarried(noText(named))
}

package entra

import "errors"

// ErrNoList says that a page has no list of records.
var ErrNoList = errors.New("a page has no list of records")

// PageParts are what a page of Graph's holds.
type PageParts struct {
	Records  []Parsed
	NextLink string
	Error    bool // there is an error object in place of the records, or beside them
}

// usualPage is how many records a page has as a rule.
const usualPage = 1000

// ScanPage splits a page of a log. Nothing is copied: the records alias body. Errors: the text is
// not a JSON object, or ErrNoList.
func ScanPage(layout *Layout, body []byte) (PageParts, error) {
	var (
		s     = &scanner{data: body}
		parts PageParts
		list  bool
	)
	at := s.space(0)
	if at >= len(body) || body[at] != '{' {
		return parts, errJSON{at}
	}
	end := s.object(at, 0, func(name []byte, from int) int {
		if string(name) == "value" && from < len(body) && body[from] == '[' {
			list, parts.Records = true, make([]Parsed, 0, usualPage)
			return s.elements(from, 1, func(at int) int {
				rec, end := layout.scan(s, at, 2)
				parts.Records = append(parts.Records, rec)
				return end
			})
		}
		to := s.value(from, 1)
		switch {
		case to < 0:
		case string(name) == "error":
			parts.Error = true
		case string(name) == "@odata.nextLink":
			parts.NextLink = parse(body[from:to]).Str
		}
		return to
	})
	if end < 0 {
		return PageParts{}, errJSON{s.bad}
	}
	if end = s.space(end); end != len(body) {
		return PageParts{}, errJSON{end}
	}
	if !list && !parts.Error {
		return parts, ErrNoList
	}
	return parts, nil
}

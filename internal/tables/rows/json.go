package rows

import "bytes"

// Rows are read by one scan over their JSON, which says where each value is. Decoding them by
// reflection, and into a map for the columns, costs more than decompressing and hashing a record.

// jsonString is the position behind the text that begins at b[at], and whether it holds an escape;
// -1 where it does not end.
func jsonString(b []byte, at int) (end int, escaped bool) {
	for end = at + 1; ; end++ {
		quote := bytes.IndexByte(b[end:], '"')
		if quote < 0 {
			return -1, escaped
		}
		slash := bytes.IndexByte(b[end:end+quote], '\\')
		if slash < 0 {
			return end + quote + 1, escaped
		}
		escaped = true
		end += slash + 1 // the escaped character is none that ends the text
		if end >= len(b) {
			return -1, escaped
		}
	}
}

// jsonSpace is the position of the next character that is no white space.
func jsonSpace(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\r' || b[at] == '\t') {
		at++
	}
	return at
}

// jsonValue is the position behind the value that begins at b[at]; -1 where it does not end. It
// finds bounds, and does not say whether what is within them is valid.
func jsonValue(b []byte, at int) int {
	if at >= len(b) {
		return -1
	}
	switch b[at] {
	case '"':
		end, _ := jsonString(b, at)
		return end
	case '{', '[':
		depth := 0
		for at < len(b) {
			switch b[at] {
			case '"':
				if at, _ = jsonString(b, at); at < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			}
			at++
		}
		return -1
	}
	end := at
	for end < len(b) && b[end] != ',' && b[end] != '}' && b[end] != ']' && b[end] > ' ' {
		end++
	}
	if end == at {
		return -1
	}
	return end
}

// Members calls yield with the name, without its quotes, and the value of each member of the
// object b; false where b is none. It ends early where yield returns false.
func Members(b []byte, yield func(name, value []byte) bool) bool {
	at := jsonSpace(b, 0)
	if at >= len(b) || b[at] != '{' {
		return false
	}
	if at = jsonSpace(b, at+1); at < len(b) && b[at] == '}' {
		return true
	}
	for at < len(b) && b[at] == '"' {
		nameEnd, _ := jsonString(b, at)
		if nameEnd < 0 {
			return false
		}
		name := b[at+1 : nameEnd-1]
		if at = jsonSpace(b, nameEnd); at >= len(b) || b[at] != ':' {
			return false
		}
		at = jsonSpace(b, at+1)
		end := jsonValue(b, at)
		if end < 0 {
			return false
		}
		if !yield(name, b[at:end:end]) {
			return true
		}
		at = jsonSpace(b, end)
		switch {
		case at < len(b) && b[at] == ',':
			at = jsonSpace(b, at+1)
		default:
			return at < len(b) && b[at] == '}'
		}
	}
	return false
}

// Elements appends the elements of the array b to out; false where b is none.
func Elements(b []byte, out [][]byte) ([][]byte, bool) {
	if len(b) == 0 || b[0] != '[' {
		return out, false
	}
	at := jsonSpace(b, 1)
	if at < len(b) && b[at] == ']' {
		return out, true
	}
	for {
		end := jsonValue(b, at)
		if end < 0 {
			return out, false
		}
		out = append(out, b[at:end:end])
		if at = jsonSpace(b, end); at >= len(b) || b[at] != ',' {
			return out, at < len(b) && b[at] == ']'
		}
		at = jsonSpace(b, at+1)
	}
}

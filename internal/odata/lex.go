package odata

import (
	"fmt"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
)

// MaxLength is the longest filter that is read, in bytes.
const MaxLength = 16_000

// problem is an error with its place in the text, counted from 1.
func problem(at int, why, accepted string) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read $filter",
		Why: fmt.Sprintf("at position %d: %s", at+1, why), Remedy: accepted}
}

type tokenKind int

const (
	word   tokenKind = iota // names, paths, numbers, dates, operators
	quoted                  // a text, without its quotes
	mark                    // ( ) , :
	end
)

type token struct {
	kind tokenKind
	text string
	at   int
}

// lex cuts a filter into tokens.
func lex(text string) ([]token, error) {
	var out []token
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
		case c == '(' || c == ')' || c == ',':
			out = append(out, token{mark, text[i : i+1], i})
			i++
		case c == '\'':
			content, next, ok := unquote(text, i)
			if !ok {
				return nil, problem(i, "a text begins and does not end",
					"close it with a quote; a quote within a text is written twice")
			}
			out = append(out, token{quoted, content, i})
			i = next
		case c == ':':
			out = append(out, token{mark, ":", i})
			i++
		default:
			next := i
			for next < len(text) && strings.IndexByte(" \t\r\n(),'", text[next]) < 0 {
				// The colon of any(t: ...) ends a word, and the colons of a time do not.
				if text[next] == ':' && !isDigit(text[i]) {
					break
				}
				next++
			}
			out = append(out, token{word, text[i:next], i})
			i = next
		}
	}
	return append(out, token{end, "", len(text)}), nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// unquote reads a text that begins with the quote at from; two quotes mean one.
func unquote(text string, from int) (content string, next int, ok bool) {
	var b strings.Builder
	for i := from + 1; i < len(text); i++ {
		if text[i] != '\'' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), i + 1, true
	}
	return "", len(text), false
}

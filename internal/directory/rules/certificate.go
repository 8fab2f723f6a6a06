package rules

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// thumbprintOf is the SHA-1 of a keyCredential's certificate in hex; empty where it has none. Graph
// gives the public key alone; of a Sign key, whose private key it keeps, it gives nothing. Source:
// learn.microsoft.com/graph/api/resources/keycredential, "key".
func thumbprintOf(e gjson.Result) string {
	kind := e.Get("type").Str
	key := decode64(e.Get("key").Str)
	if len(key) == 0 || kind == "Symmetric" || kind == "X509CertAndPassword" {
		return ""
	}
	if block, _ := pem.Decode(key); block != nil { // uploaded as a file that is text
		key = block.Bytes
	}
	sum := sha1.Sum(key)
	return hex.EncodeToString(sum[:])
}

// readThumbprint is a SHA-1 in hex, in lower case; empty where a text is none.
func readThumbprint(text string) string {
	text = strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(text))
	if sum, err := hex.DecodeString(text); err != nil || len(sum) != sha1.Size {
		return ""
	}
	return text
}

// ShownThumbprint is a certificate's thumbprint as the portal shows it, in hex and upper case:
// computed, or else by its customKeyIdentifier, where that is one; empty where neither is known.
func (c Credential) ShownThumbprint() string {
	if c.Kind != Certificate {
		return ""
	}
	if c.Thumbprint != "" {
		return strings.ToUpper(c.Thumbprint)
	}
	chosen := decode64(c.Identifier)
	texts := []string{string(chosen), c.Identifier}
	if printable(string(chosen)) == "" { // 20 letters are a name: of a hundred million SHA-1s none looks so
		texts = append(texts, hex.EncodeToString(chosen))
	}
	for _, text := range texts {
		if sum := readThumbprint(text); sum != "" {
			return strings.ToUpper(sum)
		}
	}
	return ""
}

// decode64 decodes base64 of either alphabet; nil where a text is none.
func decode64(text string) []byte {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	out, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return out
}

// nameIn is the name of a secret that older tools put into its customKeyIdentifier, as UTF-8 or as
// UTF-16 with or without its mark; empty where that holds none. Sources: github.com/Azure/azure-cli
// issue 10234, github.com/Azure/azure-powershell issues 16870 and 26108.
func nameIn(identifier string) string {
	raw := decode64(identifier)
	if after, ok := bytes.CutPrefix(raw, []byte{0xff, 0xfe}); ok {
		return printable(fromUTF16(after, binary.LittleEndian))
	}
	if after, ok := bytes.CutPrefix(raw, []byte{0xfe, 0xff}); ok {
		return printable(fromUTF16(after, binary.BigEndian))
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if utf8.Valid(raw) {
		if text := printable(string(raw)); text != "" {
			return text
		}
	}
	// Half of all pairs of bytes are some letter of East Asia: without a mark, those would be made
	// of any random bytes.
	const lastNear = '\u05ff'
	text := printable(fromUTF16(raw, binary.LittleEndian))
	if strings.ContainsFunc(text, func(r rune) bool { return r > lastNear }) {
		return ""
	}
	return text
}

// fromUTF16 decodes UTF-16; empty where a byte is left over.
func fromUTF16(raw []byte, order binary.ByteOrder) string {
	if len(raw)%2 != 0 {
		return ""
	}
	var units []uint16
	for ; len(raw) > 0; raw = raw[2:] {
		units = append(units, order.Uint16(raw))
	}
	return string(utf16.Decode(units))
}

// printable is a text without blanks around it; empty where it has what can't be shown.
func printable(text string) string {
	text = strings.TrimSpace(strings.TrimRight(text, "\x00"))
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return ""
	}
	return text
}

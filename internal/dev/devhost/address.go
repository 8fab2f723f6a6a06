package devhost

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

// The host's limits of a request, as its server (Kestrel) and its HTTP trigger have them. Measured
// on the real host: cases http-45 to http-50 of its transcripts.
const (
	mostRequestLine = 8 << 10     // bytes of method, address and version
	mostHeaders     = 32 << 10    // bytes of all headers
	mostBody        = 104_857_600 // bytes
)

// refusal is the status with which the host answers a request that it reads no further, 0 for none.
func refusal(r *http.Request) int {
	line := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len("  \r\n")
	if line > mostRequestLine {
		return http.StatusRequestURITooLong
	}
	size := len("Host: \r\n") + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	if size > mostHeaders {
		return http.StatusRequestHeaderFieldsTooLarge
	}
	raw := strings.ContainsFunc(r.RequestURI, func(c rune) bool { return c >= utf8.RuneSelf })
	if raw || strings.HasPrefix(r.RequestURI, "http") {
		return http.StatusBadRequest
	}
	return 0
}

// hostPath is a path as the host passes it on: decoded but for %2F, without dot segments, and then
// encoded again, so that a % that is left over is %25.
func hostPath(escaped string) string {
	var out strings.Builder
	for _, c := range []byte(withoutDots(decodePath(escaped))) {
		if isLetterOrDigit(c) || strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0 {
			out.WriteByte(c)
			continue
		}
		writeEscape(&out, c)
	}
	return out.String()
}

// decodePath decodes what stands for a character in UTF-8, and leaves other escapes and slashes.
func decodePath(escaped string) string {
	var out strings.Builder
	for i := 0; i < len(escaped); {
		if escaped[i] != '%' {
			out.WriteByte(escaped[i])
			i++
			continue
		}
		var octets []byte
		end := i
		for len(octets) < utf8.UTFMax && !utf8.FullRune(octets) {
			c, ok := readEscape(escaped[end:])
			if !ok {
				break
			}
			octets = append(octets, c)
			end += len("%00")
		}
		if c, size := utf8.DecodeRune(octets); size != len(octets) || c == '/' || c == utf8.RuneError && size < 2 {
			out.WriteByte('%')
			i++
			continue
		}
		out.Write(octets)
		i = end
	}
	return out.String()
}

// withoutDots takes the segments . and .. out of a path, as RFC 3986 does in section 5.2.4.
func withoutDots(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	var kept []string
	parts := strings.Split(path, "/")
	for i, part := range parts {
		last := i == len(parts)-1
		switch part {
		case ".":
		case "..":
			if len(kept) > 1 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, part)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return strings.Join(kept, "/")
}

// hostQuery is a query as the host passes it on: as it is, but for what a query may not hold.
func hostQuery(raw string) string {
	var out strings.Builder
	for i := range len(raw) {
		c := raw[i]
		_, escape := readEscape(raw[i:])
		if c > ' ' && c < utf8.RuneSelf && (c != '%' || escape) && strings.IndexByte("|{}^\"<>`\\", c) < 0 {
			out.WriteByte(c)
			continue
		}
		writeEscape(&out, c)
	}
	return out.String()
}

// readEscape reads the escape at the beginning of a text, such as %2F.
func readEscape(text string) (byte, bool) {
	if len(text) < len("%00") || text[0] != '%' {
		return 0, false
	}
	high, low := hexDigit(text[1]), hexDigit(text[2])
	return byte(high<<4 | low), high >= 0 && low >= 0
}

func writeEscape(out *strings.Builder, c byte) {
	const digits = "0123456789ABCDEF"
	out.Write([]byte{'%', digits[c>>4], digits[c&15]})
}

// hexDigit is -1 for what is none.
func hexDigit(c byte) int {
	return strings.IndexByte("0123456789abcdef", c|0x20)
}

func isLetterOrDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

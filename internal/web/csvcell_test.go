package web_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/web"
)

func TestACellIsSafeForASpreadsheet(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"a text", "plain", "plain"},
		{"a guid", "1472f818-0000-4000-8000-000000000000", "1472f818-0000-4000-8000-000000000000"},
		{"signs within", "a=b+c-d@e", "a=b+c-d@e"},
		{"an address", "someone@example.com", "someone@example.com"},
		{"a name", "Ünï ☃ 漢字", "Ünï ☃ 漢字"},
		{"equals", "=1+1", "'=1+1"},
		{"plus", "+1", "'+1"},
		{"minus", "-1", "'-1"},
		{"at", "@SUM(A1)", "'@SUM(A1)"},
		{"full-width equals", "＝1+1", "'＝1+1"},
		{"full-width plus", "＋1", "'＋1"},
		{"full-width minus", "－1", "'－1"},
		{"full-width at", "＠SUM(A1)", "'＠SUM(A1)"},
		{"a line end before", "\n=1+1", "'\n'=1+1"},
		{"CR LF before", "\r\n=1+1", "'\r\n'=1+1"},
		{"CR before", "\r=1", "'\r'=1"},
		{"a tab before", "\t=1", "'\t'=1"},
		{"a user agent", "Mozilla/5.0 (compatible; bot/2.1; +http://bot.example)",
			"Mozilla/5.0 (compatible; bot/2.1; '+http://bot.example)"},
		{"a harmless user agent", "Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (X11; Linux x86_64)"},
		{"JSON", `{"a":["=b",-1]}`, `{"a":["=b",-1]}`},
		{"only a space", " ", " "},
		{"a tab and a text", "\tx", "'\tx"},
		{"a line end and a text", "\nx", "'\nx"},
		{"a space before", " =1", " '=1"},
		{"a wide space before", "\u3000=1", "\u3000'=1"},
		{"a byte order mark before", "\ufeff=1", "\ufeff'=1"},
		{"a zero-width space before", "\u200b=1", "\u200b'=1"},
		{"quotes before", `"=1"`, `"=1"`},
		{"an apostrophe before", "'=1", "'=1"},
		{"a second line", "a\n=1+1", "a\n'=1+1"},
		{"a second line with quotes", "a\n\"=1", "a\n\"'=1"},
		{"behind a semicolon", "a;=cmd|' /C calc'!A0", "a;'=cmd|' /C calc'!A0"},
		{"behind a semicolon and quotes", `a; "=1`, `a; "'=1`},
		{"behind a tab", "a\t@x", "a\t'@x"},
		{"lines", "a\r\nb\nc", "a\r\nb\nc"},
		{"NUL", "a\x00b", "ab"},
		{"NUL before", "\x00=1", "'=1"},
		{"escape", "\x1b[31mred", "␛[31mred"},
		{"bell and delete", "a\x07b\x7f", "a␇b␡"},
		{"a control behind ASCII", "a\u009b31m", `a\u009b31m`},
		{"no UTF-8", "a\xffb\xc3", "a\ufffdb\ufffd [entraledger: 2 bytes were no UTF-8]"},
		{"no UTF-8 before", "\xff=1", "\ufffd=1 [entraledger: 1 bytes were no UTF-8]"},
		{"a replacement that was there", "a\ufffd", "a\ufffd"},
	} {
		require.Equal(t, c.want, web.Cell(c.text), c.name)
		require.Equal(t, c.want, web.Cell(c.want), "%s: once is enough, and what is safe stays", c.name)
	}
}

func TestACellIsAsLongAsExcelAllows(t *testing.T) {
	length := func(text string) int { return len(utf16.Encode([]rune(text))) }
	const most = 32_767
	full := strings.Repeat("x", most)
	require.Equal(t, full, web.Cell(full))
	require.Equal(t, strings.Repeat("é", most), web.Cell(strings.Repeat("é", most)), "characters, not bytes")
	for name, text := range map[string]string{
		"one more":             full + "x",
		"an apostrophe more":   "=" + full[1:],
		"two units a letter":   strings.Repeat("😀", most/2+1),
		"an odd beginning":     "x" + strings.Repeat("😀", most),
		"lines":                strings.Repeat("a\r\n", most),
		"much more":            strings.Repeat("=1;", 100_000),
		"broken and too long":  "\xff" + full,
		"the note is too long": full[:most-10] + "\xff",
	} {
		got := web.Cell(text)
		require.LessOrEqual(t, length(got), most, name)
		require.Greater(t, length(got), most-4, name)
		require.True(t, utf8.ValidString(got), name)
		require.Contains(t, got, " [entraledger: cut, ", name)
		require.Equal(t, strings.Contains(text, "\xff"),
			strings.HasSuffix(got, " [entraledger: 1 bytes were no UTF-8]"), name)
	}
	require.Contains(t, web.Cell(full+"x"), "x [entraledger: cut, 32768 characters]")
}

// TestARowIsReadAsItWasWritten: also its line ends, which a reader of Go's own makes all LF.
func TestARowIsReadAsItWasWritten(t *testing.T) {
	for _, c := range []struct {
		row  []string
		want string
	}{
		{[]string{"a", "b"}, "a,b\r\n"},
		{[]string{"a,b", `c"d`}, "\"a,b\",\"c\"\"d\"\r\n"},
		{[]string{"a\nb", "c\r\nd", "e\rf"}, "\"a\nb\",\"c\r\nd\",\"e\rf\"\r\n"},
		{[]string{" a", `\.`, ""}, "\" a\",\"\\.\",\r\n"},
		{[]string{"", ""}, ",\r\n"},
		{[]string{""}, "\"\"\r\n"},
		{[]string{"\n=1+1"}, "\"'\n'=1+1\"\r\n"},
	} {
		var out bytes.Buffer
		w := web.NewCSVWriter(&out, []string{"@name"})
		require.NoError(t, w.Row(c.row))
		require.NoError(t, w.Flush())
		require.Equal(t, "\ufeff@name\r\n"+c.want, out.String())
		r := csv.NewReader(strings.NewReader(strings.TrimPrefix(out.String(), "\ufeff@name\r\n")))
		got, err := r.Read()
		require.NoError(t, err)
		require.Len(t, got, len(c.row))
	}
}

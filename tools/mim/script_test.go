// Package mim_test looks at the script for what a server of Identity Manager has: Windows PowerShell
// 5.1. What the script does is played in internal/dev/mimserver.
package mim_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheScriptKeepsToWhatWindowsPowerShellHas(t *testing.T) {
	text, err := os.ReadFile("Send-IdentityManagerEvents.ps1")
	require.NoError(t, err)
	script := string(text)
	for _, r := range script {
		require.Less(t, r, rune(128), "5.1 reads a file without a byte order mark as ANSI")
	}
	code := regexp.MustCompile(`(?s)<#.*?#>|#[^\n]*`).ReplaceAllString(script, "")
	for name, newer := range map[string]string{
		"null-coalescing": `\?\?`, "ternary": `\s\?\s[^:\n]+\s:\s`, "pipeline chains": `&&|\|\|`,
		"-SkipHttpErrorCheck": `-SkipHttpErrorCheck`, "-AsHashtable": `-AsHashtable`, "-NoProxy": `-NoProxy`,
		"-SslProtocol": `-SslProtocol`, "-Parallel": `-Parallel`, "utf8NoBOM": `utf8NoBOM`,
		"clean block": `\bclean\s*\{`,
	} {
		require.NotRegexp(t, newer, code, name)
	}
	for _, needed := range []string{"SecurityProtocolType]::Tls12", "$utf8.GetBytes(", "charset=utf-8",
		"-UseBasicParsing",
		"-Oldest", "NoMatchingEventsFound", "EventRecordID > $last", "InvariantCulture", "/api/mim/events",
		"x-functions-key",
		"#Requires -Version 5.1"} {
		require.Contains(t, script, needed)
	}
	for _, pair := range []string{"{}", "()", "[]"} {
		plain := regexp.MustCompile(`'[^'\n]*'|"[^"\n]*"`).ReplaceAllString(code, "")
		require.Equal(t, strings.Count(plain, pair[:1]), strings.Count(plain, pair[1:]), pair)
	}
}

// TestThePlaceMovesAfterTheAnswer: there is one place where a batch is sent, and the place moves
// behind it.
func TestThePlaceMovesAfterTheAnswer(t *testing.T) {
	text, err := os.ReadFile("Send-IdentityManagerEvents.ps1")
	require.NoError(t, err)
	calls := regexp.MustCompile(`(?m)^\s+(?:\$taken = )?(Send-Patiently|Set-Place) `).
		FindAllStringSubmatch(string(text), -1)
	require.Len(t, calls, 2)
	require.Equal(t, []string{"Send-Patiently", "Set-Place"}, []string{calls[0][1], calls[1][1]})
	// The mark comes after all of them, where nothing was refused, and has the time before the last reading.
	events, mark, found := strings.Cut(string(text), "throw \"The app refuses")
	require.True(t, found)
	require.NotContains(t, events, "ReadUntil =")
	require.Contains(t, mark, "ReadUntil = (Format-Time $asked)")
	require.Regexp(t, `\$asked = \[datetime\]::UtcNow\s+\$xpath`, string(text))
	require.True(t, strings.HasSuffix(strings.TrimSpace(mark), "[void] (Send-Patiently $lines)"))
	_, loop, found := strings.Cut(string(text), "while ($true)")
	require.True(t, found)
	require.Equal(t, 2, strings.Count(loop, "Complete-Batch $lines $first $reached"))
	require.NotContains(t, loop, "Set-Place")
}

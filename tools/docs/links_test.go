package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.+)$`)
	codeBlock = regexp.MustCompile("(?s)```.*?```")
	notInLink = regexp.MustCompile(`[^a-z0-9 -]`)
)

// anchors are the headings of a page, as links name them.
func anchors(page string) map[string]bool {
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		out[strings.ReplaceAll(notInLink.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return out
}

// TestEveryLinkLeadsSomewhere follows the links between the pages, headings included.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	const root = "../.."
	var pages []string
	for _, form := range []string{"*.md", "docs/*.md", "infra/*/*.md", "tools/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, form))
		require.NoError(t, err)
		pages = append(pages, found...)
	}
	require.Greater(t, len(pages), 10)
	links := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(codeBlock.ReplaceAllString(string(text), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			info, err := os.Stat(target)
			require.NoError(t, err, "%s links to %s", page, m[1])
			links++
			if anchor != "" && !info.IsDir() {
				there, err := os.ReadFile(target)
				require.NoError(t, err)
				require.Contains(t, anchors(string(there)), anchor, "%s links to %s", page, m[1])
			}
		}
	}
	require.Greater(t, links, 20)
}

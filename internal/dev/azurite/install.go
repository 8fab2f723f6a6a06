package azurite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Installed reports whether root/tools/azurite has a complete installation that is not older than
// its lockfile.
func Installed(root string) bool {
	dir := installDir(root)
	wanted, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return false
	}
	// npm writes this file last, so it is missing where an installation was cut short.
	have, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	return err == nil && !have.ModTime().Before(wanted.ModTime())
}

// Install installs the pinned Azurite from npm: about 365 MB. What npm prints goes to log.
func Install(ctx context.Context, root string, log io.Writer) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("find npm: it is not on the PATH; install Node.js 20 or later with npm")
	}
	cmd := exec.CommandContext(ctx, npm, "ci", "--no-progress", "--prefix", installDir(root))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("install Azurite with npm ci --prefix tools/azurite: %w", err)
	}
	return nil
}

func installDir(root string) string { return filepath.Join(root, "tools", "azurite") }

package preflight

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// Binary is the program that runs, as a release names it.
type Binary struct {
	Version string
	SHA256  string // of its file, 64 hexadecimal digits; empty where the file can't be read
}

// ReadBinary reads the program's own file once. Where that fails, the version is there all the
// same.
func ReadBinary(version string) (Binary, error) {
	b := Binary{Version: version}
	path, err := os.Executable()
	if err != nil {
		return b, fmt.Errorf("find the program's file: %w", err)
	}
	b.SHA256, err = sha256OfFile(path)
	return b, err
}

func sha256OfFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the program's file: %w", err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", fmt.Errorf("read the program's file %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

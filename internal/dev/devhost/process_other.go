//go:build !unix

package devhost

import "syscall"

// childAttributes asks for nothing special: only Linux can tie a child's life
// to its parent's.
func childAttributes() *syscall.SysProcAttr { return nil }

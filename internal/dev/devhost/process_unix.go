//go:build unix && !linux

package devhost

import "syscall"

// childAttributes keeps a terminal's Ctrl-C from the handler: we decide how it
// ends. Only Linux can tie a child's life to its parent's.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

package devhost

import "syscall"

// childAttributes ties the handler's life to ours: the kernel kills it when the
// thread that started it ends, even where the emulator itself is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

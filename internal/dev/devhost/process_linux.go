package devhost

import "syscall"

// childAttributes ties the handler's life to ours: the kernel kills it when the
// thread that started it ends, even where the emulator itself is killed. In a
// process group of its own it doesn't get a terminal's Ctrl-C beside us: we
// decide how it ends.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

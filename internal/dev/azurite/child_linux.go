package azurite

import (
	"os/exec"
	"syscall"
)

// endWithParent makes the kernel end Azurite when the program that started it is gone, however it
// ended. It has a process group of its own, so that a Ctrl-C reaches only the program, which stops
// things in order.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

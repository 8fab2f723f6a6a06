//go:build !unix

package main

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func interrupt(cmd *exec.Cmd) {
	if cmd.Process.Signal(os.Interrupt) != nil {
		kill(cmd)
	}
}

func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() } // it fails only where the child is gone already

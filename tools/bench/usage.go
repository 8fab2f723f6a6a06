package main

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// cpuSeconds is the processor time of this process so far, user and system.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// peakMB is the most memory that this process had resident, in 10^6 bytes.
func peakMB() float64 {
	// Linux hands ru_maxrss on to a program that a large process starts; VmHWM is the program's
	// own.
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range bytes.Lines(status) {
			if rest, ok := strings.CutPrefix(string(line), "VmHWM:"); ok {
				kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				if err == nil {
					return kib * 1024 / 1e6
				}
			}
		}
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	unit := 1024.0
	if runtime.GOOS == "darwin" {
		unit = 1
	}
	return float64(usage.Maxrss) * unit / 1e6
}

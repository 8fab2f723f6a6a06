//go:build !soak

package main

const everyLargeRecord = false

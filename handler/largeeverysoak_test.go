//go:build soak

package main

const everyLargeRecord = true

//go:build soak

package main

// fiftyRecords is how many sign-ins 50 callers ask for; make test has fewer.
const fiftyRecords = 100_000

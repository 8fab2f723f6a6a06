//go:build !soak

package main

// fiftyRecords is how many sign-ins 50 callers ask for; make soak has more.
const fiftyRecords = 2_000

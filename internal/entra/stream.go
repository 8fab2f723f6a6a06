// Package entra is the vocabulary of the project: streams, records, windows and the errors that
// people read. It imports no Azure package and no adapter.
package entra

// Stream names one log of the tenant. Its text is stable: it is a setting's value, a file name and
// a table key. Package logs has the list.
type Stream string

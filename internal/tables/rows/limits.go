package rows

// Limits of Table Storage. They are enforced here because Azurite does not enforce all of them.
const (
	MaxProperty    = 64 << 10 // bytes of a binary property
	MaxEntity      = 1 << 20  // bytes of a row, as the service counts them
	MaxOperations  = 100      // of a transaction
	MaxTransaction = 4 << 20  // bytes of a transaction's body

	// ChunksPerRow keeps a row below 1 MiB in base64 too, which is what Azurite measures: 11 x 64
	// KiB is 704 KiB.
	ChunksPerRow = 11
	// PageRows is how many rows the service gives in one answer.
	PageRows = 1000
	// Overhead is what is written around one row in a transaction: boundary, request line, headers.
	Overhead = 700
	// Writers is how many transactions one call has in progress at the same time.
	Writers = 4

	// maxMixed bounds a transaction that does more than insert: Azurite refuses a replacement in a
	// larger one.
	maxMixed = 1 << 20
	// maxText keeps a text well below the 32,768 characters of a string property.
	maxText = 8 << 10
)

// Clip cuts a text to what a string property holds.
func Clip(s string) string {
	if len(s) > maxText {
		return s[:maxText] + "..."
	}
	return s
}

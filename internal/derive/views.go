package derive

// Views are the views that the program keeps, one a line.
func Views() []View {
	return []View{
		Index(),
		Successes(),
		SuccessesByMonth(),
		Restores(),
	}
}

package settings

// Letters is how many letters a name is off the nearest of others; many where none is near.
func Letters(name string, others []string) int {
	var known []Setting
	for _, o := range others {
		known = append(known, Setting{Name: o})
	}
	_, letters := nearest(name, known)
	return letters
}

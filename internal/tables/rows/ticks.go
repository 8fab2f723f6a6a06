package rows

import "time"

// ParseTick reads a time as rows and their keys have it: RFC 3339 in UTC, with up to seven Digits
// of a fraction. Each record has three of them, and time.Parse is five times slower. False: it is
// another form, or no time.
func ParseTick[T string | []byte](text T) (time.Time, bool) {
	const whole = len("2006-01-02T15:04:05")
	if len(text) < whole+1 || len(text) > len(TimeFormat) || text[len(text)-1] != 'Z' ||
		text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' {
		return time.Time{}, false
	}
	year, month, day := Digits(text[0:4]), Digits(text[5:7]), Digits(text[8:10])
	hour, minute, second := Digits(text[11:13]), Digits(text[14:16]), Digits(text[17:19])
	nanos := 0
	if fraction := text[whole : len(text)-1]; len(fraction) > 0 {
		if fraction[0] != '.' || len(fraction) == 1 {
			return time.Time{}, false
		}
		nanos = Digits(fraction[1:])
		for range 9 - len(fraction[1:]) {
			nanos *= 10
		}
	}
	if year < 0 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
		second < 0 || second > 59 || nanos < 0 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	return t, t.Day() == day
}

// Digits is a number of decimal Digits only; negative for anything else.
func Digits[T string | []byte](text T) int {
	n := 0
	for i := range len(text) {
		c := text[i] - '0'
		if c > 9 {
			return -1
		}
		n = 10*n + int(c)
	}
	return n
}

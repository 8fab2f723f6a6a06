package devhost

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule says when a timer fires: NCRONTAB in UTC, or a fixed interval.
type schedule struct {
	text  string
	cron  *cron.SpecSchedule
	every time.Duration
}

const cronHelp = "write 6 fields, {second} {minute} {hour} {day} {month} {day-of-week}, such as \"0 */5 * * * " +
	"*\", or an interval such as \"00:05:00\""

// parseSchedule reads NCRONTAB with 6 fields (5 mean second 0), or a TimeSpan.
func parseSchedule(text string) (schedule, error) {
	trimmed := strings.TrimSpace(text)
	if len(strings.Fields(trimmed)) == 1 && strings.Contains(trimmed, ":") {
		every, err := parseTimeSpan(trimmed)
		if err != nil {
			return schedule{}, err
		}
		if every <= 0 {
			return schedule{}, fmt.Errorf("read interval %q: it must be longer than zero", text)
		}
		return schedule{text: text, every: every}, nil
	}
	// The cron package knows more than NCRONTAB does; the host would refuse these.
	if strings.ContainsAny(trimmed, "@?=") {
		return schedule{}, fmt.Errorf("read schedule %q: @names, ? and time zones are not NCRONTAB", text)
	}
	parser := cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	parsed, err := parser.Parse(trimmed)
	if err != nil {
		return schedule{}, fmt.Errorf("read schedule %q: %w", text, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return schedule{}, fmt.Errorf("read schedule %q: not a cron expression", text)
	}
	// NCRONTAB wants day and weekday both to match, classic cron either one.
	// The top bit means "any" to the cron package, which then combines with and.
	const anyDay = 1 << 63
	spec.Dow |= anyDay
	spec.Location = time.UTC
	s := schedule{text: text, cron: spec}
	if s.next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return schedule{}, fmt.Errorf("read schedule %q: it never occurs", text)
	}
	return s, nil
}

// next is the first occurrence strictly after the given time, in UTC.
func (s schedule) next(after time.Time) time.Time {
	if s.cron != nil {
		return s.cron.Next(after.UTC())
	}
	return after.UTC().Add(s.every)
}

// monitored reports whether the host keeps a status for this schedule: it does not for an interval,
// and where occurrences can be less than a minute apart.
func (s schedule) monitored(now time.Time) bool {
	if s.cron == nil {
		return false
	}
	at := s.next(now)
	for range 5 {
		following := s.next(at)
		if following.Sub(at) < time.Minute {
			return false
		}
		at = following
	}
	return true
}

// parseTimeSpan reads .NET's [d.]hh:mm[:ss[.fffffff]]. It refuses hours over 23, which .NET would
// read as days ("24:00:00" is 24 days there).
func parseTimeSpan(text string) (time.Duration, error) {
	pattern := regexp.MustCompile(`^(?:(\d{1,5})\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?$`)
	m := pattern.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return 0, fmt.Errorf("read time span %q: write hh:mm:ss or d.hh:mm:ss", text)
	}
	number := func(digits string) time.Duration {
		n, _ := strconv.Atoi(digits) // the pattern admits digits or nothing, which is 0
		return time.Duration(n)
	}
	days, hours, minutes, seconds := number(m[1]), number(m[2]), number(m[3]), number(m[4])
	if hours > 23 {
		return 0, fmt.Errorf("read time span %q: hours end at 23 (.NET reads %s as %d days); write %d.%02d:00:00",
			text, text, hours, hours/24, hours%24)
	}
	if minutes > 59 || seconds > 59 {
		return 0, fmt.Errorf("read time span %q: minutes and seconds end at 59", text)
	}
	ticks := number((m[5] + "0000000")[:7])
	return days*24*time.Hour + hours*time.Hour + minutes*time.Minute + seconds*time.Second + ticks*100*time.Nanosecond,
		nil
}

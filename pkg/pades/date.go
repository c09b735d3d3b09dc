package pades

import (
	"strconv"
	"strings"
	"time"
)

// date returns t as a date string in UTC (ISO 32000-2 7.9.4).
func date(t time.Time) string { return t.UTC().Format("D:20060102150405") + "+00'00'" }

// parseDate reads a date string (ISO 32000-2 7.9.4). It returns the zero time if s is not a date.
func parseDate(s string) time.Time {
	s = strings.TrimPrefix(s, "D:")
	const full = "20060102150405"
	if len(s) < len(full) {
		return time.Time{}
	}
	t, err := time.Parse(full, s[:len(full)])
	if err != nil {
		return time.Time{}
	}
	zone := strings.ReplaceAll(s[len(full):], "'", "")
	if len(zone) < 3 || zone[0] != '+' && zone[0] != '-' {
		return t
	}
	hours, err1 := strconv.Atoi(zone[1:3])
	minutes := 0
	var err2 error
	if len(zone) >= 5 {
		minutes, err2 = strconv.Atoi(zone[3:5])
	}
	if err1 != nil || err2 != nil {
		return t
	}
	shift := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if zone[0] == '+' {
		shift = -shift
	}
	return t.Add(shift)
}

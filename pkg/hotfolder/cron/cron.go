// Package cron reads cron expressions in the six-field form of Spring and computes the times that
// they name.
//
// The fields are second, minute, hour, day of month, month and day of week. A field is a list of
// values, ranges and steps ("1,5-10,0/15"). Months and days of the week may have their English
// names. "?" is "*" in both day fields. "L", "L-3", "15W" and "LW" are days of a month, "5L" and
// "FRI#2" are days of the week. Unlike in crontab(5), both day fields must fit, as in Spring's
// CronExpression.
package cron

import (
	"fmt"
	"strings"
	"time"
)

// Expression is a cron expression. It is immutable. The zero value names no time.
type Expression struct {
	seconds, minutes, hours, months uint64 // sets of numbers
	days                            []day  // of the month; one must fit
	weekdays                        []day  // of the week; one must fit
}

// day reports whether a day fits. It is called with any time of that day.
type day func(t time.Time) bool

// Parse reads an expression. The error names the field and the reason.
func Parse(text string) (*Expression, error) {
	if m, ok := macros[strings.TrimSpace(text)]; ok {
		text = m
	}
	fields := strings.Fields(text)
	if len(fields) != 6 {
		return nil, fmt.Errorf("cron expression has %d fields, want six: second, minute, hour, day, month, day of the week",
			len(fields))
	}
	e := &Expression{}
	var err error
	for i, f := range []struct {
		rangeOf
		set *uint64
	}{
		{rangeOf{name: "second", max: 59}, &e.seconds},
		{rangeOf{name: "minute", max: 59}, &e.minutes},
		{rangeOf{name: "hour", max: 23}, &e.hours},
		{}, // day of the month
		{months, &e.months},
	} {
		if f.set == nil {
			continue
		}
		if *f.set, err = f.parse(fields[i]); err != nil {
			return nil, err
		}
	}
	if e.days, err = parseDays(fields[3]); err != nil {
		return nil, err
	}
	if e.weekdays, err = parseWeekdays(fields[5]); err != nil {
		return nil, err
	}
	return e, nil
}

// macros are the names that Spring has for some expressions.
var macros = map[string]string{
	"@yearly":   "0 0 0 1 1 *",
	"@annually": "0 0 0 1 1 *",
	"@monthly":  "0 0 0 1 * *",
	"@weekly":   "0 0 0 * * 0",
	"@daily":    "0 0 0 * * *",
	"@midnight": "0 0 0 * * *",
	"@hourly":   "0 0 * * * *",
}

// horizon is how many years Next looks ahead. The longest gap is eight years: between the 29th of
// February 2096 and 2104. With a day of the week it is five times as long.
const horizon = 41

// Next returns the first time after t that the expression names, in the zone of t. It returns false
// if there is none in the next 41 years.
//
// When clocks go forward, times inside the gap do not exist and are left out. An expression that
// would name only such a time on that day names the first instant after the gap. When clocks go
// back, a repeated hour is named a second time only if the hours are not fixed ("*").
func (e *Expression) Next(t time.Time) (time.Time, bool) {
	if e.seconds == 0 {
		return time.Time{}, false
	}
	year, month, date := t.Date()
	// Days are counted in UTC, because zones may leave out a day.
	noon := time.Date(year, month, date, 12, 0, 0, 0, time.UTC)
	for noon.Year() <= year+horizon {
		if !has(e.months, int(noon.Month())) {
			noon = time.Date(noon.Year(), noon.Month()+1, 1, 12, 0, 0, 0, time.UTC)
			continue
		}
		if fits(e.days, noon) && fits(e.weekdays, noon) {
			if at, ok := e.inDay(noon, t); ok {
				return at, true
			}
		}
		noon = noon.AddDate(0, 0, 1)
	}
	return time.Time{}, false
}

func fits(days []day, t time.Time) bool {
	for _, d := range days {
		if d(t) {
			return true
		}
	}
	return false
}

// inDay returns the first time of a day that the expression names and that is after t. It goes
// through the hours of the day as they really pass.
func (e *Expression) inDay(noon, t time.Time) (time.Time, bool) {
	start := startOfDay(noon, t.Location())
	end := startOfDay(noon.AddDate(0, 0, 1), t.Location())
	missed := false // a named time fell into a gap
	last := -1      // second of the day that was looked at last, by the clock
	for at := start; at.Before(end); at = at.Add(step(at)) {
		h, m, s := at.Clock()
		now := h*3600 + m*60 + s
		back := now <= last && !e.everyHour() // the clocks went back: these times were named already
		if now > last+1 && e.names(last+1, now) && !e.everyHour() {
			missed = true
		}
		if !back {
			last = max(last, now+int(step(at)/time.Second)-1)
		}
		if back {
			continue
		}
		if missed {
			missed = false
			if at.After(t) {
				return at, true
			}
		}
		if found, ok := e.inMinute(at, t); ok {
			return found, true
		}
	}
	return time.Time{}, false
}

// step returns the time from at to the next full minute.
func step(at time.Time) time.Duration {
	return time.Duration(60-at.Second())*time.Second - time.Duration(at.Nanosecond())
}

// startOfDay returns the first instant in a zone that has the date of day or a later one. Some
// zones begin a day at one o'clock, or leave out a day.
func startOfDay(day time.Time, zone *time.Location) time.Time {
	year, month, date := day.Date()
	at := time.Date(year, month, date, 0, 0, 0, 0, zone).Add(-26 * time.Hour)
	want := dayNumber(day)
	for dayNumber(at) < want {
		at = at.Add(15 * time.Minute)
	}
	return at
}

// dayNumber orders days by their date.
func dayNumber(t time.Time) int {
	year, month, date := t.Date()
	return year*10_000 + int(month)*100 + date
}

// everyHour reports whether the expression does not fix the hours.
func (e *Expression) everyHour() bool { return e.hours == 1<<24-1 }

// names reports whether the expression names a time from one second of a day to another, which is
// not included.
func (e *Expression) names(from, to int) bool {
	for m := from / 60; m*60 < to; m++ {
		if has(e.hours, m/60) && has(e.minutes, m%60) {
			return true
		}
	}
	return false
}

// inMinute returns the first time after t in the minute that begins at at.
func (e *Expression) inMinute(at, t time.Time) (time.Time, bool) {
	if !has(e.hours, at.Hour()) || !has(e.minutes, at.Minute()) {
		return time.Time{}, false
	}
	for s := at.Second(); s < 60; s++ {
		if found := at.Add(time.Duration(s-at.Second()) * time.Second); has(e.seconds, s) && found.After(t) {
			return found, true
		}
	}
	return time.Time{}, false
}

func has(set uint64, n int) bool { return set&(1<<n) != 0 }

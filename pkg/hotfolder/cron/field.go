package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// rangeOf is the range of a field and the names of its values.
type rangeOf struct {
	name     string
	min, max int
	names    []string // of min, min+1, …
}

var (
	months = rangeOf{name: "month", min: 1, max: 12,
		names: strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")}
	weekdays = rangeOf{name: "day of the week", max: 7, names: strings.Fields("SUN MON TUE WED THU FRI SAT")}
	dates    = rangeOf{name: "day of the month", min: 1, max: 31}
)

func (r rangeOf) fault(text, why string) error {
	return fmt.Errorf("cron expression: %s %q: %s", r.name, text, why)
}

// parse reads a field as a set of numbers.
func (r rangeOf) parse(text string) (set uint64, err error) {
	for item := range strings.SplitSeq(text, ",") {
		part, err := r.item(item)
		if err != nil {
			return 0, err
		}
		set |= part
	}
	return set, nil
}

// item reads one element of a list: a value, a range or "*", with or without a step.
func (r rangeOf) item(text string) (set uint64, err error) {
	span, stepText, stepped := strings.Cut(text, "/")
	step := 1
	if stepped {
		if step, err = strconv.Atoi(stepText); err != nil || step < 1 || step > r.max {
			return 0, r.fault(text, fmt.Sprintf("the step must be a number from 1 to %d", r.max))
		}
	}
	from, to := r.min, r.max
	if r.name == weekdays.name {
		to = 6 // Sunday is 0 and 7
	}
	if span != "*" {
		first, last, isRange := strings.Cut(span, "-")
		if from, err = r.value(first); err != nil {
			return 0, err
		}
		switch {
		case isRange:
			if to, err = r.value(last); err != nil {
				return 0, err
			}
		case !stepped:
			to = from
		}
		if r.name == weekdays.name && isRange && to == 0 {
			to = 7 // SAT-SUN
		}
		if from > to {
			return 0, r.fault(text, "the range ends before it begins")
		}
	}
	for n := from; n <= to; n += step {
		set |= 1 << n
	}
	return set, nil
}

// value reads a number or a name.
func (r rangeOf) value(text string) (int, error) {
	for i, name := range r.names {
		if strings.EqualFold(text, name) {
			return r.min + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < r.min || n > r.max || text[0] == '+' || text[0] == '-' {
		return 0, r.fault(text, fmt.Sprintf("want a number from %d to %d", r.min, r.max))
	}
	return n, nil
}

// parseDays reads the day of the month.
func parseDays(text string) (days []day, err error) {
	if text == "?" {
		text = "*"
	}
	for item := range strings.SplitSeq(text, ",") {
		d, err := parseDay(item)
		if err != nil {
			return nil, err
		}
		days = append(days, d)
	}
	return days, nil
}

func parseDay(text string) (day, error) {
	upper := strings.ToUpper(text)
	switch {
	case upper == "L":
		return func(t time.Time) bool { return t.Day() == lastOf(t) }, nil
	case upper == "LW" || upper == "WL":
		return func(t time.Time) bool { return t.Day() == nearestWeekday(t, lastOf(t)) }, nil
	case strings.HasPrefix(upper, "L-"):
		n, err := dates.value(upper[2:])
		if err != nil || n > 30 {
			return nil, dates.fault(text, "want L- and a number from 1 to 30")
		}
		return func(t time.Time) bool { return t.Day() == lastOf(t)-n }, nil
	case strings.HasSuffix(upper, "W"):
		n, err := dates.value(upper[:len(upper)-1])
		if err != nil {
			return nil, dates.fault(text, "want a number from 1 to 31 before W")
		}
		return func(t time.Time) bool { return n <= lastOf(t) && t.Day() == nearestWeekday(t, n) }, nil
	}
	set, err := dates.item(text)
	return func(t time.Time) bool { return has(set, t.Day()) }, err
}

// lastOf returns the last day of the month of t.
func lastOf(t time.Time) int { return time.Date(t.Year(), t.Month()+1, 0, 12, 0, 0, 0, time.UTC).Day() }

// nearestWeekday returns the working day that is nearest to a day of the month of t and in the same
// month.
func nearestWeekday(t time.Time, n int) int {
	switch time.Date(t.Year(), t.Month(), n, 12, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		if n == 1 {
			return 3
		}
		return n - 1
	case time.Sunday:
		if n == lastOf(t) {
			return n - 2
		}
		return n + 1
	}
	return n
}

// parseWeekdays reads the day of the week.
func parseWeekdays(text string) (days []day, err error) {
	if text == "?" {
		text = "*"
	}
	for item := range strings.SplitSeq(text, ",") {
		d, err := parseWeekday(item)
		if err != nil {
			return nil, err
		}
		days = append(days, d)
	}
	return days, nil
}

func parseWeekday(text string) (day, error) {
	if name, ok := strings.CutSuffix(strings.ToUpper(text), "L"); ok {
		n, err := weekdays.value(name)
		if err != nil {
			return nil, weekdays.fault(text, "want a day of the week before L")
		}
		return func(t time.Time) bool { return int(t.Weekday()) == n%7 && t.Day()+7 > lastOf(t) }, nil
	}
	if name, number, ok := strings.Cut(text, "#"); ok {
		n, err := weekdays.value(name)
		if err != nil {
			return nil, err
		}
		k, err := strconv.Atoi(number)
		if err != nil || k < 1 || k > 5 {
			return nil, weekdays.fault(text, "want a number from 1 to 5 after #")
		}
		return func(t time.Time) bool { return int(t.Weekday()) == n%7 && (t.Day()-1)/7 == k-1 }, nil
	}
	set, err := weekdays.item(text)
	if has(set, 7) {
		set |= 1
	}
	return func(t time.Time) bool { return has(set, int(t.Weekday())) }, err
}

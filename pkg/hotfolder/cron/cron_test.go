package cron_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/cron"
)

const layout = "2006-01-02 15:04:05"

// TestNext names the right times. Each want is the next time after the one before.
func TestNext(t *testing.T) {
	for _, c := range []struct {
		expression, from string
		want             string // times, separated by ", "
	}{
		// The documented default.
		{"0 0/5 * * * ?", "2026-11-30 12:01:00", "2026-11-30 12:05:00, 2026-11-30 12:10:00"},
		{"0 0/5 * * * ?", "2026-11-30 12:05:00", "2026-11-30 12:10:00"},
		{"0 0/5 * * * ?", "2026-11-30 12:04:59", "2026-11-30 12:05:00"},
		{"0 0/5 * * * ?", "2026-12-31 23:59:30", "2027-01-01 00:00:00"},
		// Seconds, lists, ranges, steps.
		{"* * * * * *", "2026-11-30 12:00:00", "2026-11-30 12:00:01"},
		{"15,45 * * * * *", "2026-11-30 12:00:15", "2026-11-30 12:00:45, 2026-11-30 12:01:15"},
		{"0/20 * * * * *", "2026-11-30 12:00:00", "2026-11-30 12:00:20, 2026-11-30 12:00:40, 2026-11-30 12:01:00"},
		{"0 10-14/2 * * * *", "2026-11-30 12:00:00",
			"2026-11-30 12:10:00, 2026-11-30 12:12:00, 2026-11-30 12:14:00, 2026-11-30 13:10:00"},
		{"0 */30 * * * *", "2026-11-30 12:00:00", "2026-11-30 12:30:00, 2026-11-30 13:00:00"},
		{"0 50/3 * * * *", "2026-11-30 12:00:00",
			"2026-11-30 12:50:00, 2026-11-30 12:53:00, 2026-11-30 12:56:00, 2026-11-30 12:59:00, " +
				"2026-11-30 13:50:00"},
		{"0 0 8-10 * * *", "2026-11-30 09:30:00", "2026-11-30 10:00:00, 2026-12-01 08:00:00"},
		{"30 5 1 * * *", "2026-11-30 12:00:00", "2026-12-01 01:05:30"},
		// Days.
		{"0 0 0 1 * *", "2026-11-30 12:00:00", "2026-12-01 00:00:00, 2027-01-01 00:00:00"},
		{"0 0 0 31 * ?", "2026-11-30 12:00:00", "2026-12-31 00:00:00, 2027-01-31 00:00:00, 2027-03-31 00:00:00"},
		{"0 0 0 29 2 ?", "2026-11-30 12:00:00", "2028-02-29 00:00:00, 2032-02-29 00:00:00"},
		{"0 0 0 29 2 ?", "2096-03-01 00:00:00", "2104-02-29 00:00:00"},
		{"0 0 0 29 FEB SUN", "2026-11-30 12:00:00", "2032-02-29 00:00:00"},
		{"0 0 0 ? JAN,jul *", "2026-11-30 12:00:00", "2027-01-01 00:00:00"},
		{"0 0 0 1 3-5 *", "2026-11-30 12:00:00",
			"2027-03-01 00:00:00, 2027-04-01 00:00:00, 2027-05-01 00:00:00, 2028-03-01 00:00:00"},
		// Days of the week. 2026-11-30 is a Monday.
		{"0 0 9 ? * MON-FRI", "2026-11-30 12:00:00", "2026-12-01 09:00:00"},
		{"0 0 9 ? * mon-fri", "2026-12-04 09:00:00", "2026-12-07 09:00:00"},
		{"0 0 9 ? * 0", "2026-11-30 12:00:00", "2026-12-06 09:00:00, 2026-12-13 09:00:00"},
		{"0 0 9 ? * 7", "2026-11-30 12:00:00", "2026-12-06 09:00:00, 2026-12-13 09:00:00"},
		{"0 0 9 ? * SUN", "2026-11-30 12:00:00", "2026-12-06 09:00:00"},
		{"0 0 9 ? * SAT-SUN", "2026-11-30 12:00:00",
			"2026-12-05 09:00:00, 2026-12-06 09:00:00, 2026-12-12 09:00:00"},
		{"0 0 9 ? * 6-7", "2026-11-30 12:00:00", "2026-12-05 09:00:00, 2026-12-06 09:00:00, 2026-12-12 09:00:00"},
		{"0 0 9 ? * 1,WED", "2026-11-30 12:00:00", "2026-12-02 09:00:00, 2026-12-07 09:00:00"},
		// Both days must fit, as in Spring.
		{"0 0 0 13 * FRI", "2026-11-30 12:00:00", "2027-08-13 00:00:00"},
		// L and W.
		{"0 0 0 L * *", "2026-11-30 12:00:00", "2026-12-31 00:00:00, 2027-01-31 00:00:00, 2027-02-28 00:00:00"},
		{"0 0 0 L-3 * *", "2026-11-30 12:00:00", "2026-12-28 00:00:00, 2027-01-28 00:00:00, 2027-02-25 00:00:00"},
		{"0 0 0 LW * *", "2026-11-30 12:00:00", "2026-12-31 00:00:00, 2027-01-29 00:00:00, 2027-02-26 00:00:00"},
		{"0 0 0 1W * *", "2026-11-30 12:00:00",
			"2026-12-01 00:00:00, 2027-01-01 00:00:00, 2027-02-01 00:00:00, 2027-03-01 00:00:00, " +
				"2027-04-01 00:00:00, 2027-05-03 00:00:00"},
		{"0 0 0 15W * *", "2026-11-30 12:00:00",
			"2026-12-15 00:00:00, 2027-01-15 00:00:00, 2027-02-15 00:00:00, 2027-03-15 00:00:00, " +
				"2027-04-15 00:00:00, 2027-05-14 00:00:00"},
		{"0 0 0 31W * *", "2026-11-30 12:00:00", "2026-12-31 00:00:00, 2027-01-29 00:00:00, 2027-03-31 00:00:00"},
		{"0 0 0 ? * 5L", "2026-11-30 12:00:00", "2026-12-25 00:00:00, 2027-01-29 00:00:00"},
		{"0 0 0 ? * FRIL", "2026-11-30 12:00:00", "2026-12-25 00:00:00"},
		{"0 0 0 ? * SUNL", "2026-11-30 12:00:00", "2026-12-27 00:00:00"},
		{"0 0 0 ? * FRI#2", "2026-11-30 12:00:00", "2026-12-11 00:00:00, 2027-01-08 00:00:00"},
		{"0 0 0 ? * MON#5", "2026-11-30 12:00:00", "2027-03-29 00:00:00"},
		{"0 0 0 1,L * *", "2026-11-30 12:00:00", "2026-12-01 00:00:00, 2026-12-31 00:00:00"},
		// Macros of Spring, and spaces.
		{"@hourly", "2026-11-30 12:30:00", "2026-11-30 13:00:00"},
		{" @daily ", "2026-11-30 12:30:00", "2026-12-01 00:00:00"},
		{"@weekly", "2026-11-30 12:30:00", "2026-12-06 00:00:00"},
		{"@monthly", "2026-11-30 12:30:00", "2026-12-01 00:00:00"},
		{"@yearly", "2026-11-30 12:30:00", "2027-01-01 00:00:00"},
		{"  0   0/5  *  *  *  ? ", "2026-11-30 12:01:00", "2026-11-30 12:05:00"},
	} {
		check(t, time.UTC, c.expression, c.from, c.want)
	}
}

// check compares the times after from with want.
func check(t *testing.T, zone *time.Location, expression, from, want string) {
	t.Helper()
	e, err := cron.Parse(expression)
	if err != nil {
		t.Errorf("Parse(%q) = %v", expression, err)
		return
	}
	at, err := time.ParseInLocation(layout, from, zone)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for range strings.Split(want, ", ") {
		next, ok := e.Next(at)
		if !ok {
			got = append(got, "none")
			break
		}
		if !next.After(at) {
			t.Errorf("%q: Next(%v) = %v, which is not later", expression, at, next)
			return
		}
		at = next
		got = append(got, at.Format(layout))
	}
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("%q after %s in %v: got %s, want %s", expression, from, zone, got, want)
	}
}

// TestClockChanges leaves out no tick and makes none twice when clocks go forward and back.
func TestClockChanges(t *testing.T) {
	for _, c := range []struct{ zone, expression, from, want string }{
		// Central Europe: 02:00 to 03:00 does not exist on 2026-03-29, and is twice on 2026-10-25.
		{"Europe/Vienna", "0 30 2 * * *", "2026-03-28 12:00:00", "2026-03-29 03:00:00, 2026-03-30 02:30:00"},
		{"Europe/Vienna", "0 0/20 * * * *", "2026-03-29 01:20:00",
			"2026-03-29 01:40:00, 2026-03-29 03:00:00, 2026-03-29 03:20:00"},
		{"Europe/Vienna", "0 0 3 * * *", "2026-03-28 12:00:00", "2026-03-29 03:00:00, 2026-03-30 03:00:00"},
		{"Europe/Vienna", "0 0 2,3 * * *", "2026-03-28 12:00:00", "2026-03-29 03:00:00, 2026-03-30 02:00:00"},
		{"Europe/Vienna", "0 30 2 * * *", "2026-10-24 12:00:00", "2026-10-25 02:30:00, 2026-10-26 02:30:00"},
		{"Europe/Vienna", "0 0/30 * * * *", "2026-10-25 01:30:00",
			"2026-10-25 02:00:00, 2026-10-25 02:30:00, 2026-10-25 02:00:00, 2026-10-25 02:30:00, " +
				"2026-10-25 03:00:00"},
		{"Europe/Vienna", "0 0 4 * * *", "2026-10-24 12:00:00", "2026-10-25 04:00:00"},
		// Lord Howe changes by half an hour.
		{"Australia/Lord_Howe", "0 15 2 * * *", "2026-10-03 12:00:00", "2026-10-04 02:30:00, 2026-10-05 02:15:00"},
		// Days that begin at one o'clock.
		{"America/Havana", "0 0 0 * * *", "2026-03-07 12:00:00", "2026-03-08 01:00:00, 2026-03-09 00:00:00"},
		// Samoa had no 30 December 2011.
		{"Pacific/Apia", "0 0 9 * * *", "2011-12-29 10:00:00", "2011-12-31 09:00:00"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		check(t, zone, c.expression, c.from, c.want)
	}
}

// TestNever says that an expression names no time.
func TestNever(t *testing.T) {
	for _, expression := range []string{"0 0 0 30 2 *", "0 0 0 31 4,6,9,11 *"} {
		e, err := cron.Parse(expression)
		if err != nil {
			t.Fatal(err)
		}
		if at, ok := e.Next(time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)); ok {
			t.Errorf("%q: Next = %v, want none", expression, at)
		}
	}
	if at, ok := new(cron.Expression).Next(time.Now()); ok {
		t.Errorf("the zero expression names %v", at)
	}
}

// TestParseErrors says which field is wrong and why.
func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "0 fields, want six",
		"0/5 * * * ?":        "5 fields, want six",
		"0 0/5 * * * ? 2026": "7 fields, want six",
		"nonsense":           "1 fields, want six",
		"60 * * * * *":       `second "60"`,
		"-1 * * * * *":       `second ""`,
		"+1 * * * * *":       `second "+1"`,
		"0 60 * * * *":       `minute "60"`,
		"0 0 24 * * *":       `hour "24"`,
		"0 0 0 0 * *":        `day of the month "0"`,
		"0 0 0 32 * *":       `day of the month "32"`,
		"0 0 0 1 0 *":        `month "0"`,
		"0 0 0 1 13 *":       `month "13"`,
		"0 0 0 1 JANUARY *":  `month "JANUARY"`,
		"0 0 0 1 * 8":        `day of the week "8"`,
		"0 0 0 1 * MONDAY":   `day of the week "MONDAY"`,
		"0 5-1 * * * *":      "ends before it begins",
		"0 0/0 * * * *":      "the step must be",
		"0 0/x * * * *":      "the step must be",
		"0 0/-5 * * * *":     "the step must be",
		"0 */99 * * * *":     "the step must be",
		"0 1,,2 * * * *":     `minute ""`,
		"0 ? * * * *":        `minute "?"`,
		"0 0 L * * *":        `hour "L"`,
		"0 0 0 32W * *":      "before W",
		"0 0 0 W * *":        "before W",
		"0 0 0 L-31 * *":     "L-31",
		"0 0 0 ? * L":        "before L",
		"0 0 0 ? * FRI#6":    "after #",
		"0 0 0 ? * X#1":      `day of the week "X"`,
		"0 0 0 ? * FRI#":     "after #",
		"@reboot":            "1 fields, want six",
		"0 0 0 1 * *\x00":    "day of the week",
	} {
		if _, err := cron.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"0 0/5 * * * ?", "*/7 1-5,9 0 LW JAN-MAR FRI#2", "0 0 0 15W * 5L", "@daily"} {
		f.Add(text)
	}
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := cron.Parse(text)
		if err != nil {
			return
		}
		if next, ok := e.Next(at); ok && !next.After(at) {
			t.Errorf("%q: Next = %v, which is not later", text, next)
		}
	})
}

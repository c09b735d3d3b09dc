package main

import "testing"

// TestFaultsWithoutNames checks that the names of documents do not appear on the status page.
func TestFaultsWithoutNames(t *testing.T) {
	for fault, want := range map[string]string{
		`rename "4711.pdf": permission denied`:      `rename "…": permission denied`,
		`stat "a\"b\n47\\": x; open "c": y`:         `stat "…": x; open "…": y`,
		`open folder: openat in: no such directory`: `open folder: openat in: no such directory`,
	} {
		if got := withoutNames(fault); got != want {
			t.Errorf("%s becomes %s, want %s", fault, got, want)
		}
	}
}

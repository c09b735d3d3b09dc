package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestColumns fails if a line of code has more than 120 columns, or a comment line more than 100.
func TestColumns(t *testing.T) {
	checked := 0
	err := goFiles(top, func(path, name string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		checked++
		for _, l := range longLines(text) {
			limit := codeColumns
			if l.comment {
				limit = commentColumns
			}
			t.Errorf("%s:%d has %d columns, at most %d are allowed", name, l.number, l.columns, limit)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked == 0 {
		t.Error("no file was checked")
	}
}

// TestLongLines checks which lines count as too long.
func TestLongLines(t *testing.T) {
	wide := strings.Repeat("x", 130)
	for text, want := range map[string][]longLine{
		"package p\n\nvar " + wide + " = 1\n":                           {{3, 138, false}},
		"package p\n\n// A " + wide[:100] + "\nvar a int\n":             {{3, 105, true}},
		"package p\n\n// " + wide + "\nvar a int\n":                     nil, // a single word
		"package p\n\nvar a = `" + wide + "`\n":                         nil, // in a raw string
		"package p\n\nvar a = `\n" + wide + "\n`\n":                     nil, // in a raw string of several lines
		"package p\n\nvar a = `b` + \"" + wide + "\"\n":                 {{3, 146, false}},
		"package p\n\nvar a = 1 // " + wide[:100] + "\n":                nil, // a line of code
		"package p\n\n// " + strings.Repeat("é ", 48) + "\nvar a int\n": nil, // columns, not bytes
	} {
		if got := longLines([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("longLines(%.40q) = %v, want %v", text, got, want)
		}
	}
}

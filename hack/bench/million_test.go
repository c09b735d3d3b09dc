package main

import (
	"testing"
	"time"
)

// TestMillionMarks checks after which documents a row is printed, and what is compared.
func TestMillionMarks(t *testing.T) {
	m := newMillion(2500, 400, "")
	var marks []int
	for i := range 400 {
		m.samples = append(m.samples, manySample{sample: sample{proxy: time.Second}})
		m.whole = append(m.whole, time.Duration(i)*2500*time.Second)
		if m.marked() {
			marks = append(marks, len(m.samples)*m.each)
			if window, whole := m.at(len(m.samples)); len(window) != min(len(m.samples), millionWindow) || whole != time.Second {
				t.Errorf("at %d: %d requests, %v for a document, want 1 s", len(m.samples)*m.each, len(window), whole)
			}
		}
	}
	want := []int{10_000, 100_000, 500_000, 1_000_000}
	if len(marks) != len(want) {
		t.Fatalf("rows at %v, want %v", marks, want)
	}
	for i := range want {
		if marks[i] != want[i] {
			t.Errorf("rows at %v, want %v", marks, want)
		}
	}
}

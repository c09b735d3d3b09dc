//go:build !linux

package store

import "math"

// freeBytes is known on Linux only; elsewhere a full disk is noticed by writing.
func freeBytes(string) (int64, error) { return math.MaxInt64, nil }

// diskBytes is known on Linux only.
func diskBytes(string) (int64, error) { return math.MaxInt64, nil }

//go:build !linux

package store

import "os"

// allocate makes a file size bytes long and reserves space on the disk for all of them.
func allocate(f *os.File, size int64) error { return fillWithZeros(f, size) }

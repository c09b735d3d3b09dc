package pades

import (
	"fmt"
	"slices"
)

// findings collects what one comparison of revisions finds, in words for the report.
type findings struct {
	allowed   []string
	forbidden []string
	// permission is /P of the certification, if the compared signature certifies the document. 1
	// allows nothing but timestamps and validation data; 0 means that it does not certify.
	permission int64
	locks      []lock // of the compared signature
}

func (f *findings) allow(format string, args ...any) {
	f.allowed = appendOnce(f.allowed, fmt.Sprintf(format, args...))
}

func (f *findings) forbid(format string, args ...any) {
	f.forbidden = appendOnce(f.forbidden, fmt.Sprintf(format, args...))
}

// allowFilling records a change that filling in or signing the named fields makes. The change is
// forbidden if the certification allows nothing, or if the signature locks one of the fields.
func (f *findings) allowFilling(names []string, format string, args ...any) {
	if f.permission == 1 || slices.ContainsFunc(names, f.locked) {
		f.forbid(format, args...)
		return
	}
	f.allow(format, args...)
}

// locked reports whether the signature locks a field (ISO 32000-2 12.8.2.4).
func (f *findings) locked(name string) bool {
	return slices.ContainsFunc(f.locks, func(l lock) bool { return l.covers(name) })
}

func appendOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

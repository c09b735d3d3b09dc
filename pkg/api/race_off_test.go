//go:build !race

package api_test

// underRace tells that the race detector makes everything slow: tests then move a tenth of the
// bytes.
const underRace = false

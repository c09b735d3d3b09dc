//go:build race

package keyhome_test

// The model runs in one goroutine, and the race detector makes it ten times slower. `make test`
// runs it and the mutations once more without the detector, with all schedules.
func init() {
	*schedules = 20
	skipMutations = true
}

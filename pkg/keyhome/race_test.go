//go:build race

package keyhome_test

// The model runs in one goroutine, and the race detector makes it ten times slower. `make test`
// runs the model, the mutations and the planned events once more without the detector.
func init() {
	*schedules = 20
	raceDetector = true
}

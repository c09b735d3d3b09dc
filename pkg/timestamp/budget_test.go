package timestamp

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestBudgetAfterClockWasAhead checks that requests whose times are in the future count as requests
// of now: for one window, and not until those times.
func TestBudgetAfterClockWasAhead(t *testing.T) {
	pki() // made in real time, for all tests
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "budget.json")
		text, err := json.Marshal(
			map[string][]time.Time{"http://tsa": {time.Now().Add(-30 * time.Second), time.Now().AddDate(1, 0, 0)}},
		)
		if err == nil {
			err = os.WriteFile(file, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		h := newTSA(t, nil)
		c := newClient(t, Config{
			Authorities: []Authority{{URL: "http://tsa", Budget: Budget{2, time.Minute}}},
			HTTP:        direct{"tsa": h}.client(),
			BudgetFile:  file,
		})
		for _, want := range []time.Duration{30 * time.Second, 0, 30 * time.Second, 0} { // wait for the next request
			_, err := c.Timestamp(t.Context(), digest[:], sha)
			if e := signing.AsError(err); (err != nil) != (want > 0) || want > 0 && e.RetryAfter != want {
				t.Errorf("Timestamp = %v, want a retry after %v", err, want)
			}
			time.Sleep(want)
		}
	})
}

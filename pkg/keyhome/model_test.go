package keyhome_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

var (
	seed      = flag.Uint64("seed", 1, "seed of the first schedule of the model test")
	schedules = flag.Int("schedules", 200, "number of schedules of the model test; KEYHOME_SCHEDULES sets it too")
	tracing   = flag.Bool("steps", false, "print what happens in the schedules of the model test")
)

func scheduleCount(t *testing.T) int {
	if text := os.Getenv("KEYHOME_SCHEDULES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("KEYHOME_SCHEDULES: %v", err)
		}
		return n
	}
	return *schedules
}

// maxFaulty is how many faulty schedules are reported.
const maxFaulty = 20

// TestModel runs random schedules of crashes, lost messages and changes of the fleet, and checks
// that no key makes two operations, that no request is refused without need, and that all keys can
// be answered in the end.
func TestModel(t *testing.T) {
	results := make(map[string]int)
	excused, faulty := 0, 0
	for i := range uint64(scheduleCount(t)) {
		var trace func(string, ...any)
		if *tracing {
			trace = func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
		}
		f := runSchedule(*seed+i, 0, trace)
		for status, n := range f.results {
			results[status] += n
		}
		excused += len(f.excused)
		for _, fault := range f.faults {
			t.Errorf("seed %d: %s", *seed+i, fault)
		}
		if len(f.faults) == 0 {
			continue
		}
		t.Errorf("repeat with: go test ./pkg/keyhome -run TestModel -seed %d -schedules 1 -steps", *seed+i)
		if faulty++; faulty == maxFaulty {
			t.FailNow()
		}
	}
	t.Logf("answers: %v; keys whose last claim was lost with a volume: %d", results, excused)
	if results["accepted"] == 0 || results["differs"] == 0 || results["refused"] == 0 {
		t.Error("the schedules do not reach all kinds of answers")
	}
}

func sprint(o int, p *process, ok bool, e keyhome.Entry) string {
	return fmt.Sprintf("\n%d dead=%v claim=%v owner=%d v=%d %+v", o, p.dead, ok, e.Owner, e.Version, p.home.State())
}

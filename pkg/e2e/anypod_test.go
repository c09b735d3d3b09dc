//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
)

// questions is the number of random questions.
const questions = 1000

// holding is an operation and the instance that holds it.
type holding struct {
	reference string
	id        int64
	ordinal   int
}

// spread signs ten operations on each of three instances.
func (w *world) spread(name string) []holding {
	w.t.Helper()
	var all []holding
	for ordinal := range 3 {
		for i := range 10 {
			reference := fmt.Sprintf("%s %d %d", name, ordinal, i)
			op := w.accept(instanceURL(ordinal), reference)
			if "http://"+op.HostPort != instanceURL(ordinal) {
				w.t.Fatalf("%s is at %s, want instance %d", reference, op.HostPort, ordinal)
			}
			all = append(all, holding{reference, op.ID, ordinal})
		}
	}
	for _, h := range all {
		w.ended(instanceURL(h.ordinal), h.reference)
	}
	return all
}

// askAtRandom sends questions about the operations to the Service, eight at a time.
func (w *world) askAtRandom(all []holding, judge func(holding, answer) error) {
	w.t.Helper()
	var work sync.WaitGroup
	next := make(chan func())
	for range 8 {
		work.Go(func() {
			for f := range next {
				f()
			}
		})
	}
	for range questions {
		h, kind := all[rand.IntN(len(all))], rand.IntN(3)
		next <- func() {
			url := statusURL(front, h.reference)
			switch kind {
			case 0:
				url = byIDURL(front, h.id)
			case 1:
				url = detailURL(front, h.reference)
			}
			a, err := call(w.t.Context(), w.door, w.admin, http.MethodGet, url, nil)
			if err == nil {
				err = judge(h, a)
			}
			if err != nil {
				w.t.Errorf("%s: %v", url, err)
			}
		}
	}
	close(next)
	work.Wait()
}

// right checks that the answer is the operation that was asked for.
func right(h holding, a answer) error {
	if a.status != http.StatusOK || !strings.Contains(string(a.body), fmt.Sprintf(`"id":%d,`, h.id)) ||
		a.header.Get("X-Signstash-Instance") != podName(h.ordinal) {
		return fmt.Errorf("answer %v of %s, want operation %d of instance %d", a, a.header.Get("X-Signstash-Instance"),
			h.id, h.ordinal)
	}
	return nil
}

// anyPodAnswers asks the Service, and so any pod, about operations of all three instances.
func (w *world) anyPodAnswers() {
	all := w.spread("any")
	w.askAtRandom(all, right)
	for _, base := range []string{front, instanceURL(0), instanceURL(1), instanceURL(2)} {
		w.ask(http.StatusNotFound, http.MethodGet, statusURL(base, "invented"), nil)
		w.ask(http.StatusNotFound, http.MethodGet, detailURL(base, "invented"), nil)
	}
}

// onePodDown keeps one instance down. Its operations are answered with 503 that names it. The
// others are answered as before.
func (w *world) onePodDown() {
	all := w.spread("down")
	const down = 2
	node := w.pod(down).Spec.NodeName
	w.must("kubectl", "cordon", node) // otherwise a new pod would start within seconds
	uncordon := func() { w.must("kubectl", "uncordon", node) }
	defer uncordon()
	w.kubectl("delete", "pod", podName(down))
	missing := func(a answer) error {
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" ||
			!strings.Contains(string(a.body), podName(down)) {
			return fmt.Errorf("answer %v, Retry-After %q; want 503 that names %s", a, a.header.Get("Retry-After"), podName(down))
		}
		return nil
	}
	w.askAtRandom(all, func(h holding, a answer) error {
		if h.ordinal == down {
			return missing(a)
		}
		return right(h, a)
	})
	invented := w.ask(http.StatusServiceUnavailable, http.MethodGet, statusURL(front, "invented"), nil)
	if err := missing(invented); err != nil {
		w.t.Errorf("an invented reference while one cannot be asked: %v", err)
	}
	uncordon()
	w.wantReady(3)
	w.askAtRandom(all, right)
}

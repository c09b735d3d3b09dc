//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// managementURL is the URL of the management port of a pod inside of the cluster.
func managementURL(ordinal int) string {
	return strings.Replace(instanceURL(ordinal), ":8080", ":8081", 1)
}

// metric reads one metric of an instance. name includes the labels.
func (w *world) metric(ordinal int, name string) (int64, error) {
	url := managementURL(ordinal) + "/metrics"
	a, err := call(w.t.Context(), w.door, credential{}, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(a.body)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			var n float64
			_, err := fmt.Sscan(value, &n)
			return int64(n), err
		}
	}
	return 0, fmt.Errorf("%s: %d, without %s", url, a.status, name)
}

// wantPhase waits until an instance is in a phase of its stop.
func (w *world) wantPhase(ordinal int, phase string) {
	w.t.Helper()
	w.eventually(func() error {
		d, err := client.ReadDrain(w.t.Context(), w.door, managementURL(ordinal))
		if err == nil && d.Phase != phase {
			err = fmt.Errorf("%s is %s, want %s", podName(ordinal), d.Phase, phase)
		}
		return err
	})
}

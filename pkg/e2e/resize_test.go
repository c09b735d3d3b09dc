//go:build e2e

package e2e

import "fmt"

// limitMetric is the memory limit of its container that an instance reports.
const limitMetric = "signstash_container_memory_limit_bytes"

// resize changes the memory limit of a running pod. The process goes on, and follows the limit.
func (w *world) resize() {
	const (
		ordinal  = 0
		mebibyte = 1 << 20
		normal   = 512 // MiB, the default of the chart
		larger   = 640
		smaller  = 448
	)
	w.wantLimit(ordinal, normal*mebibyte)
	before := w.container(ordinal)
	for _, limit := range []int64{larger, smaller} {
		w.kubectl("patch", "pod", podName(ordinal), "--subresource=resize", fmt.Sprintf(
			`--patch={"spec":{"containers":[{"name":"proxy","resources":{"limits":{"memory":"%dMi"}}}]}}`, limit))
		w.wantLimit(ordinal, limit*mebibyte)
	}
	if after := w.container(ordinal); after != before {
		w.t.Errorf("the container is %s, want %s, which was resized", after, before)
	}
}

// wantLimit waits until an instance reports a memory limit in bytes.
func (w *world) wantLimit(ordinal int, want int64) {
	w.t.Helper()
	w.eventually(func() error {
		got, err := w.metric(ordinal, limitMetric)
		if err == nil && got != want {
			err = fmt.Errorf("%s reports a limit of %d bytes, want %d", podName(ordinal), got, want)
		}
		return err
	})
}

// container returns the ID of the container of an instance, which a restart changes.
func (w *world) container(ordinal int) string {
	w.t.Helper()
	return w.kubectl("get", "pod", podName(ordinal), "-o", "jsonpath={.status.containerStatuses[0].containerID}")
}

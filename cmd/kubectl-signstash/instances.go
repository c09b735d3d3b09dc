package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// managementURL is the address in requests to an instance. The tunnel leads to the right port,
// whatever the host is.
const managementURL = "http://instance"

// answer is what an instance said, or why it said nothing.
type answer struct {
	pod *corev1.Pod
	client.Instance
	err error
}

// instances asks all pods about themselves. If signedSince is not zero, they also count signed
// documents.
func (c *cluster) instances(ctx context.Context, pods []corev1.Pod, signedSince time.Time) []answer {
	answers := make([]answer, len(pods))
	faults := c.ask(ctx, pods, func(ctx context.Context, i int, h *http.Client) (err error) {
		answers[i].Instance, err = client.ReadInstance(ctx, h, managementURL, signedSince)
		return err
	})
	for i := range answers {
		answers[i].pod, answers[i].err = &pods[i], faults[i]
	}
	return answers
}

// unread lists the instances that did not answer, with the reasons. A reason that applies to all of
// them is listed once.
func unread(answers []answer) []string {
	var list []string
	same := len(answers) > 1
	for _, a := range answers {
		same = same && a.err != nil && a.err.Error() == answers[0].err.Error()
		if a.err != nil {
			list = append(list, a.pod.Name+": "+a.err.Error())
		}
	}
	if same {
		return []string{"all instances: " + answers[0].err.Error()}
	}
	return list
}

// missing returns the names of the pods that the StatefulSet wants and that do not exist.
func (r *release) missing(pods []corev1.Pod) []string {
	first, count := 0, 1
	if r.set.Spec.Ordinals != nil {
		first = int(r.set.Spec.Ordinals.Start)
	}
	if r.set.Spec.Replicas != nil {
		count = int(*r.set.Spec.Replicas)
	}
	var names []string
	for i := range count {
		name := fmt.Sprintf("%s-%d", r.set.Name, first+i)
		if !slices.ContainsFunc(pods, func(p corev1.Pod) bool { return p.Name == name }) {
			names = append(names, name)
		}
	}
	return names
}

// age returns a duration in one or two units: 42 s, 3 min, 5 h 10 min, 12 d.
func age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d", int(d.Hours())/24)
}

// size returns a number of bytes in a binary unit.
func size(n int64) string {
	v, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

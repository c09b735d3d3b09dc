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

const drainHelp = `kubectl signstash drain [POD...]

Prints how far the stop of all instances, or of those that are named, is. For an instance that leaves for good it
prints what is still to do: operations that have not ended, results that no client has fetched, callbacks that are
not made, claims of Idempotency-Keys that no other instance has, and how long it stays at most. It stops nothing: to
remove an instance, lower the number of replicas.

Rights: list statefulsets.apps and pods; create pods/portforward.
`

func runDrain(ctx context.Context, args []string, s streams) error {
	var o options
	names, err := parse(newFlags("drain", drainHelp, s, &o), args, &o)
	if err != nil {
		return err
	}
	c, err := connect(o, s.now)
	if err != nil {
		return err
	}
	r, err := c.findRelease(ctx, o.release)
	if err != nil {
		return err
	}
	pods, err := c.pods(ctx, r)
	if err != nil {
		return err
	}
	if pods, err = named(pods, names, r); err != nil {
		return err
	}
	drains, faults := c.drains(ctx, pods)
	if err := o.show(s, drains, func(t *table) { printDrains(t, drains) }); err != nil {
		return err
	}
	return notes(s, faults)
}

// named returns the pods that have one of the names, or all pods if there are no names.
func named(pods []corev1.Pod, names []string, r *release) ([]corev1.Pod, error) {
	if len(names) == 0 {
		return pods, nil
	}
	var found []corev1.Pod
	for _, name := range names {
		i := slices.IndexFunc(pods, func(p corev1.Pod) bool { return p.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("the release %s has no instance %q", r.name, name)
		}
		found = append(found, pods[i])
	}
	return found, nil
}

// drains asks the pods how far their stop is.
func (c *cluster) drains(ctx context.Context, pods []corev1.Pod) (drains []client.Drain, faults []string) {
	all := make([]client.Drain, len(pods))
	errs := c.ask(ctx, pods, func(ctx context.Context, i int, h *http.Client) (err error) {
		all[i], err = client.ReadDrain(ctx, h, managementURL)
		return err
	})
	drains = []client.Drain{}
	for i, err := range errs {
		if err != nil {
			faults = append(faults, pods[i].Name+": "+err.Error())
			continue
		}
		drains = append(drains, all[i])
	}
	return drains, faults
}

func printDrains(t *table, drains []client.Drain) {
	t.row("INSTANCE", "PHASE", "LEAVES FOR GOOD", "PENDING", "NOT FETCHED", "CALLBACKS", "CLAIMS", "TIME LEFT")
	for _, d := range drains {
		left := ""
		if d.SecondsLeft != nil {
			left = (time.Duration(*d.SecondsLeft) * time.Second).String()
		}
		t.row(d.Instance, d.Phase, map[bool]string{true: "yes", false: "no"}[d.ForGood], d.PendingOperations,
			d.ResultsNotFetched, d.CallbacksNotMade, d.ClaimsNotHandedOver, left)
	}
}

package main

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// eventPage is the number of events in one answer of the API server. An event has about 1 kB.
	eventPage = 500
	// maxEventPages bounds how many events are read of a namespace that has very many.
	maxEventPages = 20
)

// events returns events of the namespace, the newest first. Kubernetes removes events after an hour
// by default.
func (c *cluster) events(ctx context.Context, selector string) ([]corev1.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var all []corev1.Event
	options := metav1.ListOptions{FieldSelector: selector, Limit: eventPage}
	for range maxEventPages {
		list, err := c.api.CoreV1().Events(c.namespace).List(ctx, options)
		if err != nil {
			return nil, c.fault(err, right{"list", "events"})
		}
		all = append(all, list.Items...)
		if options.Continue = list.Continue; options.Continue == "" {
			break
		}
	}
	slices.SortStableFunc(all, func(a, b corev1.Event) int { return seen(&b).Compare(seen(&a)) })
	return all, nil
}

// seen returns when an event happened last.
func seen(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}

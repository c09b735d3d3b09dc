package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Labels that the chart sets.
const (
	nameLabel      = "app.kubernetes.io/name"
	releaseLabel   = "app.kubernetes.io/instance"
	componentLabel = "app.kubernetes.io/component"
	chartName      = "signstash-proxy"
)

// release is an installation of the chart.
type release struct {
	name string // of the Helm release
	set  appsv1.StatefulSet
}

// labels selects the objects of a component of the release.
func (r *release) labels(component string) metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: fmt.Sprintf("%s=%s,%s=%s,%s=%s", nameLabel, chartName,
		releaseLabel, r.name, componentLabel, component)}
}

// Names of objects of the release, as the chart derives them.
func (r *release) clientsSecret() string { return r.set.Name + "-clients" }
func (r *release) lease() string         { return r.set.Name + "-controller" }

// findRelease finds the release of a name, or the only one in the namespace if the name is empty.
func (c *cluster) findRelease(ctx context.Context, name string) (*release, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	sets, err := c.api.AppsV1().StatefulSets(c.namespace).List(ctx, metav1.ListOptions{
		LabelSelector: fmt.Sprintf("%s=%s,%s=proxy,%s", nameLabel, chartName, componentLabel, releaseLabel),
	})
	if err != nil {
		return nil, c.fault(err, right{"list", "statefulsets.apps"})
	}
	found := map[string]appsv1.StatefulSet{}
	for _, set := range sets.Items {
		found[set.Labels[releaseLabel]] = set
	}
	names := slices.Sorted(maps.Keys(found))
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("the namespace %s has no release of signstash-proxy; --namespace names another one",
			c.namespace)
	case name == "" && len(names) > 1:
		return nil, usageError{fmt.Errorf("the namespace %s has several releases; choose one with --release: %s",
			c.namespace, strings.Join(names, ", "))}
	case name == "":
		name = names[0]
	}
	set, ok := found[name]
	if !ok {
		return nil, fmt.Errorf("the namespace %s has no release %q of signstash-proxy, only %s", c.namespace, name,
			strings.Join(names, ", "))
	}
	return &release{name, set}, nil
}

// pods returns the pods of the instances, in the order of their ordinals.
func (c *cluster) pods(ctx context.Context, r *release) ([]corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := c.api.CoreV1().Pods(c.namespace).List(ctx, r.labels("proxy"))
	if err != nil {
		return nil, c.fault(err, right{"list", "pods"})
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int {
		return cmp.Or(len(a.Name)-len(b.Name), strings.Compare(a.Name, b.Name)) // all names differ only in the ordinal
	})
	return list.Items, nil
}

// managementPort returns the port of the container that has the probes, the metrics and the status.
func managementPort(pod *corev1.Pod) int {
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == "management" {
				return int(port.ContainerPort)
			}
		}
	}
	return 8081 // what the chart sets
}

// ready reports whether a pod is ready.
func ready(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

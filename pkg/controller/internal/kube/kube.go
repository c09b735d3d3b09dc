// Package kube holds the rules for Kubernetes objects that all reconcilers of the controller share.
package kube

import (
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// maxNoteBytes bounds the note of an event, because the API server accepts at most 1 kB
// (events.k8s.io/v1).
const maxNoteBytes = 800

// Note returns text as the note of an event. It cuts a text that is too long.
func Note(text string) string {
	if len(text) <= maxNoteBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxNoteBytes], "") + "…"
}

// TouchAgain is the time between the two touches of a pod. A kubelet updates the mounted Secrets
// and ConfigMaps of a pod whenever the pod changes. The second touch is needed because the kubelet
// may not have seen the new object at the first one.
const TouchAgain = 2 * time.Second

// Shortest and longest back-off after a failed reconciliation. The longest is much shorter than
// controller-runtime's default of a quarter of an hour, because a new client service or a new
// address must not wait that long.
const (
	minBackOff = 5 * time.Millisecond
	maxBackOff = 30 * time.Second
)

// RateLimiter returns the back-off of a reconciler.
func RateLimiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](minBackOff, maxBackOff)
}

// OwnedBy returns the owner references of an object that the StatefulSet controls. Kubernetes
// deletes the object together with the StatefulSet. BlockOwnerDeletion is not set, because it needs
// the permission to set finalizers of the StatefulSet.
func OwnedBy(statefulSet metav1.Object) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{
		APIVersion: appsv1.SchemeGroupVersion.String(),
		Kind:       "StatefulSet",
		Name:       statefulSet.GetName(),
		UID:        statefulSet.GetUID(),
		Controller: &yes,
	}}
}

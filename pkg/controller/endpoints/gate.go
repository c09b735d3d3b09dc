package endpoints

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/kube"
)

// Reasons of the readiness gate and of events.
const (
	reasonPublished = "EndpointPublished"
	reasonLost      = "EndpointLost"    // it was published before, and its address is no longer known
	reasonPending   = "EndpointPending" // it was never published
	reasonRefused   = "EndpointRefused" // it was never published, and waits until somebody changes something
	reasonKept      = "EndpointKept"    // it has the address of a former mode, because the new one is not known yet
	action          = "Publish"
)

// gate sets the readiness gate if it differs, and writes an event about the change.
func (r *reconciler) gate(ctx context.Context, i instance) error {
	current, want := condition(i.Pod), wantedGate(i, r.config.Mode)
	if current.Status == want.Status && current.Reason == want.Reason && current.Message == want.Message {
		return nil
	}
	want.LastTransitionTime = current.LastTransitionTime
	if current.Status != want.Status {
		want.LastTransitionTime = metav1.Now()
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": i.UID}, "status": map[string]any{"conditions": []corev1.PodCondition{want}},
	})
	if err != nil {
		return fmt.Errorf("set readiness gate of %s: %w", i.Name, err)
	}
	err = r.client.Status().Patch(ctx, i.DeepCopy(), client.RawPatch(types.StrategicMergePatchType, patch))
	if superseded(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("set readiness gate of %s: %w", i.Name, err)
	}
	r.recordEvent(i, current, want)
	return nil
}

// recordEvent writes an event when a pod becomes reachable, loses its address, or keeps one of a
// former mode, and when it has the address of the new mode then.
func (r *reconciler) recordEvent(i instance, before, now corev1.PodCondition) {
	switch {
	case now.Status == corev1.ConditionTrue && before.Status != corev1.ConditionTrue, now.Reason == reasonKept,
		before.Reason == reasonKept && now.Reason == reasonPublished:
		r.events.Eventf(i.Pod, nil, corev1.EventTypeNormal, now.Reason, action, "%s", now.Message)
	case now.Reason == reasonLost, now.Reason == reasonRefused:
		r.events.Eventf(i.Pod, nil, corev1.EventTypeWarning, now.Reason, action, "it takes no new work: %s", now.Message)
	}
}

func condition(p *corev1.Pod) corev1.PodCondition {
	for _, c := range p.Status.Conditions {
		if c.Type == affinity.EndpointCondition {
			return c
		}
	}
	return corev1.PodCondition{}
}

// wantedGate returns the readiness gate of an instance. mode is the present mode.
func wantedGate(i instance, mode Mode) corev1.PodCondition {
	a := &i.address
	want := corev1.PodCondition{
		Type: affinity.EndpointCondition, Status: corev1.ConditionTrue, Reason: reasonPublished,
		Message: fmt.Sprintf("clients reach it at %s, port %d", a.host, a.port),
	}
	switch {
	case a.why != "" && i.Annotations[affinity.EndpointAnnotation] != "":
		want.Status, want.Reason, want.Message = corev1.ConditionFalse, reasonLost, a.why
	case a.refused:
		want.Status, want.Reason, want.Message = corev1.ConditionFalse, reasonRefused, a.why
	case a.why != "":
		want.Status, want.Reason, want.Message = corev1.ConditionFalse, reasonPending, a.why
	case a.waits != "":
		want.Reason = reasonKept
		want.Message = kube.Note(fmt.Sprintf("%s, its address of mode %s, until it has one of mode %s: %s",
			want.Message, a.mode, mode, a.waits))
	}
	return want
}

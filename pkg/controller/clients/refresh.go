package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/kube"
)

// refresher makes the kubelets update mounted files at once. A kubelet updates the volumes of a pod
// whenever the pod changes, and otherwise about once a minute.
type refresher struct {
	client    client.Client
	namespace string

	version string    // resourceVersion of the rendered Secret that the pods were last touched for
	touched int       // how often they were touched for version
	first   time.Time // when they were first touched for version
}

// refresh touches the owner's pods twice for each version. It returns how long to wait before it
// must be called again; 0 = no further call. A controller that has just started touches the pods
// too, because the previous one may have ended right after its write.
func (r *refresher) refresh(ctx context.Context, owner types.UID, version string) (time.Duration, error) {
	now := time.Now()
	if r.version != version {
		r.version, r.touched = version, 0
	}
	if r.touched == 1 && now.Sub(r.first) < kube.TouchAgain {
		return kube.TouchAgain - now.Sub(r.first), nil
	}
	if r.touched > 1 {
		return 0, nil
	}
	if err := r.touch(ctx, owner, now); err != nil {
		return 0, err
	}
	r.touched++
	if r.touched == 1 {
		r.first = now
		return kube.TouchAgain, nil
	}
	return 0, nil
}

// touch sets the RefreshAnnotation of all pods of the owner to now.
func (r *refresher) touch(ctx context.Context, owner types.UID, now time.Time) error {
	var pods metav1.PartialObjectMetadataList
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	if err := r.client.List(ctx, &pods, client.InNamespace(r.namespace)); err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{affinity.RefreshAnnotation: now.UTC().Format(time.RFC3339Nano)},
	}})
	if err != nil {
		return fmt.Errorf("touch pods: %w", err)
	}
	var failed []error
	for i := range pods.Items {
		pod := &pods.Items[i]
		if ref := metav1.GetControllerOf(pod); ref == nil || ref.UID != owner || pod.DeletionTimestamp != nil {
			continue
		}
		err := r.client.Patch(ctx, pod, client.RawPatch(types.MergePatchType, patch))
		if client.IgnoreNotFound(err) != nil {
			failed = append(failed, fmt.Errorf("touch pod %s: %w", pod.Name, err))
		}
	}
	return errors.Join(failed...)
}

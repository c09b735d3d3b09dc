package endpoints

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/kube"
)

// directory writes the directory of all instances if it has changed, and returns the
// resourceVersion of the ConfigMap.
func (r *reconciler) directory(ctx context.Context, owner *appsv1.StatefulSet, instances []instance) (string, error) {
	current := &corev1.ConfigMap{}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: r.config.Namespace, Name: r.config.EndpointsConfigMap}, current)
	exists := err == nil
	if client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("read endpoints ConfigMap: %w", err)
	}
	next, d, err := r.nextConfigMap(ctx, owner, instances, current)
	if err != nil {
		return "", err
	}
	if exists && reflect.DeepEqual(current, next) {
		r.written = d
		return current.ResourceVersion, nil
	}
	if exists {
		err = r.client.Update(ctx, next)
	} else {
		err = r.client.Create(ctx, next)
	}
	if err != nil {
		return "", fmt.Errorf("write endpoints ConfigMap: %w", err)
	}
	r.written = d
	log.FromContext(ctx).Info("wrote the endpoints", "expected", d.Expected, "known", len(d.Endpoints))
	return next.ResourceVersion, nil
}

// nextConfigMap returns the ConfigMap of the directory and the directory in it. current is the
// ConfigMap that it replaces.
func (r *reconciler) nextConfigMap(
	ctx context.Context, owner *appsv1.StatefulSet, instances []instance, current *corev1.ConfigMap,
) (*corev1.ConfigMap, affinity.Directory, error) {
	ours := metav1.IsControlledBy(current, owner)
	before, err := predecessor(current.Data[affinity.DirectoryKey], ours, r.written, time.Now())
	if err != nil {
		log.FromContext(ctx).Error(err, "the endpoints ConfigMap is damaged; writing it again")
	}
	d := r.config.nextDirectory(replicas(owner), instances, before)
	data, err := affinity.EncodeDirectory(d)
	if err != nil {
		return nil, d, err
	}
	known := decodeClaims(current.Annotations[volumesAnnotation])
	claims := r.volumes.look(ctx, owner, max(d.Expected, d.Stopped), instances, known)
	next := current.DeepCopy()
	next.Namespace, next.Name = r.config.Namespace, r.config.EndpointsConfigMap
	next.Data = map[string]string{affinity.DirectoryKey: string(data)}
	next.OwnerReferences = kube.OwnedBy(owner)
	next.Annotations, err = claims.annotate(current.Annotations)
	return next, d, err
}

// nextDirectory returns the directory of these instances. before is the directory that it replaces.
func (c *Config) nextDirectory(expected int, instances []instance, before affinity.Directory) affinity.Directory {
	d := affinity.Directory{Expected: expected, Ever: max(before.Ever, expected)}
	countRemovals(&d, before)
	for _, i := range instances {
		if restPort(i.Pod, c.RESTPort) == 0 {
			continue
		}
		d.Ever = max(d.Ever, i.ordinal+1)
		d.Endpoints = append(d.Endpoints, c.published(i.Pod, i.ordinal, i.address))
	}
	return d
}

// publish writes a pod's own endpoint and then its readiness gate. A pod whose address is lost
// keeps its last endpoint and becomes unready.
func (r *reconciler) publish(ctx context.Context, i instance) error {
	if i.DeletionTimestamp != nil {
		return nil
	}
	if i.address.why == "" {
		data, err := affinity.EncodePublished(r.config.published(i.Pod, i.ordinal, i.address))
		if err != nil {
			i.address = unknown("%v", err)
		} else if err := r.annotate(ctx, i.Pod, map[string]string{
			affinity.EndpointAnnotation: string(data), modeAnnotation: string(i.address.mode),
		}); err != nil {
			return err
		}
	}
	return r.gate(ctx, i)
}

// annotate sets annotations of a pod if a value differs.
func (r *reconciler) annotate(ctx context.Context, p *corev1.Pod, values map[string]string) error {
	next := maps.Clone(p.Annotations)
	if next == nil {
		next = make(map[string]string)
	}
	if maps.Copy(next, values); maps.Equal(next, p.Annotations) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": p.UID, "annotations": values, // with the UID, so that a replacement pod is not changed
	}})
	if err != nil {
		return fmt.Errorf("annotate pod %s: %w", p.Name, err)
	}
	err = r.client.Patch(ctx, p.DeepCopy(), client.RawPatch(types.MergePatchType, patch))
	if err != nil && !superseded(err) {
		return fmt.Errorf("annotate pod %s: %w", p.Name, err)
	}
	return nil
}

// superseded reports whether err means that the pod no longer exists or was replaced by another of
// the same name. The next reconciliation handles the new pod. For a UID that does not match, most
// resources report a conflict, and a pod's status reports an invalid field.
func superseded(err error) bool {
	cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid)
	return apierrors.IsNotFound(err) || apierrors.IsConflict(err) || ok && cause.Field == "metadata.uid"
}

// touch makes the kubelets update the mounted directory. A kubelet updates the volumes of a pod
// whenever the pod changes, and otherwise about once a minute. touch returns how long to wait
// before it must be called again; 0 = no further call.
func (r *reconciler) touch(ctx context.Context, instances []instance, version string) (again time.Duration, err error) {
	if r.version != version {
		r.version, r.touched = version, time.Now()
	}
	value := version
	if wait := kube.TouchAgain - time.Since(r.touched); wait > 0 {
		again = wait
	} else {
		value += "+" // the second time
	}
	var failed []error
	for _, i := range instances {
		if i.DeletionTimestamp == nil {
			failed = append(failed, r.annotate(ctx, i.Pod, map[string]string{affinity.PeersAnnotation: value}))
		}
	}
	return again, errors.Join(failed...)
}

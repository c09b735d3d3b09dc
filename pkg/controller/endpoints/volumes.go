package endpoints

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/kube"
)

// volumesAnnotation of the endpoints ConfigMap holds the UIDs of the claims of all volumes of
// expected instances, as JSON by the name of the claim.
const volumesAnnotation = "signstash.io/volume-claims"

// reasonVolumeLost is the reason of the event about a volume that was replaced.
const reasonVolumeLost = "VolumeLost"

// claims holds the UIDs of claims, by name.
type claims map[string]types.UID

// volumes notices that the claim of a volume was deleted and created again. Then the instance has
// an empty volume.
type volumes struct {
	reader    client.Reader // without a cache, because the claims of a pod are read once
	namespace string
	events    events.EventRecorder
	lost      prometheus.Counter

	read     map[types.UID]claims // by the UID of the pod
	reported map[types.UID]bool   // new claims that were reported
}

func newVolumes(reader client.Reader, namespace string, recorder events.EventRecorder) *volumes {
	return &volumes{
		reader: reader, namespace: namespace, events: recorder, reported: make(map[types.UID]bool),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "signstash_controller_volumes_lost_total",
			Help: "Volumes of instances that were replaced by empty ones, because their claims were deleted and created again.",
		}),
	}
}

// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get,namespace=release

// look returns the claims of the instances with an ordinal below wanted, and reports those that
// were replaced. before are the claims that were known. The claims of other instances are
// forgotten, because the volume of an instance that was removed for good may be deleted on purpose.
func (v *volumes) look(
	ctx context.Context, owner *appsv1.StatefulSet, wanted int, instances []instance, before claims,
) claims {
	now, read := make(claims), make(map[types.UID]claims)
	for ordinal := range wanted {
		for _, name := range claimNames(owner, fmt.Sprintf("%s-%d", owner.Name, ordinal)) {
			if uid, known := before[name]; known {
				now[name] = uid
			}
		}
	}
	for _, i := range instances {
		found, known := v.read[i.UID]
		if !known {
			var err error
			if found, err = v.claimsOf(ctx, owner, i.Pod); err != nil {
				log.FromContext(ctx).Error(err, "could not find out whether a volume was replaced", "pod", i.Name)
				continue // the next reconciliation tries again
			}
		}
		if i.Spec.NodeName != "" { // before, its claim can be deleted and created again
			read[i.UID] = found
		}
		if i.ordinal < wanted {
			v.compare(owner, i, found, now)
		}
	}
	v.read = read
	return now
}

// compare reports the claims of an instance that differ from those that were known, and records
// them.
func (v *volumes) compare(owner *appsv1.StatefulSet, i instance, found, known claims) {
	for name, uid := range found {
		if last := known[name]; last != "" && last != uid && !v.reported[uid] {
			v.reported[uid] = true
			v.lost.Inc()
			v.events.Eventf(owner, i.Pod, corev1.EventTypeWarning, reasonVolumeLost, action, "%s", kube.Note(fmt.Sprintf(
				"%s has a new volume, because PersistentVolumeClaim %s was deleted and created again; "+
					"the operations, results and idempotency keys on the former volume are lost", i.Name, name)))
		}
		known[name] = uid
	}
}

// claimsOf reads the claims of a pod. A claim that does not exist yet is an error.
func (v *volumes) claimsOf(ctx context.Context, owner *appsv1.StatefulSet, p *corev1.Pod) (claims, error) {
	found := make(claims)
	for _, name := range claimNames(owner, p.Name) {
		claim := &metav1.PartialObjectMetadata{}
		claim.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"))
		if err := v.reader.Get(ctx, client.ObjectKey{Namespace: v.namespace, Name: name}, claim); err != nil {
			return nil, fmt.Errorf("read PersistentVolumeClaim: %w", err)
		}
		found[name] = claim.UID
	}
	return found, nil
}

// claimNames returns the names that the StatefulSet controller gives the claims of a pod.
func claimNames(owner *appsv1.StatefulSet, pod string) (names []string) {
	for i := range owner.Spec.VolumeClaimTemplates {
		names = append(names, owner.Spec.VolumeClaimTemplates[i].Name+"-"+pod)
	}
	return names
}

// decodeClaims reads the annotation. What it cannot read counts as not known.
func decodeClaims(annotation string) claims {
	known := make(claims)
	if json.Unmarshal([]byte(annotation), &known) != nil {
		return claims{}
	}
	return known
}

// annotate returns annotations with these claims. Equal claims give equal annotations.
func (c claims) annotate(annotations map[string]string) (map[string]string, error) {
	if len(c) == 0 && annotations[volumesAnnotation] == "" {
		return annotations, nil
	}
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode claims: %w", err)
	}
	next := maps.Clone(annotations)
	if next == nil {
		next = make(map[string]string)
	}
	next[volumesAnnotation] = string(data)
	return next, nil
}

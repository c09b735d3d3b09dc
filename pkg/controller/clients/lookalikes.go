package clients

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

const (
	// lookalikePage is the number of Secrets that one call lists. The metadata of a Secret can have
	// 256 KiB of annotations, so that a page takes at most about 13 MB, and usually 150 kB.
	lookalikePage = 50
	// maxLookalikes bounds the number of Secrets that an event is written on.
	maxLookalikes = 1000
	// watchPause is the time between two watches. The API server usually ends a watch after minutes.
	watchPause = time.Second
	// lookalikeRetry is the time between attempts after an error of the API server. A hint may be
	// late.
	lookalikeRetry = 30 * time.Second
)

// lookalikes writes one event on each Secret that looks like a client service but has another type.
// It reads the metadata of Secrets, page by page, and stores nothing of them but the UIDs of those
// with an event. So its memory does not grow with the number of Secrets. It never reads values.
type lookalikes struct {
	client    client.WithWatch
	namespace string
	types     typeSet
	events    events.EventRecorder

	hinted map[types.UID]bool
}

// Start looks at Secrets until ctx is done. It then returns nil.
func (l *lookalikes) Start(ctx context.Context) error {
	for {
		pause, err := lookalikeRetry, l.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case isExpired(err):
			pause = watchPause
		default:
			log.FromContext(ctx).Error(err, "could not look for Secrets that have the wrong type")
		}
		_ = pace.Pause(ctx, pause) // follow notices that ctx is done
	}
}

// follow looks at all Secrets, and then at each Secret that changes. It returns the first error.
func (l *lookalikes) follow(ctx context.Context) error {
	version, err := l.list(ctx)
	for err == nil {
		if version, err = l.watch(ctx, version); err == nil {
			err = pace.Pause(ctx, watchPause)
		}
	}
	return err
}

// isExpired reports whether the API server no longer knows a version. Then the Secrets must be
// listed again.
func isExpired(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
}

// list looks at all Secrets and returns the version from which to watch. It forgets the Secrets
// that do not exist any more.
func (l *lookalikes) list(ctx context.Context) (version string, err error) {
	found := make(map[types.UID]bool)
	page := metadataList()
	for {
		err := l.client.List(ctx, page, client.InNamespace(l.namespace), l.types.selector(),
			client.Limit(lookalikePage), client.Continue(page.Continue))
		if err != nil {
			return "", fmt.Errorf("list metadata of Secrets: %w", err)
		}
		for i := range page.Items {
			if l.look(&page.Items[i]); l.hinted[page.Items[i].UID] {
				found[page.Items[i].UID] = true
			}
		}
		if page.Continue == "" {
			l.hinted = found
			return page.ResourceVersion, nil
		}
	}
}

// watch looks at each Secret that changes, until the API server ends the watch. It returns the
// version from which to watch on.
func (l *lookalikes) watch(ctx context.Context, version string) (string, error) {
	raw := &metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true}
	w, err := l.client.Watch(ctx, metadataList(), client.InNamespace(l.namespace), l.types.selector(),
		&client.ListOptions{Raw: raw})
	if err != nil {
		return "", fmt.Errorf("watch metadata of Secrets: %w", err)
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		secret, ok := event.Object.(*metav1.PartialObjectMetadata)
		switch {
		case event.Type == watch.Error:
			return "", apierrors.FromObject(event.Object)
		case !ok:
			continue
		case event.Type == watch.Deleted:
			delete(l.hinted, secret.UID)
		case event.Type != watch.Bookmark:
			l.look(secret)
		}
		version = secret.ResourceVersion
	}
	return version, nil
}

// look writes an event on a Secret that looks like a client service, once.
func (l *lookalikes) look(secret *metav1.PartialObjectMetadata) {
	if !secret.DeletionTimestamp.IsZero() || !l.types.looksLike(managedKeys(secret.ManagedFields)) {
		delete(l.hinted, secret.UID) // its keys may have changed
		return
	}
	if l.hinted[secret.UID] || len(l.hinted) >= maxLookalikes {
		return
	}
	l.hinted[secret.UID] = true
	regarding := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: secret.Namespace, Name: secret.Name, UID: secret.UID, ResourceVersion: secret.ResourceVersion,
	}}
	l.events.Eventf(regarding, nil, l.types.eventType, reasonType, action, "%s", l.types.hint)
}

func metadataList() *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	return list
}

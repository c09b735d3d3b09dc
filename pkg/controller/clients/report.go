package clients

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
)

// action is what was done when an event came up (events.k8s.io/v1).
const action = "Render"

// reporter tells every change in what is wrong with a Secret, once. A controller that has just
// started tells what it finds: events are short-lived.
type reporter struct {
	events events.EventRecorder
	told   map[types.UID]fault
}

// report compares with what was told before.
func (r *reporter) report(sources []*source, faults map[types.UID]fault) {
	told := make(map[types.UID]fault, len(faults))
	for _, s := range sources {
		now, before := faults[s.uid()], r.told[s.uid()]
		if now != (fault{}) {
			told[s.uid()] = now
		}
		switch {
		case now == before:
		case now == (fault{}):
			r.events.Eventf(s.object, nil, corev1.EventTypeNormal, reasonAccepted, action, "rendered as it stands")
		default:
			r.events.Eventf(s.object, nil, corev1.EventTypeWarning, now.reason, action, "%s", now.text)
		}
	}
	r.told = told
}

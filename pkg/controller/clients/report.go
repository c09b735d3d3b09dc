package clients

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
)

// action is the action of all events (events.k8s.io/v1).
const action = "Render"

// reporter writes an event once whenever the fault of a Secret changes. A controller that has just
// started reports all faults that it finds, because events are short-lived.
type reporter struct {
	events   events.EventRecorder
	reported map[types.UID]fault
}

// report writes the events for all faults that differ from the last report.
func (r *reporter) report(sources []*source, faults map[types.UID]fault) {
	reported := make(map[types.UID]fault, len(faults))
	for _, s := range sources {
		now, before := faults[s.uid()], r.reported[s.uid()]
		if now != (fault{}) {
			reported[s.uid()] = now
		}
		switch {
		case now == before:
		case now == (fault{}):
			r.events.Eventf(s.object, nil, corev1.EventTypeNormal, reasonAccepted, action, "rendered with its current content")
		default:
			r.events.Eventf(s.object, nil, corev1.EventTypeWarning, now.reason, action, "%s", now.text)
		}
	}
	r.reported = reported
}

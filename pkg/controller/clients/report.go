package clients

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
)

// action is the action of all events (events.k8s.io/v1).
const action = "Render"

// reporter writes an event once whenever the fault of a Secret changes, and once for each content
// that is rendered. A controller that has just started reports all faults that it finds, because
// events are short-lived. It does not report a content that is already in the rendered Secret.
type reporter struct {
	events    events.EventRecorder
	reported  map[types.UID]fault
	recovered map[types.UID]bool // Secrets whose fault is over, until accept reports that
}

// report writes the events for all faults that differ from the last report.
func (r *reporter) report(sources []*source, faults map[types.UID]fault) {
	reported := make(map[types.UID]fault, len(faults))
	recovered := map[types.UID]bool{}
	for _, s := range sources {
		now, before := faults[s.uid()], r.reported[s.uid()]
		if now == (fault{}) {
			recovered[s.uid()] = before != (fault{}) || r.recovered[s.uid()]
			continue
		}
		reported[s.uid()] = now
		if !now.same(before) {
			r.events.Eventf(s.object, nil, corev1.EventTypeWarning, now.reason, action, "%s", now.text)
		}
	}
	r.reported, r.recovered = reported, recovered
}

// accept writes an event for each Secret without a fault whose content was not rendered before, and
// for each whose fault is over. Call it when the rendered Secret is written. last is what was
// rendered before.
func (r *reporter) accept(sources []*source, p plan, last entries) {
	before, now := last.bySecret(), p.entries.bySecret()
	for _, s := range sources {
		uid := s.uid()
		e, rendered := now[uid]
		if _, faulty := p.faults[uid]; faulty || !rendered {
			continue
		}
		if r.recovered[uid] || !reflect.DeepEqual(before[uid].client, e.client) {
			r.events.Eventf(s.object, nil, corev1.EventTypeNormal, reasonAccepted, action, "rendered with its current content")
		}
	}
	r.recovered = nil
}

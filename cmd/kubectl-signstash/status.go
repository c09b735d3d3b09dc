package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const statusHelp = `kubectl signstash status

Prints the instances of a release, its controller, and the last faults: of the instances and of their credentials,
and the Warning events of the last hour. It asks each instance through a port-forward.

Rights: list statefulsets.apps, deployments.apps, pods and events; create pods/portforward; get leases.
`

// maxFaultEvents is the number of Warning events that status shows.
const maxFaultEvents = 10

// statusView is the output of the command status.
type statusView struct {
	Release    string         `json:"release"`
	Namespace  string         `json:"namespace"`
	Instances  []instanceView `json:"instances"`
	Controller controllerView `json:"controller"`
	Faults     []faultView    `json:"faults"`
}

// instanceView is one instance. Only pod and Ready are known if the instance did not answer.
type instanceView struct {
	Pod           string  `json:"pod"`
	Ready         bool    `json:"ready"` // what Kubernetes says
	Answered      bool    `json:"answered"`
	Phase         string  `json:"phase,omitempty"`
	Endpoint      string  `json:"endpoint,omitempty"`
	Version       string  `json:"version,omitempty"`
	Queued        int     `json:"queuedDocuments"`
	OldestSeconds float64 `json:"oldestQueuedSeconds"`
	StateFault    string  `json:"stateFault,omitempty"`
	FreeBytes     int64   `json:"freeBytes"`
}

// controllerView is the controller of the release.
type controllerView struct {
	Replicas int32  `json:"replicas"`
	Ready    int32  `json:"ready"`
	Leader   string `json:"leader,omitempty"` // name of the pod
}

// faultView is a fault of an object. At is zero if the fault is there now.
type faultView struct {
	At     time.Time `json:"at,omitzero"`
	Object string    `json:"object"`
	Reason string    `json:"reason"`
	Text   string    `json:"text"`
}

func runStatus(ctx context.Context, args []string, s streams) error {
	var o options
	if err := noArguments(newFlags("status", statusHelp, s, &o), args, &o); err != nil {
		return err
	}
	c, err := connect(o, s.now)
	if err != nil {
		return err
	}
	view, faults, err := c.status(ctx, o.release)
	if err != nil {
		return err
	}
	if err := o.show(s, view, func(t *table) { view.print(t, c.now()) }); err != nil {
		return err
	}
	return notes(s, faults)
}

// status collects the view. It also returns what it could not read.
func (c *cluster) status(ctx context.Context, name string) (v statusView, faults []string, err error) {
	r, err := c.findRelease(ctx, name)
	if err != nil {
		return v, nil, err
	}
	pods, err := c.pods(ctx, r)
	if err != nil {
		return v, nil, err
	}
	v.Release, v.Namespace, v.Faults = r.name, c.namespace, []faultView{}
	answers := c.instances(ctx, pods, time.Time{})
	faults = unread(answers)
	for _, a := range answers {
		v.Instances = append(v.Instances, viewOf(a))
		v.Faults = append(v.Faults, faultsOf(a)...)
	}
	for _, name := range r.missing(pods) {
		v.Instances = append(v.Instances, instanceView{Pod: name})
		v.Faults = append(v.Faults, faultView{Object: name, Reason: "Missing", Text: "the pod does not exist"})
	}
	if v.Controller, err = c.controller(ctx, r); err != nil {
		faults = append(faults, "controller: "+err.Error())
	}
	events, err := c.faultEvents(ctx, r)
	if err != nil {
		faults = append(faults, "events: "+err.Error())
	}
	v.Faults = append(v.Faults, events...)
	return v, faults, nil
}

func viewOf(a answer) instanceView {
	v := instanceView{Pod: a.pod.Name, Ready: ready(a.pod), Answered: a.err == nil}
	if a.err == nil {
		v.Phase, v.Endpoint, v.Version, v.Queued = a.Phase, a.Endpoint, a.Version, a.QueuedDocuments
		v.OldestSeconds, v.StateFault, v.FreeBytes = a.OldestQueuedSeconds, a.StateFault, a.FreeBytes
	}
	return v
}

// faultsOf returns the faults that an instance tells.
func faultsOf(a answer) (list []faultView) {
	if a.err != nil {
		return nil // unread names it
	}
	add := func(at time.Time, reason, text string) { list = append(list, faultView{at, a.pod.Name, reason, text}) }
	if a.Ready != "ready" {
		add(time.Time{}, "NotReady", a.Ready)
	}
	for _, text := range a.Faults {
		add(time.Time{}, "Status", text)
	}
	for _, credential := range a.Credentials {
		if credential.State != "" {
			add(time.Time{}, "Credential", credential.Name+": "+credential.State)
		}
		if !credential.LastFailure.IsZero() {
			add(credential.LastFailure, "Credential", credential.Name+": the outcome of the last call is "+credential.Outcome)
		}
	}
	return list
}

// controller reads the Deployment and the Lease of the controller.
func (c *cluster) controller(ctx context.Context, r *release) (v controllerView, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := c.api.AppsV1().Deployments(c.namespace).List(ctx, r.labels("controller"))
	if err != nil {
		return v, c.fault(err, right{"list", "deployments.apps"})
	}
	for _, d := range list.Items {
		v.Ready += d.Status.ReadyReplicas
		if d.Spec.Replicas != nil {
			v.Replicas += *d.Spec.Replicas
		}
	}
	lease, err := c.api.CoordinationV1().Leases(c.namespace).Get(ctx, r.lease(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return v, nil // no controller has started yet
	}
	if err != nil {
		return v, c.fault(err, right{"get", "leases.coordination.k8s.io"})
	}
	if holder := lease.Spec.HolderIdentity; holder != nil {
		v.Leader, _, _ = strings.Cut(*holder, "_") // the rest makes the name unique among restarts
	}
	return v, nil
}

// faultEvents returns the newest Warning events about objects whose names begin with that of the
// StatefulSet. Those of client Secrets are in the command clients.
func (c *cluster) faultEvents(ctx context.Context, r *release) (list []faultView, err error) {
	events, err := c.events(ctx, "type="+corev1.EventTypeWarning)
	if err != nil {
		return nil, err
	}
	for i := range events {
		e := &events[i]
		object := e.InvolvedObject
		ours := object.Name == r.set.Name || strings.HasPrefix(object.Name, r.set.Name+"-") ||
			strings.HasPrefix(object.Name, "state-"+r.set.Name+"-") // the claim of a state folder
		if ours && object.Kind != "Secret" && len(list) < maxFaultEvents {
			list = append(list, faultView{seen(e), object.Name, e.Reason, e.Message})
		}
	}
	return list, nil
}

func (v *statusView) print(t *table, now time.Time) {
	t.line("release %s, namespace %s", v.Release, v.Namespace)
	t.line("")
	t.row("INSTANCE", "READY", "PHASE", "ENDPOINT", "VERSION", "QUEUED", "OLDEST", "STATE FOLDER", "FREE")
	for _, i := range v.Instances {
		ready := map[bool]string{true: "yes", false: "no"}[i.Ready]
		if !i.Answered {
			t.row(i.Pod, ready, "", "", "", "", "", "", "")
			continue
		}
		oldest, state := "", "writable"
		if i.Queued > 0 {
			oldest = age(time.Duration(i.OldestSeconds * float64(time.Second)))
		}
		if i.StateFault != "" {
			state = strings.TrimPrefix(i.StateFault, "the state folder ")
		}
		t.row(i.Pod, ready, i.Phase, i.Endpoint, i.Version, i.Queued, oldest, state, size(i.FreeBytes))
	}
	leader := v.Controller.Leader
	if leader == "" {
		leader = "none"
	}
	t.line("")
	t.line("controller: %d of %d ready, leader %s", v.Controller.Ready, v.Controller.Replicas, leader)
	t.line("")
	if len(v.Faults) == 0 {
		t.line("no faults known")
		return
	}
	t.row("FAULT", "OBJECT", "REASON", "TEXT")
	for _, f := range v.Faults {
		when := "now"
		if !f.At.IsZero() {
			when = fmt.Sprintf("%s ago", age(now.Sub(f.At)))
		}
		t.row(when, f.Object, f.Reason, f.Text)
	}
}

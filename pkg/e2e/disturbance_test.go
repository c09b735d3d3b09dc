//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// onControlPlane is a patch that moves the pod of a Deployment to the control plane's node.
const onControlPlane = `{"spec":{"template":{"spec":` +
	`{"nodeSelector":{"node-role.kubernetes.io/control-plane":""},"tolerations":[{"operator":"Exists"}]}}}}`

// undisturbed measures how long a new key takes while nothing happens.
func (v *availability) undisturbed() {
	v.quiet = v.under("no disturbance", func() { time.Sleep(quiet) })
	v.refusesNothing(v.quiet)
}

// rollingRestart replaces all pods, one after the other.
func (v *availability) rollingRestart() {
	r := v.under("rolling restart", func() {
		v.kubectl("rollout", "restart", "statefulset/"+release)
		v.kubectl("rollout", "status", "statefulset/"+release, "--timeout=4m")
	})
	calm, busy := v.quiet.Wait(0.95), r.Wait(0.95)
	v.note("p95 of a new key: %v, undisturbed %v: %.1f times (goal 3)", busy.Round(time.Millisecond),
		calm.Round(time.Millisecond), float64(busy)/float64(calm))
	v.refusesNothing(r)
}

// deletedPod deletes a pod in order.
func (v *availability) deletedPod() {
	v.refusesNothing(v.under("deleted pod", func() {
		v.kubectl("delete", "pod", podName(1))
		v.wantReady(3)
	}))
}

// withoutController replaces a pod while no controller runs. Nobody publishes the new pod, so that
// it is not ready. The others ask it about what it holds nevertheless.
func (v *availability) withoutController() {
	controller := "deployment/" + release + "-controller"
	replicas := v.kubectl("get", controller, "-o", "jsonpath={.spec.replicas}")
	r := v.under("replaced pod without a controller", func() {
		v.kubectl("scale", controller, "--replicas=0")
		v.noPods("app.kubernetes.io/component=controller")
		before := v.pod(1).Metadata.UID
		v.kubectl("delete", "pod", podName(1))
		v.eventually(func() error {
			if now := v.phase(1); !strings.HasSuffix(now, " Running") || strings.HasPrefix(now, before) {
				return fmt.Errorf("pod %s is %q", podName(1), now)
			}
			return nil
		})
		time.Sleep(outage)
		if ready := v.pod(1).condition("Ready"); ready == "True" {
			v.t.Errorf("%s is ready although no controller published it", podName(1))
		}
		v.kubectl("scale", controller, "--replicas="+replicas)
		v.wantReady(3)
	})
	v.refusesNothing(r)
}

// phase returns uid and phase of a pod, or an empty text if it does not exist.
func (w *world) phase(ordinal int) string {
	return w.kubectl("get", "pod", podName(ordinal), "--ignore-not-found", "-o",
		"jsonpath={.metadata.uid} {.status.phase}")
}

// noPods waits until no pod has the label.
func (w *world) noPods(label string) {
	w.t.Helper()
	w.eventually(func() error {
		if left := w.kubectl("get", "pods", "-l", label, "-o", "name"); left != "" {
			return fmt.Errorf("left are %s", left)
		}
		return nil
	})
}

// typo upgrades with a setting that the proxy does not have. The check before the upgrade refuses
// it.
func (v *availability) typo() {
	v.refusesNothing(v.under("setting with a typo", func() {
		v.values["config.retention.agee"] = "1h"
		err := v.tryHelm("--wait")
		delete(v.values, "config.retention.agee")
		if err == nil {
			v.t.Error("helm upgraded a release with a setting that does not exist")
		}
		v.wantReady(3)
	}))
}

// frozenProcess stops the process of an instance without its knowledge, and lets it continue.
func (v *availability) frozenProcess() {
	const missing = 2
	var out window
	r := v.under("frozen process", func() {
		thaw := v.freeze(missing)
		defer thaw()
		out.from = time.Now()
		time.Sleep(outage)
		out.to = time.Now()
	})
	v.refusesAtMost(r, missing, out)
}

// freeze stops the process of an instance with SIGSTOP until thaw is called.
func (w *world) freeze(ordinal int) (thaw func()) {
	w.t.Helper()
	p := w.pod(ordinal)
	node := p.Spec.NodeName
	pid := w.pid(node, p.Metadata.UID)
	w.must("docker", "exec", node, "kill", "-STOP", pid)
	return func() { w.must("docker", "exec", node, "kill", "-CONT", pid) }
}

// killedPod deletes a pod by force. The process is frozen first, so that it cannot end in order,
// and no other pod may start until the outage is over.
func (v *availability) killedPod() {
	const missing = 1
	var out window
	r := v.under("killed pod", func() {
		node := v.pod(missing).Spec.NodeName
		v.must("kubectl", "cordon", node)
		uncordon := func() { v.must("kubectl", "uncordon", node) }
		defer uncordon()
		v.freeze(missing)
		v.kubectl("delete", "pod", podName(missing), "--force", "--grace-period=0")
		out.from = time.Now()
		time.Sleep(outage)
		out.to = time.Now()
		uncordon()
		v.wantReady(3)
	})
	v.refusesAtMost(r, missing, out)
}

// drainedNode drains the node of an instance. Its volume is bound to the node, so the instance is
// missing until the node is back. It has handed its keys over.
func (v *availability) drainedNode() {
	r := v.under("drained node", func() {
		node := v.pod(0).Spec.NodeName
		v.must("kubectl", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=3m")
		uncordon := func() { v.must("kubectl", "uncordon", node) }
		defer uncordon()
		time.Sleep(outage)
		uncordon()
		v.wantReady(3)
	})
	v.refusesNothing(r)
}

// scaleUpAndDown changes the number of instances. An instance that leaves for good answers reads
// until its last result was fetched.
func (v *availability) scaleUpAndDown() {
	scaled := func(instances int, meanwhile func()) {
		v.instances.Store(min(int64(instances), v.instances.Load())) // new ones can be asked when they are ready
		v.kubectl("scale", "statefulset/"+release, "--replicas="+strconv.Itoa(instances))
		meanwhile()
		v.wantReady(instances)
		v.instances.Store(int64(instances))
		v.accepted(v.admin, instances)
	}
	nothing := func() {}
	r := v.under("scale 3, 5, 2, 5", func() {
		scaled(5, nothing)
		const last = 4
		v.own++
		v.accept(instanceURL(last), "left behind")
		v.ended(instanceURL(last), "left behind")
		scaled(2, func() { v.fetchFromLeaving(last, "left behind") })
		time.Sleep(around)
		scaled(5, nothing)
	})
	v.refusesNothing(r)
}

// fetchFromLeaving fetches a result of an instance that leaves for good.
func (v *availability) fetchFromLeaving(ordinal int, reference string) {
	v.eventually(func() error {
		if v.pod(ordinal).Metadata.DeletionTimestamp == "" {
			return fmt.Errorf("%s is not being deleted", podName(ordinal))
		}
		return nil
	})
	time.Sleep(around)
	a := v.ask(http.StatusOK, http.MethodGet, detailURL(front, reference), nil)
	if by := a.header.Get("X-Signstash-Instance"); by != podName(ordinal) {
		v.t.Errorf("%s answered, want %s, which is leaving", by, podName(ordinal))
	}
}

// remove removes the release and its volumes.
func (v *availability) remove() {
	v.must("helm", "uninstall", release, "-n", namespace, "--wait", "--timeout", "3m")
	for _, name := range []string{namespace, doorNamespace} {
		v.must("kubectl", "delete", "namespace", name, "--wait=false")
	}
}

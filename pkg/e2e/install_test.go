//go:build e2e

package e2e

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// clusterWide names the rights of mode NodePort. They are the only rights outside of the namespace.
var clusterWide = func() string {
	digest := sha256.Sum256([]byte(namespace + "/" + release))
	return fmt.Sprintf("%s-%s-controller-%x", namespace, release, digest[:4])
}()

// install installs the chart.
func (w *world) install() {
	w.prepare()
	w.helm("--wait")
	w.wantReady(3)
}

// prepare makes the namespaces and opens the door. In the namespace of the release the API server
// enforces the restricted Pod Security level.
func (w *world) prepare() {
	for _, name := range []string{namespace, doorNamespace} {
		w.must("kubectl", "delete", "namespace", name, "--ignore-not-found") // left by an earlier run
		w.must("kubectl", "create", "namespace", name)
	}
	w.must("kubectl", "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
	w.must("kubectl", "delete", "clusterrole,clusterrolebinding", clusterWide, "--ignore-not-found")
	w.must("kubectl", "uncordon", "--selector=kubernetes.io/os=linux") // an aborted run may have left a node cordoned
	_, err := run(w.t.Context(), "", "kubectl", "-n", namespace, "run", "forbidden",
		"--image=signstash-proxy:e2e", "--privileged")
	if err == nil || !strings.Contains(err.Error(), "violates PodSecurity") {
		w.t.Fatalf("a privileged pod: %v, want a refusal by the API server", err)
	}
	w.openDoor()
}

// leastPrivilege checks the running processes and the rights of the proxy's account.
func (w *world) leastPrivilege() {
	for ordinal := range 3 {
		p := w.pod(ordinal)
		if p.Spec.AutomountServiceAccountToken == nil || *p.Spec.AutomountServiceAccountToken {
			w.t.Errorf("%s mounts a token", podName(ordinal))
		}
		for _, v := range p.Spec.Volumes {
			if strings.HasPrefix(v.Name, "kube-api-access") {
				w.t.Errorf("%s mounts %s", podName(ordinal), v.Name)
			}
		}
	}
	account := "--as=system:serviceaccount:" + namespace + ":" + release
	for _, what := range []string{
		"get secrets", "list pods", "get configmaps", "create pods", "list nodes", "update secrets",
	} {
		out, err := run(w.t.Context(), "", "kubectl",
			append([]string{"-n", namespace, "auth", "can-i", account}, strings.Fields(what)...)...)
		if out != "no" {
			w.t.Errorf("the proxy's account may %s: %s %v", what, out, err)
		}
	}
	roles := w.must("kubectl", "get", "clusterrole,clusterrolebinding", clusterWide, "-o", "name", "--ignore-not-found")
	if roles != "" {
		w.t.Errorf("cluster-wide rights outside of mode NodePort: %s", roles)
	}
	for ordinal := range 3 {
		w.confined(w.pod(ordinal))
	}
}

// confined checks the process of a pod on its node.
func (w *world) confined(p *pod) {
	w.t.Helper()
	node := p.Spec.NodeName
	pid := w.pid(node, p.Metadata.UID)
	status := w.must("docker", "exec", node, "cat", filepath.Join("/proc", pid, "status"))
	for _, want := range []string{
		"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
		"Uid:\t65532\t65532",
	} {
		if !strings.Contains(status, want) {
			w.t.Errorf("process %s of %s has no %q", pid, p.Metadata.Name, want)
		}
	}
	mounts := strings.Split(w.must("docker", "exec", node, "cat", filepath.Join("/proc", pid, "mounts")), "\n")
	root := slices.IndexFunc(mounts,
		func(m string) bool { return len(strings.Fields(m)) > 3 && strings.Fields(m)[1] == "/" })
	if root < 0 || !strings.HasPrefix(strings.Fields(mounts[root])[3], "ro") {
		w.t.Errorf("root of process %s of %s can be written", pid, p.Metadata.Name)
	}
}

// helmTest runs the test of the chart.
func (w *world) helmTest() {
	out := w.must("helm", "test", release, "-n", namespace, "--timeout", "3m")
	if !strings.Contains(out, "Phase:          Succeeded") {
		w.t.Errorf("helm test printed\n%s", out)
	}
}

// uninstall checks that an uninstall keeps the volumes and the objects of users.
func (w *world) uninstall() {
	w.must("helm", "uninstall", release, "-n", namespace, "--wait", "--timeout", "3m")
	kinds := w.must("kubectl", "api-resources", "--namespaced", "--verbs=list", "-o", "name")
	skip := []string{"events", "events.events.k8s.io"}
	var list []string
	for _, kind := range strings.Fields(kinds) {
		if !slices.Contains(skip, kind) {
			list = append(list, kind)
		}
	}
	want := []string{
		"configmap/kube-root-ca.crt", "serviceaccount/default", // made by the cluster
		"secret/" + credentialSecret, // made by the user
		"persistentvolumeclaim/state-" + podName(0), "persistentvolumeclaim/state-" + podName(1),
		"persistentvolumeclaim/state-" + podName(2), "persistentvolumeclaim/state-" + podName(3), // of the removed instance
	}
	slices.Sort(want)
	w.eventually(func() error { // the garbage collector needs some time
		got := strings.Fields(w.kubectl("get", strings.Join(list, ","), "-o", "name", "--ignore-not-found"))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("left are %v, want %v", got, want)
		}
		return nil
	})
	roles := w.must("kubectl", "get", "clusterrole,clusterrolebinding", clusterWide, "-o", "name", "--ignore-not-found")
	if roles != "" {
		w.t.Errorf("left for all of the cluster: %s", roles)
	}
	for _, name := range []string{namespace, doorNamespace} {
		w.must("kubectl", "delete", "namespace", name, "--wait=false")
	}
}

//go:build e2e

package e2e

import "strings"

// pid returns the process id of a pod's proxy on its node. The pod's UID is in the names of the
// process's control groups.
func (w *world) pid(node, uid string) string {
	w.t.Helper()
	underscores := strings.ReplaceAll(uid, "-", "_")
	for _, pid := range strings.Fields(w.must("docker", "exec", node, "pgrep", "-f", "^/bin/proxy")) {
		groups := w.must("docker", "exec", node, "cat", "/proc/"+pid+"/cgroup")
		if strings.Contains(groups, uid) || strings.Contains(groups, underscores) {
			return pid
		}
	}
	w.t.Fatalf("no process of pod %s on %s", uid, node)
	return ""
}

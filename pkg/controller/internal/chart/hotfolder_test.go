package chart_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/config"
)

// TestHotFolderClaim checks that every instance mounts the claim at its work folder, and that the
// job that checks the settings does not need it.
func TestHotFolderClaim(t *testing.T) {
	all := objects(t, modes["hot folder"])
	pod := find[*appsv1.StatefulSet](t, all, release).Spec.Template.Spec
	if !slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool {
		return v.Name == "hot" && v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == "hot"
	}) {
		t.Errorf("volumes are %+v", pod.Volumes)
	}
	container := pod.Containers[0]
	if !slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool {
		return m.Name == "hot" && m.MountPath == "/hot" && !m.ReadOnly
	}) {
		t.Errorf("mounts are %+v", container.VolumeMounts)
	}
	if !slices.Equal(pod.SecurityContext.SupplementalGroups, []int64{1000}) || *pod.SecurityContext.FSGroup != 65532 {
		t.Errorf("security context is %+v", pod.SecurityContext)
	}
	for _, want := range []string{
		"--work.folder=/hot", "--hot.folder.enabled=TRUE", "--hot.folder.trigger=threshold", "--hot.folder.max-wait=15m",
		"--einvoice-integration-client.hot.folder.documents.processing.threshold=1000",
		"--einvoice-integration-client.scheduler.task.processHotFoldersByDocumentThreshold.cron-expression=0 0/5 * * * ?",
	} {
		if !slices.Contains(container.Args, want) {
			t.Errorf("flags %q lack %s", container.Args, want)
		}
	}
	check := find[*batchv1.Job](t, all, release+"-check-config").Spec.Template.Spec
	if !slices.Contains(check.Containers[0].Args, "--hot.folder.enabled=TRUE") ||
		slices.ContainsFunc(check.Volumes, func(v corev1.Volume) bool { return v.Name == "hot" }) {
		t.Errorf("the check mounts the claim, or lacks the flags: %+v", check)
	}
}

// TestHotFolderBucket checks the settings of a store, its credentials and its port in the network
// policy.
func TestHotFolderBucket(t *testing.T) {
	all := objects(t, modes["hot folder in a bucket"])
	pod := find[*appsv1.StatefulSet](t, all, release).Spec.Template.Spec
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, want := range []string{
			"--hot.folder.storage.endpoint=http://store.example.org:9000", "--hot.folder.storage.region=eu-west-1",
			"--hot.folder.storage.path-style=TRUE", "--hot.folder.storage.credentials-file=/etc/signstash/bucket/credentials",
		} {
			if !slices.Contains(c.Args, want) {
				t.Errorf("flags %q of %s lack %s", c.Args, c.Name, want)
			}
		}
		if slices.Contains(c.Args, "--work.folder=/hot") {
			t.Errorf("%s has a work folder without a claim", c.Name)
		}
		if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
			return m.Name == "bucket" && m.ReadOnly
		}) {
			t.Errorf("mounts of %s are %+v", c.Name, c.VolumeMounts)
		}
	}
	for values, want := range map[string]int{
		modes["hot folder in a bucket"]: 9000,
		"{trial: {enabled: true}, hotFolder: {enabled: true, bucket: {kind: gs}}, networkPolicy: {egressPorts: [1]}}": 443,
		"{trial: {enabled: true}, networkPolicy: {egressPorts: [1]}, " +
			"hotFolder: {enabled: true, bucket: {kind: s3, endpoint: 'http://store'}}}": 80,
	} {
		if ports := egressOf(t, values); !slices.Contains(ports, want) {
			t.Errorf("the network policy allows %v, want %d too:\n%s", ports, want, values)
		}
	}
	none := "{trial: {enabled: true}, hotFolder: {enabled: true, bucket: {kind: gs}}, networkPolicy: {egressPorts: []}}"
	if ports := egressOf(t, none); slices.Contains(ports, 443) {
		t.Errorf("the network policy allows %v although the values allow no port", ports)
	}
}

// egressOf returns the ports to which the proxy may connect.
func egressOf(t *testing.T, values string) (ports []int) {
	t.Helper()
	for _, rule := range find[*networkingv1.NetworkPolicy](t, objects(t, values), release).Spec.Egress {
		for _, p := range rule.Ports {
			ports = append(ports, p.Port.IntValue())
		}
	}
	return ports
}

// TestWorkloadIdentity checks that only the account of the instances gets the annotations, and that
// it still has no token of the API server.
func TestWorkloadIdentity(t *testing.T) {
	all := objects(t, "{trial: {enabled: true}, serviceAccount: {annotations: {a.example.org/role: x}}}")
	account := find[*corev1.ServiceAccount](t, all, release)
	if account.Annotations["a.example.org/role"] != "x" ||
		account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken {
		t.Errorf("the account of the instances is %+v", account)
	}
	if other := find[*corev1.ServiceAccount](t, all, release+"-controller"); len(other.Annotations) > 0 {
		t.Errorf("the account of the controller has %v", other.Annotations)
	}
}

// TestHotFolderDefaults checks that the values of the chart are those of the proxy, except that a
// file does not wait for ever.
func TestHotFolderDefaults(t *testing.T) {
	defaults := map[string]string{}
	for _, s := range config.Settings() {
		defaults[s.Name] = s.Default
	}
	args := find[*appsv1.StatefulSet](t, objects(t, modes["hot folder"]), release).Spec.Template.Spec.Containers[0].Args
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !strings.Contains(strings.ToLower(name), "hot") || name == "hot.folder.enabled" ||
			name == "hot.folder.max-wait" {
			continue
		}
		if defaults[name] != value {
			t.Errorf("the chart sets %s, but the default of the proxy is %q", arg, defaults[name])
		}
	}
}

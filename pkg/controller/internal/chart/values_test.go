package chart_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// root is the folder of the module.
const root = "../../../.."

// administrator returns the kubeconfig of a user with all rights.
func administrator(t *testing.T) string {
	t.Helper()
	const user = "administrator"
	file := server.Kubeconfig(t, user)
	err := server.Client(t).Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})
	if client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	return file
}

// buildController builds the controller once, in scratch.
var buildController = sync.OnceValues(func() (string, error) { return buildProgram("controller") })

// makeScratch creates the folder of the built programs.
var makeScratch = sync.OnceValues(func() (string, error) {
	var err error
	scratch, err = os.MkdirTemp("", "chart-")
	return scratch, err
})

// buildProgram builds one of the programs and returns its path. The flags are those of
// `make build`, so that its packages are compiled once for all tests.
func buildProgram(name string) (string, error) {
	folder, err := makeScratch()
	if err != nil {
		return "", err
	}
	program := filepath.Join(folder, name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, root+"/cmd/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = errors.Join(err, errors.New(string(out)))
	}
	return program, err
}

// wantControllerStarts starts the controller with its rendered flags. It must get as far as looking
// for a cluster.
func wantControllerStarts(t *testing.T, all []client.Object) {
	t.Helper()
	program, err := buildController()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program,
		find[*appsv1.Deployment](t, all, release+"-controller").Spec.Template.Spec.Containers[0].Args...)
	cmd.Env = []string{"NAMESPACE=signing", "KUBECONFIG=" + os.DevNull}
	if out, err := cmd.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("find the cluster")) {
		t.Errorf("the controller is started with %v, and ends with %v: %s", cmd.Args[1:], err, out)
	}
}

// TestMarkers checks that config/rbac/role.yaml is generated from the markers in the sources.
func TestMarkers(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "tool", "-modfile=hack/tools/go.mod", "controller-gen",
		"rbac:roleName=signstash-controller", "paths=./pkg/controller/...", "output:stdout")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	got, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("there is no Go toolchain")
	}
	if err != nil {
		t.Fatalf("controller-gen: %v\n%s", err, &stderr)
	}
	want, err := os.ReadFile(filepath.Join(root, "config/rbac/role.yaml"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("config/rbac/role.yaml is not what the markers say (%v): run `make generate`", err)
	}
}

// TestPods checks the probes of an instance, its readiness and its scheduling.
func TestPods(t *testing.T) {
	all := objects(t, modes["trial"])
	pod := find[*appsv1.StatefulSet](t, all, release).Spec.Template
	if gates := pod.Spec.ReadinessGates; len(gates) != 1 || gates[0].ConditionType != "signstash.io/endpoint-published" {
		t.Errorf("readiness gates are %v", gates)
	}
	proxy := pod.Spec.Containers[0]
	wantProbe(t, "startup", proxy.StartupProbe, "/healthz", "management")
	wantProbe(t, "liveness", proxy.LivenessProbe, "/healthz", "management")
	wantProbe(t, "readiness", proxy.ReadinessProbe, "/readyz", "management")
	if p := proxy.StartupProbe; p.PeriodSeconds*p.FailureThreshold < 120 {
		t.Errorf("a start may take %d s: the lock of a predecessor alone is waited for 60",
			p.PeriodSeconds*p.FailureThreshold)
	}
	controller := find[*appsv1.Deployment](t, all, release+"-controller").Spec.Template.Spec.Containers[0]
	wantProbe(t, "controller's liveness", controller.LivenessProbe, "/healthz", "health")
	wantProbe(t, "controller's readiness", controller.ReadinessProbe, "/readyz", "health")
	spread := pod.Spec.TopologySpreadConstraints
	wantSpread(t, spread, pod.Labels)
	budget := find[*policyv1.PodDisruptionBudget](t, all, release).Spec
	if !maps.Equal(budget.Selector.MatchLabels, pod.Labels) || budget.MaxUnavailable.IntValue() != 1 {
		t.Errorf("disruptions are bounded by %+v, and instances have the labels %v", budget, pod.Labels)
	}
}

func wantProbe(t *testing.T, name string, p *corev1.Probe, path, port string) {
	t.Helper()
	if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != path || p.HTTPGet.Port.String() != port {
		t.Errorf("the %s probe is %+v, want %s at %s", name, p, path, port)
	}
}

// TestExtras checks that a user's additions to the proxy's pods are present and that the chart's
// own parts stay.
func TestExtras(t *testing.T) {
	all := objects(t, modes["everything else"])
	pod := find[*appsv1.StatefulSet](t, all, release).Spec.Template
	proxy := pod.Spec.Containers[0]
	env := map[string]corev1.EnvVar{}
	for _, e := range proxy.Env {
		env[e.Name] = e
	}
	if env["OTEL_EXPORTER_OTLP_ENDPOINT"].Value != "http://collector:4318" || env["KEY"].ValueFrom == nil ||
		env["INSTANCE_UID"].ValueFrom == nil {
		t.Errorf("the environment is %v", proxy.Env)
	}
	if limit, ok := env["GOMEMLIMIT"]; ok {
		t.Errorf("GOMEMLIMIT is %q: the proxy would not follow its container", limit.Value)
	}
	isExtra := func(v corev1.Volume) bool { return v.Name == "extra" && v.ConfigMap != nil }
	mountsExtra := func(m corev1.VolumeMount) bool { return m.Name == "extra" && m.MountPath == "/extra" }
	if !slices.ContainsFunc(proxy.VolumeMounts, mountsExtra) || !slices.ContainsFunc(pod.Spec.Volumes, isExtra) {
		t.Errorf("mounts are %v of %v", proxy.VolumeMounts, pod.Spec.Volumes)
	}
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAntiAffinity == nil {
		t.Errorf("affinity is %v", pod.Spec.Affinity)
	}
	if len(pod.Annotations["signstash.io/config"]) != 64 || pod.Annotations["a.example.org/b"] != "c" ||
		pod.Labels["app.kubernetes.io/name"] != release {
		t.Errorf("annotations are %v, labels %v: what the chart needs is lost", pod.Annotations, pod.Labels)
	}
	labelled := find[*appsv1.StatefulSet](
		t, objects(t, "{trial: {enabled: true}, podLabels: {a.example.org/b: c}}"), release,
	).Spec.Template.Labels
	if labelled["a.example.org/b"] != "c" {
		t.Errorf("labels are %v", labelled)
	}
}

// TestUser checks that all pods run as one user. The cluster chooses the user if the value is null.
func TestUser(t *testing.T) {
	for values, want := range map[string]bool{
		"trial: {enabled: true}": true,
		"{trial: {enabled: true}, podSecurity: {runAsUser: null, runAsGroup: null, fsGroup: null}}": false,
	} {
		all := objects(t, values)
		for name, spec := range map[string]corev1.PodSpec{
			"proxy":      find[*appsv1.StatefulSet](t, all, release).Spec.Template.Spec,
			"controller": find[*appsv1.Deployment](t, all, release+"-controller").Spec.Template.Spec,
			"trial":      find[*appsv1.Deployment](t, all, release+"-trial").Spec.Template.Spec,
			"test":       find[*corev1.Pod](t, all, release+"-test").Spec,
		} {
			s := spec.SecurityContext
			for _, id := range []*int64{s.RunAsUser, s.RunAsGroup, s.FSGroup} {
				if (id != nil) != want || want && *id != 65532 {
					t.Errorf("%s: %s runs as %v, %v, %v", values, name, s.RunAsUser, s.RunAsGroup, s.FSGroup)
				}
			}
		}
	}
}

// TestImage checks that a digest takes precedence over the tag, and that the label is valid for
// every tag.
func TestImage(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	long := strings.Repeat("a.", 50) + "b"
	for values, want := range map[string]struct{ image, version string }{
		"{repository: r, tag: v1}":                  {"r:v1", "v1"},
		"{repository: r, digest: '" + digest + "'}": {"r@" + digest, "dev"},
		"{repository: r, tag: 'v1@" + digest + "'}": {"r:v1@" + digest, ("v1_sha256_" + strings.Repeat("0a", 32))[:63]},
		"{repository: r, tag: " + long + "}":        {"r:" + long, long[:63]},
	} {
		set := find[*appsv1.StatefulSet](t, objects(t, "{trial: {enabled: true}, image: "+values+"}"), release)
		if got := set.Spec.Template.Spec.Containers[0].Image; got != want.image {
			t.Errorf("%s: the image is %s, want %s", values, got, want.image)
		}
		if got := set.Labels["app.kubernetes.io/version"]; got != want.version {
			t.Errorf("%s: the version is %s, want %s", values, got, want.version)
		}
	}
}

// TestFrontService checks the front Service, from which a cloud makes a load balancer.
func TestFrontService(t *testing.T) {
	s := find[*corev1.Service](t, objects(t, modes["LoadBalancer of a class"]), release).Spec
	if s.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal || s.LoadBalancerClass == nil ||
		*s.LoadBalancerClass != "internal" ||
		!slices.Equal(s.LoadBalancerSourceRanges, []string{"192.0.2.0/24"}) {
		t.Errorf("Service is %+v", s)
	}
}

// TestTrialConfig checks that documents of a trial get revocation data. It comes from a Service,
// which has a private address.
func TestTrialConfig(t *testing.T) {
	for values, want := range map[string]string{
		"trial: {enabled: true}": "10.0.0.0/8",
		"{trial: {enabled: true}, config: {revocation.allow-private: 192.0.2.0/24}}": "192.0.2.0/24",
	} {
		m := find[*corev1.ConfigMap](t, objects(t, values), release+"-config")
		var config map[string]any
		if err := yaml.Unmarshal([]byte(m.Data["config.yaml"]), &config); err != nil {
			t.Fatal(err)
		}
		if got, _ := config["revocation.allow-private"].(string); !strings.HasPrefix(got, want) {
			t.Errorf("%s: revocation.allow-private is %q, want %s", values, got, want)
		}
	}
}

// TestTestAuthority checks that `helm test` trusts the authority in the TLS Secret if there is one,
// and starts if there is none.
func TestTestAuthority(t *testing.T) {
	spec := find[*corev1.Pod](t, objects(t, "{trial: {enabled: true}, tls: {secretName: s}}"), release+"-test").Spec
	i := slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == "tls" })
	if i < 0 || spec.Volumes[i].Secret.Optional == nil || !*spec.Volumes[i].Secret.Optional ||
		len(spec.Volumes[i].Secret.Items) != 1 {
		t.Fatalf("volumes are %+v", spec.Volumes)
	}
	if slices.ContainsFunc(spec.Containers[0].Args, func(arg string) bool { return strings.HasPrefix(arg, "--ca=") }) ||
		!slices.Contains(spec.Containers[0].Env, corev1.EnvVar{Name: "SSL_CERT_DIR", Value: "/etc/ssl/certs:/tls"}) {
		t.Errorf("signctl is started with %v, %v", spec.Containers[0].Args, spec.Containers[0].Env)
	}
}

// TestTemplateNames checks that template names have the chart's prefix, because all charts of a
// release share template names.
func TestTemplateNames(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(folder, "templates/*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("templates are %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil && filepath.Base(file) != "tests" {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, `define "`) && !strings.Contains(line, `define "signstash-proxy.`) {
				t.Errorf("a name could be another chart's: %s", line)
			}
		}
	}
}

// TestControllers checks that two controllers run by default and that they are spread over the
// nodes, so that the loss of a node does not keep new pods from work.
func TestControllers(t *testing.T) {
	d := find[*appsv1.Deployment](t, objects(t, modes["trial"]), release+"-controller").Spec
	spread := d.Template.Spec.TopologySpreadConstraints
	wantSpread(t, spread, d.Template.Labels)
	if *d.Replicas != 2 {
		t.Errorf("there are %d controllers, want 2", *d.Replicas)
	}
}

// wantSpread checks that pods with these labels are spread over nodes and zones, and that a pod
// starts even if it cannot be spread.
func wantSpread(t *testing.T, spread []corev1.TopologySpreadConstraint, labels map[string]string) {
	t.Helper()
	keys := []string{corev1.LabelHostname, corev1.LabelTopologyZone}
	if len(spread) != len(keys) {
		t.Fatalf("pods are spread by %+v, want %v", spread, keys)
	}
	for i, s := range spread {
		if s.TopologyKey != keys[i] || s.WhenUnsatisfiable != corev1.ScheduleAnyway ||
			!maps.Equal(s.LabelSelector.MatchLabels, labels) {
			t.Errorf("pods with labels %v are spread by %+v", labels, s)
		}
	}
}

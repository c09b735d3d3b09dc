package controller_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/clients"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// template returns the selector and template of pods that nobody creates in these tests.
func template() (*metav1.LabelSelector, corev1.PodTemplateSpec) {
	labels := map[string]string{"app": "proxy"}
	return &metav1.LabelSelector{MatchLabels: labels}, corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "proxy", Image: "proxy"}}},
	}
}

// release creates a namespace with the objects that the chart would create.
func release(t *testing.T) (client.WithWatch, string) {
	t.Helper()
	c, namespace := server.Client(t), server.Namespace(t)
	selector, pods := template()
	for _, object := range []client.Object{
		&appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "proxy"},
			Spec:       appsv1.StatefulSetSpec{Selector: selector, Template: pods},
		},
		&appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "proxy-controller"},
			Spec:       appsv1.DeploymentSpec{Selector: selector, Template: pods},
		},
	} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	return c, namespace
}

// rendered returns the number of client services in the rendered Secret.
func rendered(t *testing.T, c client.Client, namespace string) (int, error) {
	var s corev1.Secret
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "proxy-clients"}, &s); err != nil {
		return 0, err
	}
	services, err := clientservice.Decode(s.Data[clientservice.FileName])
	if err != nil {
		return 0, err
	}
	return services.Len(), nil
}

// wantRendered waits until the rendered Secret holds the given number of client services.
func wantRendered(t *testing.T, c client.Client, namespace string, want int) {
	t.Helper()
	testenv.Eventually(t, func() error {
		if got, err := rendered(t, c, namespace); err != nil || got != want {
			return fmt.Errorf("%d client services are rendered, %v, want %d", got, err, want)
		}
		return nil
	})
}

func createClient(t *testing.T, c client.Client, namespace string, n int) error {
	return c.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("client-%d", n)},
		Type:       clients.SecretType,
		StringData: map[string]string{
			"clientId": fmt.Sprintf("PRT.505767457-PRT.123654123-%04d", n), "secret": "0123456789abcdef0123456789abcdef",
			"config": `{"inputFolder": "/in", "outputFolder": "/out", "backupFolder": "/backup"}`,
		},
	})
}

// TestPorts checks that probes and metrics are on different ports.
func TestPorts(t *testing.T) {
	c, namespace := release(t)
	p := start(t, namespace)
	for _, path := range []string{"/healthz", "/readyz"} {
		testenv.Eventually(t, func() error {
			_, err := p.get(p.health, path)
			return err
		})
	}
	wantRendered(t, c, namespace, 0)
	testenv.Eventually(t, func() error {
		text, err := p.get(p.metrics, "/metrics")
		if err == nil && !strings.Contains(text, "signstash_controller_rendered_writes_total 1\n") {
			err = errors.New("the metrics do not count the one write")
		}
		return err
	})
	if strings.Contains(p.log.String(), "token-signing") {
		t.Error("the log names the content of the rendered Secret")
	}
	wantDashboardFed(t, p)
}

// wantDashboardFed checks that the program exports every metric of the controller that the
// dashboard and the alerts use. A test of cmd/proxy checks the metrics of the proxy.
func wantDashboardFed(t *testing.T, p *program) {
	t.Helper()
	name := regexp.MustCompile(`signstash_controller_[a-z_]+`)
	asked := []string{
		"signstash_instances_expected 1", // instances export it too, but this one exists when no instance runs
		`controller_runtime_reconcile_errors_total{controller="signstash-clients"}`,
		`controller_runtime_reconcile_errors_total{controller="signstash-endpoints"}`,
	}
	for _, file := range []string{"dashboard.json", "alerts.yaml"} {
		content, err := os.ReadFile("../../charts/signstash-proxy/files/" + file)
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, name.FindAllString(string(content), -1)...)
	}
	if len(asked) < 10 {
		t.Errorf("only %v were asked for: the files were not understood", asked)
	}
	testenv.Eventually(t, func() error { // some exist only after the first reconciliation
		text, err := p.get(p.metrics, "/metrics")
		if err != nil {
			return err
		}
		for _, metric := range asked {
			if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(metric) + `[ {\n]`).MatchString(text) {
				err = errors.Join(err, fmt.Errorf("dashboard and alerts ask for %s, which the controller does not have", metric))
			}
		}
		return err
	})
}

// TestTouch checks that the controller sees and touches the pods that the chart labels as proxies.
func TestTouch(t *testing.T) {
	c, namespace := release(t)
	var owner appsv1.StatefulSet
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "proxy"}, &owner); err != nil {
		t.Fatal(err)
	}
	_, pods := template()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace,
			Name:      "proxy-0",
			Labels: map[string]string{
				"app.kubernetes.io/name":      "signstash-proxy",
				"app.kubernetes.io/instance":  "r",
				"app.kubernetes.io/component": "proxy",
			},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(&owner, appsv1.SchemeGroupVersion.WithKind("StatefulSet")),
			},
		},
		Spec: pods.Spec,
	}
	if err := c.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	start(t, namespace)
	testenv.Eventually(t, func() error {
		err := c.Get(t.Context(), client.ObjectKeyFromObject(pod), pod)
		if err == nil && pod.Annotations[affinity.RefreshAnnotation] == "" {
			err = errors.New("the pod was not touched")
		}
		return err
	})
}

// TestLeader checks that one of two controllers works, and that the other one takes over when it
// ends. The Deployment must own the Lease.
func TestLeader(t *testing.T) {
	c, namespace := release(t)
	first := start(t, namespace)
	wantRendered(t, c, namespace, 0)
	second := start(t, namespace)
	testenv.Eventually(t, func() error {
		_, err := second.get(second.health, "/readyz")
		return err
	})
	if text := second.log.String(); strings.Contains(text, "wrote the rendered Secret") {
		t.Errorf("the second controller wrote:\n%s", text)
	}
	// A controller that does not lead must not export the metric by which an alert recognizes a
	// controller that works.
	if text, err := second.get(second.metrics, "/metrics"); err != nil ||
		strings.Contains(text, "\nsignstash_controller_client_services ") {
		t.Errorf("the second controller tells of client services, %v", err)
	}
	testenv.Eventually(t, func() error {
		var lease coordinationv1.Lease
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "proxy-controller"}, &lease); err != nil {
			return err
		}
		if refs := lease.OwnerReferences; len(refs) != 1 || refs[0].Kind != "Deployment" ||
			refs[0].Name != "proxy-controller" {
			return fmt.Errorf("the Lease belongs to %v", refs)
		}
		return nil
	})
	first.stop()
	if err := createClient(t, c, namespace, 1); err != nil {
		t.Fatal(err)
	}
	wantRendered(t, c, namespace, 1)
	if !strings.Contains(second.log.String(), "wrote the rendered Secret") {
		t.Error("the second controller did not write")
	}
}

const (
	thousand = 1000
	// maxWrites is much smaller than the number of Secrets.
	maxWrites = 6
	maxRSS    = 64 << 20 // bytes
)

// TestThousand creates a thousand Secrets at once. They must cause few writes and use little
// memory.
func TestThousand(t *testing.T) {
	c, namespace := release(t)
	p := start(t, namespace)
	wantRendered(t, c, namespace, 0)
	writes := watchRendered(t, c, namespace)

	begin := time.Now()
	var group errgroup.Group
	group.SetLimit(20)
	for n := range thousand {
		group.Go(func() error { return createClient(t, c, namespace, n) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	created := time.Since(begin)
	wantRendered(t, c, namespace, thousand)
	all := time.Since(begin)
	if err := createClient(t, c, namespace, thousand); err != nil { // the watch covers its creation
		t.Fatal(err)
	}
	got := writes(thousand + 1)
	if got > maxWrites+1 {
		t.Errorf("%d writes for %d Secrets and one more, want at most %d", got, thousand, maxWrites+1)
	}
	rss := peakRSS(t, p.cmd.Process.Pid)
	if rss > maxRSS {
		t.Errorf("the peak RSS is %d bytes, want at most %d", rss, maxRSS)
	}
	t.Logf("%d Secrets: created in %v, rendered after %v, %d writes, peak RSS %d MiB", thousand, created,
		all, got-1, rss>>20)
	if cpu := os.Getenv("SIGNSTASH_IDLE_CPU"); cpu != "" { // prints a figure and checks nothing
		before := cpuTime(t, p.cmd.Process.Pid)
		<-time.After(30 * time.Second)
		t.Logf("CPU in 30 s of quiet: %v", cpuTime(t, p.cmd.Process.Pid)-before)
	}
}

// watchRendered counts the writes of the rendered Secret from now on until it holds the given
// number of client services.
func watchRendered(t *testing.T, c client.WithWatch, namespace string) func(until int) int {
	t.Helper()
	var list corev1.SecretList
	options := []client.ListOption{client.InNamespace(namespace), client.MatchingFields{"metadata.name": "proxy-clients"}}
	if err := c.List(t.Context(), &list, options...); err != nil {
		t.Fatal(err)
	}
	events, err := c.Watch(t.Context(), &corev1.SecretList{},
		append(options, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}})...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(events.Stop)
	return func(until int) int {
		t.Helper()
		deadline := time.After(time.Minute)
		for writes := 1; ; writes++ {
			select {
			case e := <-events.ResultChan():
				s, ok := e.Object.(*corev1.Secret)
				if !ok || e.Type != watch.Modified {
					t.Fatalf("got %s %T, want the rendered Secret, modified", e.Type, e.Object)
				}
				if services, err := clientservice.Decode(s.Data[clientservice.FileName]); err == nil && services.Len() == until {
					return writes
				}
			case <-deadline:
				t.Fatalf("%d client services were never seen", until)
			}
		}
	}
}

// peakRSS returns the largest resident memory of a process so far, in bytes.
func peakRSS(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Skipf("no memory figures on this system: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(text)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the status of the process has no VmHWM")
	return 0
}

// cpuTime returns the CPU time that a process has used, in steps of 10 ms (proc_pid_stat(5), fields
// 14 and 15).
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
	ticks := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

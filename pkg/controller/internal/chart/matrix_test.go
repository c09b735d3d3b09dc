package chart_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// rendering is one row of the matrix: a release with its values.
type rendering struct {
	release, namespace, values string
	check                      func(all []*unstructured.Unstructured) error
}

// matrix returns all rows. A row without a signing service is a trial.
func matrix() (rows []rendering) {
	for _, e := range effects {
		rows = append(rows, rendering{release: release, namespace: "signing", values: e.values, check: e.check})
	}
	for _, n := range names {
		check := func(all []*unstructured.Unstructured) error { return wantNames(all, n.base, n.namespace) }
		rows = append(rows, rendering{n.release, n.namespace, n.values, check})
	}
	for _, values := range combinations() {
		rows = append(rows, rendering{release: release, namespace: "signing", values: values})
	}
	for i := range rows {
		if v := "\n" + rows[i].values; !strings.Contains(v, "\ntrial:") && !strings.Contains(v, "\nprovider:") {
			rows[i].values = "trial: {enabled: true}\n" + rows[i].values
		}
	}
	return rows
}

// TestMatrix renders the chart with some hundred sets of values. It checks the effect of each, and
// lets the API server validate every object that differs from the others, as an apply would.
func TestMatrix(t *testing.T) {
	rows := matrix()
	if len(rows) < 200 {
		t.Fatalf("the matrix has %d rows", len(rows))
	}
	installMonitoring(t)
	v := &validator{client: server.Client(t), namespace: server.Namespace(t), seen: map[string]bool{}}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0) + 1) // helm reads files while another one computes
	var mu sync.Mutex
	for _, row := range rows {
		group.Go(func() error {
			err := v.render(t, row)
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				t.Errorf("release %s in namespace %s with values\n%s\n%v", row.release, row.namespace, row.values, err)
			}
			return nil
		})
	}
	_ = group.Wait()
	t.Logf("%d sets of values, %d different objects", len(rows), len(v.seen))
}

// validator validates objects with an API server. It is safe for concurrent use.
type validator struct {
	client    client.Client
	namespace string // of the objects, whatever they say

	mu   sync.Mutex
	seen map[string]bool // objects that were validated
}

// render renders a row and checks its objects.
func (v *validator) render(t *testing.T, row rendering) error {
	text, err := helm(t, row.values,
		"template", row.release, folder, "--namespace", row.namespace, "--values", "-")
	if err != nil {
		return err
	}
	all, err := untyped(text)
	if err != nil {
		return err
	}
	var errs []error
	if row.check != nil {
		errs = append(errs, row.check(all))
	}
	for _, o := range all {
		if err := v.validate(t, o); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err))
		}
	}
	return errors.Join(errs...)
}

// validate applies an object without storing it. Server-side apply refuses fields that the API does
// not know.
func (v *validator) validate(t *testing.T, o *unstructured.Unstructured) error {
	o = o.DeepCopy()
	if strings.HasPrefix(o.GetAPIVersion(), "keda.sh/") {
		return nil // the API server does not have this kind
	}
	if !clusterWide(o) {
		o.SetNamespace(v.namespace)
	}
	dropRuntimeClass(o)
	key, err := json.Marshal(o)
	if err != nil {
		return err
	}
	v.mu.Lock()
	seen := v.seen[string(key)]
	v.seen[string(key)] = true
	v.mu.Unlock()
	if seen {
		return nil
	}
	return v.client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o),
		client.FieldOwner("helm"), client.ForceOwnership, client.DryRunAll)
}

// clusterWide reports whether an object belongs to no namespace.
func clusterWide(o *unstructured.Unstructured) bool {
	return strings.HasPrefix(o.GetKind(), "ClusterRole") || strings.HasPrefix(o.GetKind(), "ValidatingAdmissionPolicy")
}

// dropRuntimeClass removes the runtime class of a pod, because the API server looks it up.
func dropRuntimeClass(o *unstructured.Unstructured) {
	if o.GetKind() == "Pod" {
		unstructured.RemoveNestedField(o.Object, "spec", "runtimeClassName")
	}
}

// untyped decodes rendered objects. Keys that appear twice are errors.
func untyped(text string) (all []*unstructured.Unstructured, err error) {
	for document := range strings.SplitSeq(text, "\n---\n") {
		if !strings.Contains(document, "kind:") {
			continue
		}
		o := &unstructured.Unstructured{}
		content, err := yaml.YAMLToJSONStrict([]byte(document))
		if err == nil {
			err = o.UnmarshalJSON(content) // integers stay integers
		}
		if err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, document)
		}
		all = append(all, o)
	}
	return all, nil
}

// baseName returns the name of the StatefulSet, with which all names begin.
func baseName(all []*unstructured.Unstructured) string {
	for _, o := range all {
		if o.GetKind() == "StatefulSet" {
			return o.GetName()
		}
	}
	return ""
}

// check checks that the object of e has the wanted field.
func (e effect) check(all []*unstructured.Unstructured) error {
	kind, suffix, _ := strings.Cut(e.object, "/")
	base := baseName(all)
	i := slices.IndexFunc(all, func(o *unstructured.Unstructured) bool {
		return o.GetKind() == kind && o.GetName() == base+suffix
	})
	if i < 0 {
		return fmt.Errorf("there is no %s %s%s", kind, base, suffix)
	}
	var got []string
	for _, v := range fields(all[i].Object, strings.Fields(e.path)) {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		got = append(got, string(text))
	}
	if !slices.Contains(got, e.want) && (len(got) > 0 || e.want != "null") {
		return fmt.Errorf("%s of %s is %v, want %s", e.path, e.object, got, e.want)
	}
	return nil
}

// fields returns the values at a path below v.
func fields(v any, path []string) (all []any) {
	if len(path) == 0 {
		return []any{v}
	}
	switch v := v.(type) {
	case map[string]any:
		if below, ok := v[path[0]]; ok {
			all = fields(below, path[1:])
		}
	case []any:
		for i, below := range v {
			if path[0] == "*" || path[0] == strconv.Itoa(i) {
				all = append(all, fields(below, path[1:])...)
			}
		}
	}
	return all
}

// wantNames checks the base name, and that objects are in the namespace.
func wantNames(all []*unstructured.Unstructured, base, namespace string) error {
	if got := baseName(all); got != base {
		return fmt.Errorf("the base name is %s, want %s", got, base)
	}
	for _, o := range all {
		if !strings.HasPrefix(o.GetName(), base) && !clusterWide(o) {
			return fmt.Errorf("%s %s has not the base name %s", o.GetKind(), o.GetName(), base)
		}
		if o.GetNamespace() != namespace && !clusterWide(o) {
			return fmt.Errorf("%s %s is in namespace %q, want %s", o.GetKind(), o.GetName(), o.GetNamespace(), namespace)
		}
	}
	return nil
}

// installMonitoring installs the kinds of the Prometheus operator, with the fields that the chart
// uses.
func installMonitoring(t *testing.T) {
	t.Helper()
	content, err := os.ReadFile("testdata/monitoring.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all, err := untyped(string(content))
	if err != nil {
		t.Fatal(err)
	}
	c := server.Client(t)
	for _, crd := range all {
		if err := c.Create(t.Context(), crd.DeepCopy()); client.IgnoreAlreadyExists(err) != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"ServiceMonitor", "PodMonitor", "PrometheusRule"} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: kind + "List"})
		testenv.Eventually(t, func() error { return server.Client(t).List(t.Context(), list) })
	}
}

// elsewhere are prefixes of values that the tests of routes, policies and inspections set.
var elsewhere = []string{
	"endpoint.routeAnnotations", "endpoint.gateway.", "endpoint.ingress.", "endpoint.formerModes",
	"httpRoute.", "ingress.", "admissionPolicy.", "inspection.",
}

// TestEveryValue checks that the matrix sets every value of the chart to something that is not its
// default.
func TestEveryValue(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(folder, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(content, &root); err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	described(root, "", missing)
	if len(missing) < 100 {
		t.Fatalf("the schema describes %d values", len(missing))
	}
	defaults := map[string]any{}
	content, err = os.ReadFile(filepath.Join(folder, "values.yaml"))
	if err == nil {
		err = yaml.Unmarshal(content, &defaults)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range matrix() {
		var values map[string]any
		if err := yaml.Unmarshal([]byte(row.values), &values); err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(missing, func(path string, _ bool) bool {
			got, want := fields(values, strings.Split(path, ".")), fields(defaults, strings.Split(path, "."))
			return len(got) > 0 && fmt.Sprint(got) != fmt.Sprint(want)
		})
	}
	maps.DeleteFunc(missing, func(path string, _ bool) bool {
		return slices.ContainsFunc(elsewhere, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
	})
	for _, path := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("no row of the matrix sets %s: add one to matrixcases_test.go", path)
	}
}

// described adds the paths of all values with a description.
func described(schema map[string]any, path string, all map[string]bool) {
	properties, _ := schema["properties"].(map[string]any)
	for name, below := range properties {
		below := below.(map[string]any)
		name = strings.TrimPrefix(path+"."+name, ".")
		if below["description"] != nil {
			all[name] = true
			continue
		}
		described(below, name, all)
	}
}

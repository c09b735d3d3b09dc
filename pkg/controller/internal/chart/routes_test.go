package chart_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// routeRights returns the rights that the sources declare for routes, by the namespace in the
// markers.
func routeRights(t *testing.T) map[string][]string {
	t.Helper()
	content, err := os.ReadFile("../../../../config/rbac/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string][]string{}
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		var role rbacv1.Role
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(role.Namespace, "gateway-") || strings.HasPrefix(role.Namespace, "ingress-") {
			declared[role.Namespace] = single(role.Rules, "")
		}
	}
	if len(declared) != 3 {
		t.Fatalf("declared are %v", declared)
	}
	return declared
}

// TestRouteRights checks that the controller has the declared rights for routes in the modes that
// need them, and in no other.
func TestRouteRights(t *testing.T) {
	declared := routeRights(t)
	const gateways = "signing-signstash-proxy-controller-"
	for mode, want := range map[string]map[string]string{ // by namespace and end of the name
		"trial": {}, "NodePort": {}, "HostTemplate": {},
		"Gateway": {
			"signing/signstash-proxy-gateway-routes": "gateway-routes",
			"signing/signstash-proxy-ingress-routes": "ingress-routes",
			"infra/gateways":                         "gateway-parents", "signing/gateways": "gateway-parents",
		},
		"Ingress": {"signing/signstash-proxy-ingress-routes": "ingress-routes"},
	} {
		got := map[string]bool{}
		for _, o := range objects(t, modes[mode]) {
			role, ok := o.(*rbacv1.Role)
			if !ok || role.Name == release+"-controller" {
				continue
			}
			name := role.Namespace + "/" + role.Name
			if strings.HasPrefix(role.Name, gateways) && strings.HasSuffix(role.Name, "-gateways") {
				name = role.Namespace + "/gateways"
				if names := role.Rules[0].ResourceNames; len(names) != 1 {
					t.Errorf("%s: %s is not limited to one Gateway: %v", mode, name, names)
				}
				role.Rules[0].ResourceNames = nil
			}
			got[name] = true
			if rules := single(role.Rules, ""); !slices.Equal(rules, declared[want[name]]) {
				t.Errorf("%s: %s grants %v, the sources declare %v", mode, name, rules, declared[want[name]])
			}
		}
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, slices.Sorted(maps.Keys(want))) {
			t.Errorf("%s: the Roles are %v, want %v", mode, names, want)
		}
	}
}

// TestFrontRoutes checks the routes to the Service in front of all instances.
func TestFrontRoutes(t *testing.T) {
	all := objects(t, modes["Gateway"])
	route := find[*unstructured.Unstructured](t, all, release)
	if route.GetKind() != "HTTPRoute" || route.GetAnnotations()["a"] != "1" {
		t.Errorf("the route is %v", route)
	}
	rules, _, err := unstructured.NestedSlice(route.Object, "spec", "rules")
	if err != nil || len(rules) != 1 {
		t.Fatalf("rules are %v, %v", rules, err)
	}
	backends, _, err := unstructured.NestedSlice(rules[0].(map[string]any), "backendRefs")
	if err != nil || len(backends) != 1 || backends[0].(map[string]any)["name"] != release {
		t.Errorf("backends are %v, %v", backends, err)
	}
	ingress := find[*networkingv1.Ingress](t, objects(t, modes["Ingress"]), release)
	if len(ingress.Spec.Rules) != 2 || len(ingress.Spec.Rules[0].HTTP.Paths) != 1 ||
		*ingress.Spec.Rules[1].HTTP.Paths[0].PathType != networkingv1.PathTypeExact ||
		*ingress.Spec.IngressClassName != "public" {
		t.Errorf("the Ingress is %+v", ingress.Spec)
	}
}

// TestRouteKind checks that instances that serve TLS themselves get a TLSRoute.
func TestRouteKind(t *testing.T) {
	for mode, want := range map[string]string{"Gateway": "HTTPRoute", "TLSRoute": "TLSRoute"} {
		controller := find[*appsv1.Deployment](t, objects(t, modes[mode]), release+"-controller").Spec.Template.Spec
		args := controller.Containers[0].Args
		if !slices.Contains(args, "--route-kind="+want) {
			t.Errorf("%s: the controller is started with %v", mode, args)
		}
	}
}

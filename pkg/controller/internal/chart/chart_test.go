package chart_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/signstash-proxy/signstash-proxy/pkg/config"
)

func TestLint(t *testing.T) {
	if out, err := helm(t, modes["trial"], "lint", "--strict", folder, "--values", "-"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestModes validates all rendered objects with a real API server, and checks rules that hold in
// every mode.
func TestModes(t *testing.T) {
	for name, values := range modes {
		t.Run(name, func(t *testing.T) {
			all := objects(t, values)
			c, namespace := server.Client(t), server.Namespace(t)
			for _, o := range all {
				if _, ok := o.(*unstructured.Unstructured); ok {
					continue // a kind of the Prometheus operator
				}
				if !strings.HasPrefix(o.GetObjectKind().GroupVersionKind().Kind, "ClusterRole") {
					o.SetNamespace(namespace)
				}
				if err := c.Create(t.Context(), o, client.DryRunAll); err != nil {
					t.Errorf("%s %s: %v", o.GetObjectKind().GroupVersionKind().Kind, o.GetName(), err)
				}
			}
			wantRestricted(t, all)
			wantSteadyLabels(t, all)
			set := find[*appsv1.StatefulSet](t, all, release)
			wantKnownFlags(t, set)
			wantMounts(t, set)
			wantControllerStarts(t, all)
			text, err := template(t, values)
			if err != nil || subPath.MatchString(text) {
				t.Errorf("something is mounted by subPath, %v", err)
			}
			clusterWide := strings.Contains(text, "kind: ClusterRole")
			if want := name == "NodePort"; clusterWide != want {
				t.Errorf("rights for all of the cluster: %v, want %v", clusterWide, want)
			}
		})
	}
}

// wantRestricted checks every pod against the restricted Pod Security level and some further rules.
func wantRestricted(t *testing.T, all []client.Object) {
	t.Helper()
	pods := map[string]corev1.PodSpec{}
	for _, o := range all {
		switch o := o.(type) {
		case *appsv1.StatefulSet:
			pods[o.Name] = o.Spec.Template.Spec
		case *appsv1.Deployment:
			pods[o.Name] = o.Spec.Template.Spec
		case *batchv1.Job:
			pods[o.Name] = o.Spec.Template.Spec
		case *corev1.Pod:
			pods[o.Name] = o.Spec
		}
	}
	for name, p := range pods {
		s := p.SecurityContext
		if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil ||
			s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("security context of pod %s is %+v", name, s)
		}
		if p.EnableServiceLinks == nil || *p.EnableServiceLinks {
			t.Errorf("pod %s has environment variables for every Service", name)
		}
		mounts := p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken
		if want := name == release+"-controller"; mounts != want {
			t.Errorf("pod %s mounts a token: %v, want %v", name, mounts, want)
		}
		for _, c := range slices.Concat(p.InitContainers, p.Containers) {
			s := c.SecurityContext
			all := []corev1.Capability{"ALL"}
			if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation ||
				s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
				s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, all) {
				t.Errorf("security context of %s in %s is %+v", c.Name, name, s)
			}
		}
	}
}

// wantSteadyLabels checks that pod labels contain no version and no image. Otherwise an upgrade
// would replace pods when only the version of the chart or another image changes.
func wantSteadyLabels(t *testing.T, all []client.Object) {
	t.Helper()
	for _, o := range all {
		var labels map[string]string
		switch o := o.(type) {
		case *appsv1.StatefulSet:
			labels = o.Spec.Template.Labels
		case *appsv1.Deployment:
			labels = o.Spec.Template.Labels
		}
		for name := range labels {
			if !slices.Contains(
				[]string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}, name,
			) {
				t.Errorf("pods of %s carry label %s", o.GetName(), name)
			}
		}
	}
}

// wantKnownFlags parses the proxy's flags with the proxy's own configuration code.
func wantKnownFlags(t *testing.T, set *appsv1.StatefulSet) {
	t.Helper()
	known := map[string]bool{}
	for _, s := range config.Settings() {
		known[s.Name] = true
	}
	for _, arg := range set.Spec.Template.Spec.Containers[0].Args {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !known[name] {
			t.Errorf("the proxy is started with %s, which it does not know", arg)
		}
	}
}

// wantMounts checks that every file named by a flag is below a mount.
func wantMounts(t *testing.T, set *appsv1.StatefulSet) {
	t.Helper()
	container := set.Spec.Template.Spec.Containers[0]
	for _, arg := range container.Args {
		_, path, _ := strings.Cut(arg, "=")
		if !strings.HasPrefix(path, "/") {
			continue
		}
		if !slices.ContainsFunc(
			container.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(path+"/", m.MountPath+"/") },
		) {
			t.Errorf("%s is in no mounted folder", arg)
		}
	}
}

// TestSecretsByReference checks that secrets are referenced and never rendered. The only exception
// is the secret of the simulated service, which is public.
func TestSecretsByReference(t *testing.T) {
	public := []string{release + "-trial", release + "-trial-check", release + "-test"}
	for name, values := range modes {
		for _, o := range objects(t, values) {
			if s, ok := o.(*corev1.Secret); ok && !slices.Contains(public, s.Name) {
				t.Errorf("%s: Secret %s is rendered", name, s.Name)
			}
		}
	}
}

// TestRefusals checks that invalid combinations of values are refused with an error that names
// them.
func TestRefusals(t *testing.T) {
	for _, test := range []struct{ values, want string }{
		{"{}", "no signing service is configured"},
		{"{trial: {enabled: true}, endpoint: {mode: HostTemplate}}", "needs endpoint.hostTemplate and endpoint.portTemplate"},
		{"{trial: {enabled: true}, endpoint: {mode: Route}}", "/endpoint/mode"},
		{"{trial: {enabled: true}, endpoint: {mode: Ingress}}", "mode Ingress needs endpoint.hostTemplate"},
		{
			"{trial: {enabled: true}, endpoint: {mode: Gateway, hostTemplate: a.example.org, portTemplate: 443}}",
			"it must contain {ordinal} or {pod}",
		},
		{
			"{trial: {enabled: true}, endpoint: {mode: Gateway, hostTemplate: '{pod}.example.org', portTemplate: 443}}",
			"needs endpoint.gateway.parentRefs",
		},
		{"{trial: {enabled: true}, endpoint: {routeAnnotations: {a: b}}}", "need endpoint.mode Gateway or Ingress"},
		{"{trial: {enabled: true}, endpoint: {gateway: {routeKind: TLSRoute}}}", "gateway needs endpoint.mode Gateway"},
		{"{trial: {enabled: true}, endpoint: {ingress: {className: a}}}", "endpoint.ingress needs endpoint.mode Ingress"},
		{"{trial: {enabled: true}, endpoint: {formerModes: [PodDNS]}}", "/endpoint/formerModes"},
		{"{trial: {enabled: true}, httpRoute: {enabled: true}}", "httpRoute.enabled needs httpRoute.parentRefs"},
		{"{trial: {enabled: true}, ingress: {enabled: true}}", "ingress.enabled needs ingress.hosts"},
		{"{trial: {enabled: true}, replica: 2}", "replica"},
		{"{trial: {enabled: true}, tls: {secret: x}}", "/tls"},
		{"{trial: {enabled: true}, tls: {transition: true}}", "tls.transition needs tls.secretName"},
		{"{trial: {enabled: true}, tls: {secretName: x, transition: 'TRUE'}}", "/tls/transition"},
		{"{trial: {enabled: true}, replicas: 0}", "/replicas"},
		{"{trial: {enabled: true}, replicas: 1025}", "/replicas"},
		{"{trial: {enabled: true}, replicas: \"3\"}", "/replicas"},
		{"{provider: {domain: signing.example.org}}", "/provider/domain"},
		{"{trial: {enabled: true}, extraArgs: [log.level=debug]}", "/extraArgs/0"},
		{"{trial: {enabled: true}, secrets: [../x]}", "/secrets/0"},
		{"{trial: {enabled: true}, endpoint: {hostTemplate: 'https://{pod}'}}", "/endpoint/hostTemplate"},
		{"{trial: {enabled: true}, persistence: {whenScaled: Keep}}", "/persistence/whenScaled"},
		{
			"{trial: {enabled: true}, endpoint: {hostTemplate: 'a.example.org', mode: PodDNS}}",
			"need endpoint.mode HostTemplate",
		},
		{
			"{trial: {enabled: true}, autoscaling: {enabled: true, maxReplicas: 2}, replicas: 3}",
			"autoscaling.maxReplicas is less than replicas",
		},
		{
			"{trial: {enabled: true}, endpoint: {mode: HostTemplate, hostTemplate: a, portTemplate: '0'}}",
			"/endpoint/portTemplate",
		},
		{
			"{trial: {enabled: true}, endpoint: {mode: HostTemplate, hostTemplate: a, portTemplate: '65536'}}",
			"gives port 65536 for the last instance",
		},
		{
			"{trial: {enabled: true}, endpoint: {mode: HostTemplate, hostTemplate: '{name}', portTemplate: '443'}}",
			"/endpoint/hostTemplate",
		},
		{
			"{trial: {enabled: true}, endpoint: {mode: HostTemplate, hostTemplate: a, portTemplate: '65534+{ordinal}'}}",
			"gives port 65536 for the last instance",
		},
		{
			"{trial: {enabled: true}, endpoint: {loadBalancerClass: a/b}}",
			"endpoint.loadBalancerClass needs endpoint.mode LoadBalancer",
		},
		{"{trial: {enabled: true}, endpoint: {serviceAnnotations: {a: b}}}", "have no Services of their own"},
		{"{trial: {enabled: true}, service: {loadBalancerSourceRanges: [192.0.2.0/24]}}", "need service.type LoadBalancer"},
		{"{trial: {enabled: true}, service: {externalTrafficPolicy: Local}}", "needs service.type NodePort or LoadBalancer"},
		{
			"{trial: {enabled: true}, autoscaling: {enabled: true}, resources: {requests: {cpu: null}}}",
			"autoscaling.targetCPUPercent needs resources.requests.cpu",
		},
		{
			"{trial: {enabled: true}, autoscaling: {enabled: true, targetCPUPercent: 0}}",
			"autoscaling needs a target",
		},
		{
			"{trial: {enabled: true}, autoscaling: {enabled: true, targetQueuedDocuments: 9, keda: {enabled: true}}}",
			"needs autoscaling.keda.serverAddress",
		},
		{
			"{trial: {enabled: true}, autoscaling: {enabled: true, metrics: [{type: Pods}], keda: {enabled: true}}}",
			"set autoscaling.keda.triggers",
		},
		{
			"{trial: {enabled: true}, autoscaling: {enabled: true, keda: {triggers: [{type: cron}]}}}",
			"needs autoscaling.keda.enabled",
		},
		{"{trial: {enabled: true}, hotFolder: {enabled: true}}", "hotFolder.enabled needs a place for the folders"},
		{"{trial: {enabled: true}, hotFolder: {existingClaim: hot}}", "hotFolder.existingClaim needs hotFolder.enabled"},
		{"{trial: {enabled: true}, hotFolder: {bucket: {kind: s3}}}", "hotFolder.bucket.kind needs hotFolder.enabled"},
		{
			"{trial: {enabled: true}, hotFolder: {enabled: true, existingClaim: hot, bucket: {region: eu-west-1}}}",
			"need hotFolder.bucket.kind",
		},
		{
			"{trial: {enabled: true}, hotFolder: {enabled: true, bucket: {kind: gs, region: eu-west-1}}}",
			"are for hotFolder.bucket.kind s3",
		},
		{
			"{trial: {enabled: true}, hotFolder: {enabled: true, bucket: {kind: s3, pathStyle: true}}}",
			"hotFolder.bucket.pathStyle needs hotFolder.bucket.endpoint",
		},
		{
			"{trial: {enabled: true}, hotFolder: {enabled: true, existingClaim: state-signstash-proxy-0}}",
			"is the state volume of an instance",
		},
		{"{trial: {enabled: true}, hotFolder: {bucket: {endpoint: 'https://k:s@store'}}}", "/hotFolder/bucket/endpoint"},
		{"{trial: {enabled: true}, hotFolder: {bucket: {kind: s3://bucket}}}", "/hotFolder/bucket/kind"},
		{"{trial: {enabled: true}, hotFolder: {threshold: 0}}", "/hotFolder/threshold"},
		{"{trial: {enabled: true}, hotFolder: {cron: '0/5 * * * ?'}}", "/hotFolder/cron"},
		{"{trial: {enabled: true}, hotFolder: {maxWait: 15}}", "/hotFolder/maxWait"},
		{"{trial: {enabled: true}, hotFolder: {trigger: now}}", "/hotFolder/trigger"},
		{"{trial: {enabled: true}, networkPolicy: {apiServerPorts: []}}", "/networkPolicy/apiServerPorts"},
		{"{trial: {enabled: true}, image: {digest: abc}}", "/image/digest"},
		{"{trial: {enabled: true}, podSecurity: {runAsUser: 0}}", "/podSecurity/runAsUser"},
		{"{trial: {enabled: true}, extraEnv: [{value: x}]}", "/extraEnv/0"},
		{
			"{trial: {enabled: true}, service: {nodePort: 30080}}",
			"service.nodePort needs service.type NodePort or LoadBalancer",
		},
		{"{trial: {enabled: true}, forward: redirect, endpoint: {mode: PodDNS}, replicas: three}", "/replicas"},
	} {
		if _, err := template(t, test.values); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("values %s: %v, want %q", test.values, err, test.want)
		}
	}
}

// TestSchema checks that the schema contains exactly the known values, and that every map of known
// values is closed.
func TestSchema(t *testing.T) {
	read := func(name string) (v map[string]any) {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err == nil {
			err = yaml.Unmarshal(content, &v)
		}
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	values, schema := read("values.yaml"), read("values.schema.json")
	properties := schema["properties"].(map[string]any)
	global := properties["global"].(map[string]any)
	if global["additionalProperties"] != nil {
		t.Error("global is closed, but it also holds the values of other charts")
	}
	global["additionalProperties"] = false
	compare(t, "", values, resolve(schema, schema["$defs"].(map[string]any)).(map[string]any))
}

// resolve returns a schema with its references replaced by the definitions.
func resolve(schema any, definitions map[string]any) any {
	switch s := schema.(type) {
	case map[string]any:
		if ref, ok := s["$ref"].(string); ok {
			all := maps.Clone(resolve(definitions[strings.TrimPrefix(ref, "#/$defs/")], definitions).(map[string]any))
			maps.Copy(all, s) // its description
			return all
		}
		for key, value := range s {
			s[key] = resolve(value, definitions)
		}
	case []any:
		for i, value := range s {
			s[i] = resolve(value, definitions)
		}
	}
	return schema
}

func compare(t *testing.T, path string, values, schema map[string]any) {
	t.Helper()
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		return // users may write anything there
	}
	if schema["additionalProperties"] != false {
		t.Errorf("%s: the schema is not closed", path)
	}
	_, whole := schema["description"] // documented as a whole: not every key needs a default
	for name := range properties {
		if _, ok := values[name]; !ok && !whole {
			t.Errorf("%s/%s is in the schema alone", path, name)
		}
	}
	for name, value := range values {
		below, ok := properties[name].(map[string]any)
		if !ok {
			t.Errorf("%s/%s is not in the schema", path, name)
			continue
		}
		if m, ok := value.(map[string]any); ok {
			compare(t, path+"/"+name, m, below)
		}
	}
}

// TestRights checks that the chart grants exactly the rights that the controller's sources declare.
func TestRights(t *testing.T) {
	content, err := os.ReadFile("../../../../config/rbac/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string][]rbacv1.PolicyRule{}
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		var role rbacv1.Role // or ClusterRole: the same fields
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		declared[strings.TrimSpace(role.Kind+" "+role.Namespace)] = role.Rules
	}
	all := objects(t, modes["NodePort"])
	role := find[*rbacv1.Role](t, all, release+"-controller")
	cluster := clusterRole(t, all)
	for kind, granted := range map[string][]rbacv1.PolicyRule{"Role release": role.Rules, "ClusterRole": cluster.Rules} {
		want, got := single(declared[kind], "proxy-"), single(granted, release+"-")
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s of the chart grants %v, the sources declare %v", kind, got, want)
		}
	}
	for _, o := range all {
		if b, ok := o.(*rbacv1.RoleBinding); ok {
			for _, s := range b.Subjects {
				if s.Name != release+"-controller" {
					t.Errorf("%s binds %s", b.Name, s.Name)
				}
			}
		}
	}
}

// clusterRole returns the only ClusterRole.
func clusterRole(t *testing.T, all []client.Object) *rbacv1.ClusterRole {
	t.Helper()
	i := slices.IndexFunc(all, func(o client.Object) bool { _, ok := o.(*rbacv1.ClusterRole); return ok })
	if i < 0 {
		t.Fatal("there is no ClusterRole")
	}
	return all[i].(*rbacv1.ClusterRole)
}

// TestReleaseNames checks release names that YAML could read as another type. It also checks that
// two releases never share a cluster-scoped object.
func TestReleaseNames(t *testing.T) {
	of := func(release, namespace string) []client.Object {
		t.Helper()
		text, err := helm(t, modes["NodePort"], "template", release, folder, "--namespace", namespace, "--values", "-")
		if err != nil {
			t.Fatal(err)
		}
		return decode(t, text)
	}
	all := of("on", "1e3")
	set := find[*appsv1.StatefulSet](t, all, "on-"+release)
	if set.Spec.Selector.MatchLabels["app.kubernetes.io/instance"] != "on" {
		t.Errorf("the selector is %v", set.Spec.Selector.MatchLabels)
	}
	for _, o := range all {
		if b, ok := o.(*rbacv1.ClusterRoleBinding); ok &&
			(b.Name != clusterRole(t, all).Name || b.RoleRef.Name != b.Name || b.Subjects[0].Namespace != "1e3") {
			t.Errorf("%s binds %s to %v", b.Name, b.RoleRef.Name, b.Subjects)
		}
	}
	one, other := clusterRole(t, of("prod-signstash-proxy", "team")), clusterRole(t, of("signstash-proxy", "team-prod"))
	if one.Name == other.Name {
		t.Errorf("two releases have ClusterRole %s", one.Name)
	}
	// The longest names: 63 characters for a namespace, 44 for a release.
	long := clusterRole(t, of(strings.Repeat("r", 53), strings.Repeat("n", 63)))
	if len(long.Name) > 253 || !strings.HasPrefix(long.Name, strings.Repeat("n", 63)+"-") {
		t.Errorf("ClusterRole %s has %d characters", long.Name, len(long.Name))
	}
}

// TestSamples checks that an API server accepts the objects rendered from every sample of values.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob("../../../../config/samples/values-*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("samples are %v, %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all := objects(t, string(content))
		c, namespace := server.Client(t), server.Namespace(t)
		for _, o := range all {
			o.SetNamespace(namespace)
			if err := c.Create(t.Context(), o, client.DryRunAll); err != nil {
				t.Errorf("%s: %s: %v", file, o.GetName(), err)
			}
		}
	}
}

// single splits rules into single rights: group, resource, verb and name. It removes the prefix of
// the release from names.
func single(rules []rbacv1.PolicyRule, prefix string) []string {
	var all []string
	for _, r := range rules {
		names := []string{"*"}
		if len(r.ResourceNames) > 0 {
			names = r.ResourceNames
		}
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					for _, name := range names {
						all = append(all, group+"/"+resource+" "+verb+" "+strings.TrimPrefix(name, prefix))
					}
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestTrialIsLoud checks that the notes of a trial clearly say that its signatures have no value,
// and what happens to an instance that is scaled down.
func TestTrialIsLoud(t *testing.T) {
	trial, remote := notes(t, modes["trial"]), notes(t, modes["remote service"])
	if !strings.Contains(trial, "NO value") || strings.Contains(remote, "NO value") {
		t.Errorf("notes of a trial:\n%s\nof a remote service:\n%s", trial, remote)
	}
	if !strings.Contains(remote, "When you scale down") || !strings.Contains(remote, "keeps the volumes") {
		t.Errorf("notes do not say what becomes of volumes:\n%s", remote)
	}
	const warning = "use neither helm rollback"
	scaled := notes(t, modes["everything else"])
	if !strings.Contains(scaled, warning) || strings.Contains(remote, warning) {
		t.Errorf("notes with an autoscaler:\n%s\nwithout:\n%s", scaled, remote)
	}
}

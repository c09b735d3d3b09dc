package chart_test

import (
	"fmt"
	"strings"
)

// effect is a value of the chart and the field of an object that it must set.
type effect struct {
	values string // YAML with keys of the top level, one per line
	object string // KIND/SUFFIX; the suffix follows the base name
	path   string // keys and indexes, separated by spaces; * is any index
	want   string // in JSON
}

const (
	pod        = "spec template spec "
	container  = "spec template spec containers 0 "
	controller = "Deployment/-controller"
)

// effects has each value at least once. TestEveryValue finds those that are missing.
var effects = []effect{
	{"replicas: 7", "StatefulSet/", "spec replicas", "7"},
	{"nameOverride: qes", "StatefulSet/", "metadata name", `"signstash-proxy-qes"`},
	{"fullnameOverride: short", "StatefulSet/", "metadata name", `"short"`},
	{"commonLabels: {team: a, on-call: true}", "Service/-headless", "metadata labels on-call", `"true"`},
	{"commonLabels: {team: a, cost: 7}", "StatefulSet/", "spec template metadata labels cost", `"7"`},
	{
		"commonLabels: {app.kubernetes.io/name: b}",
		"StatefulSet/", "metadata labels app.kubernetes.io/name", `"signstash-proxy"`,
	},
	{"commonAnnotations: {a/b: 1e6, c: false}", "Role/-controller", "metadata annotations a/b", `"1000000"`},
	{"commonAnnotations: {a/b: c}", "Job/-check-config", "metadata annotations a/b", `"c"`},
	{
		"global: {imageRegistry: mirror.example.org/hub}",
		"StatefulSet/", container + "image", `"mirror.example.org/hub/signstash-proxy:dev"`,
	},
	{
		"global: {imageRegistry: mirror:5000}\nimage: {repository: registry.example.org/a/b}", controller,
		container + "image", `"mirror:5000/a/b:dev"`,
	},
	{"global: {imagePullSecrets: [{name: a}, b]}", "StatefulSet/", pod + "imagePullSecrets 1 name", `"b"`},
	{"imagePullSecrets: [{name: 2024}, b]", controller, pod + "imagePullSecrets 0 name", `"2024"`},
	{
		"image: {pullSecrets: [7]}\nimagePullSecrets: [a, '7']",
		"StatefulSet/", pod + "imagePullSecrets", `[{"name":"a"},{"name":"7"}]`,
	},
	{"image: {repository: example.org/proxy}", "StatefulSet/", container + "image", `"example.org/proxy:dev"`},
	{"image: {tag: 20241}", "StatefulSet/", container + "image", `"signstash-proxy:20241"`},
	{
		"image: {digest: 'sha256:" + zeros + "'}", "StatefulSet/",
		container + "image", `"signstash-proxy@sha256:` + zeros + `"`,
	},
	{"image: {pullPolicy: Always}", "Job/-check-config", container + "imagePullPolicy", `"Always"`},
	{
		"endpoint: {mode: HostTemplate, hostTemplate: 's-{ordinal}.example.org', portTemplate: 443}", controller,
		container + "args *", `"--port-template=443"`,
	},
	{
		"endpoint: {mode: NodePort, nodePortBase: 31000}",
		controller, container + "args *", `"--node-port-base=31000"`,
	},
	{
		"endpoint: {mode: LoadBalancer, serviceAnnotations: {a: true, b: 'x-{ordinal}'}}", controller,
		container + "args *", `"--service-annotations={\"a\":\"true\",\"b\":\"x-{ordinal}\"}"`,
	},
	{
		"endpoint: {mode: LoadBalancer, loadBalancerClass: a/b}",
		controller, container + "args *", `"--load-balancer-class=a/b"`,
	},
	{
		"endpoint: {clusterDomain: k.example.org}",
		controller, container + "args *", `"--cluster-domain=k.example.org"`,
	},
	{"forward: redirect", "StatefulSet/", container + "args *", `"--affinity.forward=redirect"`},
	{"provider: {domain: 'https://a.example.org:8443/'}", "NetworkPolicy/", "spec egress 2 ports * port", "8443"},
	{"config: {log.level: debug}", "ConfigMap/-config", "metadata name", `"signstash-proxy-config"`},
	{"secrets: [2024, a.b]", "StatefulSet/", pod + "volumes * secret secretName", `"2024"`},
	{"extraArgs: ['--log.level=debug']", "StatefulSet/", container + "args *", `"--log.level=debug"`},
	{
		"extraEnv: [{name: A, value: 4318}, {name: B, value: true}]",
		"StatefulSet/", container + "env * value", `"4318"`,
	},
	{
		"extraVolumes: [{name: e, emptyDir: {}}]\nextraVolumeMounts: [{name: e, mountPath: /e}]",
		"StatefulSet/", pod + "volumes * name", `"e"`,
	},
	{
		"extraContainers: [{name: a, image: b}]",
		"StatefulSet/", pod + "containers 1 securityContext allowPrivilegeEscalation", "false",
	},
	{
		"extraContainers: [{name: a, image: b, securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}]", "StatefulSet/",
		pod + "containers 1 securityContext capabilities", `{"add":["NET_BIND_SERVICE"],"drop":["ALL"]}`,
	},
	{"initContainers: [{name: a, image: b}]", "StatefulSet/", pod + "initContainers 0 name", `"a"`},
	{
		"initContainers: [{name: a, image: b, restartPolicy: Always}]\nconfigCheck: {mode: InitContainer}", "StatefulSet/",
		pod + "initContainers 1 name", `"check-config"`,
	},
	{"lifecycle: {preStop: {sleep: {seconds: 7}}}", "StatefulSet/", pod + "terminationGracePeriodSeconds", "347"},
	{"startupProbe: {failureThreshold: 400}", "StatefulSet/", container + "startupProbe failureThreshold", "400"},
	{
		"livenessProbe: {initialDelaySeconds: 9}",
		"StatefulSet/", container + "livenessProbe initialDelaySeconds", "9",
	},
	{"livenessProbe: {timeoutSeconds: 9}", "StatefulSet/", container + "livenessProbe httpGet path", `"/healthz"`},
	{"readinessProbe: {periodSeconds: 9}", "StatefulSet/", container + "readinessProbe periodSeconds", "9"},
	{
		"extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-x'}}]",
		"ConfigMap/-x", "kind", `"ConfigMap"`,
	},
	{
		"extraObjects: ['{apiVersion: v1, kind: ConfigMap, metadata: {name: {{ include \"signstash-proxy.name\" . }}-x}}']",
		"ConfigMap/-x", "kind", `"ConfigMap"`,
	},
	{"configCheck: {mode: None}", "StatefulSet/", pod + "initContainers", "null"},
	{"tls: {secretName: 2024, caKey: 7}", "Pod/-test", "spec volumes * secret secretName", `"2024"`},
	{"tls: {secretName: a, transition: true}", "StatefulSet/", pod + "volumes * secret secretName", `"a"`},
	{"service: {type: NodePort, nodePort: 30077}", "Service/", "spec ports 0 nodePort", "30077"},
	{"service: {port: 80}", "Service/", "spec ports 0 port", "80"},
	{"service: {labels: {a: 1}}", "Service/", "metadata labels a", `"1"`},
	{"service: {annotations: {a: true}}", "Service/", "metadata annotations a", `"true"`},
	{
		"service: {ipFamilyPolicy: PreferDualStack}",
		"Service/-headless", "spec ipFamilyPolicy", `"PreferDualStack"`,
	},
	{"service: {ipFamilies: [IPv4]}", "Service/", "spec ipFamilies", `["IPv4"]`},
	{"service: {trafficDistribution: PreferSameZone}", "Service/", "spec trafficDistribution", `"PreferSameZone"`},
	{
		"service: {type: LoadBalancer, externalTrafficPolicy: Local}",
		"Service/", "spec externalTrafficPolicy", `"Local"`,
	},
	{"service: {type: LoadBalancer, loadBalancerClass: a/b}", "Service/", "spec loadBalancerClass", `"a/b"`},
	{
		"service: {type: LoadBalancer, loadBalancerSourceRanges: [192.0.2.0/24]}", "Service/",
		"spec loadBalancerSourceRanges", `["192.0.2.0/24"]`,
	},
	{"persistence: {size: 1Ti}", "StatefulSet/", claim + "spec resources requests storage", `"1Ti"`},
	{
		"persistence: {size: 20000000000}",
		"StatefulSet/", claim + "spec resources requests storage", `"20000000000"`,
	},
	{"persistence: {storageClass: fast}", "StatefulSet/", claim + "spec storageClassName", `"fast"`},
	{"persistence: {storageClass: '-'}", "StatefulSet/", claim + "spec storageClassName", `""`},
	{"persistence: {storageClass: 7}", "StatefulSet/", claim + "spec storageClassName", `"7"`},
	{
		"persistence: {accessMode: ReadWriteOncePod}",
		"StatefulSet/", claim + "spec accessModes", `["ReadWriteOncePod"]`,
	},
	{
		"persistence: {whenDeleted: Delete}",
		"StatefulSet/", "spec persistentVolumeClaimRetentionPolicy whenDeleted", `"Delete"`,
	},
	{
		"persistence: {whenScaled: Delete}",
		"StatefulSet/", "spec persistentVolumeClaimRetentionPolicy whenScaled", `"Delete"`,
	},
	{"persistence: {labels: {a: 7}}", "StatefulSet/", claim + "metadata labels a", `"7"`},
	{"persistence: {annotations: {a: true}}", "StatefulSet/", claim + "metadata annotations a", `"true"`},
	{
		"persistence: {selector: {matchLabels: {a: b}}}",
		"StatefulSet/", claim + "spec selector matchLabels a", `"b"`,
	},
	{
		"replicas: 1\npersistence: {dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: s}}",
		"StatefulSet/", claim + "spec dataSource kind", `"VolumeSnapshot"`,
	},
	{"resources: {limits: {memory: 1Gi, cpu: 2}}", "StatefulSet/", container + "resources limits memory", `"1Gi"`},
	{
		"hotFolder: {enabled: true, existingClaim: 7}",
		"StatefulSet/", pod + "volumes * persistentVolumeClaim claimName", `"7"`,
	},
	{
		"hotFolder: {enabled: true, maxWait: 1m, threshold: 1000000, cron: '0 0 * * * ?', trigger: immediate, " +
			"supplementalGroups: [7], bucket: {kind: s3, endpoint: 'https://s:9000', region: a, pathStyle: true, " +
			"credentialsSecret: 7, credentialsKey: k}}",
		"StatefulSet/", container + "args *",
		`"--einvoice-integration-client.hot.folder.documents.processing.threshold=1000000"`,
	},
	{"serviceAccount: {annotations: {a: 7}}", "ServiceAccount/", "metadata annotations a", `"7"`},
	{"serviceAccount: {name: other}", "StatefulSet/", pod + "serviceAccountName", `"other"`},
	{"serviceAccount: {create: false, name: 2024}", "StatefulSet/", pod + "serviceAccountName", `"2024"`},
	{"shutdown: {delaySeconds: 1, graceSeconds: 2}", "StatefulSet/", pod + "terminationGracePeriodSeconds", "309"},
	{"drain: {lingerSeconds: 0}", "StatefulSet/", pod + "terminationGracePeriodSeconds", "40"},
	{"podAnnotations: {a: 7}", "StatefulSet/", "spec template metadata annotations a", `"7"`},
	{"podLabels: {a: true}", "StatefulSet/", "spec template metadata labels a", `"true"`},
	{
		"affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, " +
			"podAffinityTerm: {topologyKey: a}}]}}",
		"StatefulSet/", pod + "affinity podAntiAffinity preferredDuringSchedulingIgnoredDuringExecution 0 weight", "1",
	},
	{
		"topologySpreadConstraints: [{maxSkew: 2, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}]", "StatefulSet/",
		pod + "topologySpreadConstraints 0 labelSelector matchLabels app.kubernetes.io/component", `"proxy"`,
	},
	{
		"podSecurity: {runAsUser: 1000, runAsGroup: 1001, fsGroup: 1002}",
		controller, pod + "securityContext fsGroup", "1002",
	},
	{"nodeSelector: {a: true}", controller, pod + "nodeSelector a", `"true"`},
	{"tolerations: [{key: a, operator: Exists}]", controller, pod + "tolerations 0 key", `"a"`},
	{
		"hostAliases: [{ip: 192.0.2.1, hostnames: [a.example.org]}]",
		"StatefulSet/", pod + "hostAliases 0 ip", `"192.0.2.1"`,
	},
	{
		"dnsPolicy: None\ndnsConfig: {nameservers: [192.0.2.1], options: [{name: ndots, value: '2'}]}", "StatefulSet/",
		pod + "dnsConfig options 0 name", `"ndots"`,
	},
	{"runtimeClassName: 7", "StatefulSet/", pod + "runtimeClassName", `"7"`},
	{"schedulerName: 7", "StatefulSet/", pod + "schedulerName", `"7"`},
	{"hostUsers: false", "StatefulSet/", pod + "hostUsers", "false"},
	{"revisionHistoryLimit: 0", controller, "spec revisionHistoryLimit", "0"},
	{"revisionHistoryLimit: 3", "StatefulSet/", "spec revisionHistoryLimit", "3"},
	{"priorityClassName: 7", "StatefulSet/", pod + "priorityClassName", `"7"`},
	{"topologySpread: {enabled: false}", controller, pod + "topologySpreadConstraints", "null"},
	{
		"topologySpread: {topologyKey: rack, maxSkew: 2, whenUnsatisfiable: DoNotSchedule}", controller,
		pod + "topologySpreadConstraints 0 whenUnsatisfiable", `"DoNotSchedule"`,
	},
	{
		"topologySpread: {zone: {topologyKey: region, maxSkew: 3, whenUnsatisfiable: DoNotSchedule}}", "StatefulSet/",
		pod + "topologySpreadConstraints 1 maxSkew", "3",
	},
	{"topologySpread: {zone: {topologyKey: ''}}", "StatefulSet/", pod + "topologySpreadConstraints 1", "null"},
	{"podDisruptionBudget: {maxUnavailable: 25%}", "PodDisruptionBudget/", "spec maxUnavailable", `"25%"`},
	{"podDisruptionBudget: {enabled: false}", "PodDisruptionBudget/-controller", "spec maxUnavailable", "1"},
	{"autoscaling: {enabled: true, maxReplicas: 9}", "HorizontalPodAutoscaler/", "spec maxReplicas", "9"},
	{
		"autoscaling: {enabled: true, targetCPUPercent: 50, scaleDown: true}", "HorizontalPodAutoscaler/",
		"spec metrics 0 resource target averageUtilization", "50",
	},
	{
		"networkPolicy: {managementFrom: [{namespaceSelector: {}}]}",
		"NetworkPolicy/", "spec ingress 1 ports 0 port", `"management"`,
	},
	{
		"networkPolicy: {from: [{podSelector: {}}]}",
		"NetworkPolicy/", "spec ingress 0 from 0", `{"podSelector":{}}`,
	},
	{"networkPolicy: {egressPorts: [4318]}", "NetworkPolicy/", "spec egress 2 ports 0 port", "4318"},
	{"networkPolicy: {apiServerPorts: [6443]}", "NetworkPolicy/-controller", "spec egress 1 ports 0 port", "6443"},
	{
		"autoscaling: {enabled: true, targetCPUPercent: 0, targetQueuedDocuments: 50}", "HorizontalPodAutoscaler/",
		"spec metrics * pods target averageValue", `"50"`,
	},
	{
		"autoscaling: {enabled: true, metrics: [{type: Resource, resource: {name: memory, " +
			"target: {type: Utilization, averageUtilization: 80}}}]}", "HorizontalPodAutoscaler/",
		"spec metrics * resource name", `"memory"`,
	},
	{
		"autoscaling: {enabled: true, targetQueuedDocuments: 50, keda: {enabled: true, serverAddress: 'http://p:9090', " +
			"query: 'sum(a)', pollingInterval: 9, authenticationRef: {name: p}, triggers: [{type: cron, metadata: {}}]}}",
		"ScaledObject/", "spec pollingInterval", "9",
	},
	{"networkPolicy: {enabled: false}", "StatefulSet/", "kind", `"StatefulSet"`},
	{"serviceMonitor: {enabled: true, labels: {a: 7}}", "ServiceMonitor/", "metadata labels a", `"7"`},
	{
		"serviceMonitor: {enabled: true, interval: 1m}",
		"PodMonitor/", "spec podMetricsEndpoints 0 interval", `"1m"`,
	},
	{
		"serviceMonitor: {enabled: true, scrapeTimeout: 5s}",
		"ServiceMonitor/", "spec endpoints 0 scrapeTimeout", `"5s"`,
	},
	{
		"serviceMonitor: {enabled: true, relabelings: [{action: labeldrop, regex: pod}]}", "PodMonitor/",
		"spec podMetricsEndpoints 0 relabelings 0 action", `"labeldrop"`,
	},
	{
		"serviceMonitor: {enabled: true, metricRelabelings: [{sourceLabels: [__name__], regex: 'go_.*', action: drop}]}",
		"ServiceMonitor/", "spec endpoints 0 metricRelabelings 0 sourceLabels", `["__name__"]`,
	},
	{"alerts: {enabled: true, labels: {a: 7}}", "PrometheusRule/", "metadata labels a", `"7"`},
	{
		"dashboard: {enabled: true, labels: {grafana_dashboard: true}}",
		"ConfigMap/-dashboard", "metadata labels grafana_dashboard", `"true"`,
	},
	{"controller: {replicas: 3}", controller, "spec replicas", "3"},
	{
		"controller: {resources: {limits: {memory: 1Gi}}}",
		controller, container + "resources limits memory", `"1Gi"`,
	},
	{"controller: {extraArgs: ['--log.level=debug']}", controller, container + "args *", `"--log.level=debug"`},
	{
		"controller: {serviceAccount: {name: c, annotations: {a: 7}}}",
		"RoleBinding/-controller", "subjects 0 name", `"c"`,
	},
	{"controller: {serviceAccount: {create: false, name: 7}}", controller, pod + "serviceAccountName", `"7"`},
	{"controller: {podLabels: {a: 7}}", controller, "spec template metadata labels a", `"7"`},
	{"controller: {podAnnotations: {a: true}}", controller, "spec template metadata annotations a", `"true"`},
	{"controller: {affinity: {podAntiAffinity: {}}}", controller, pod + "affinity podAntiAffinity", "{}"},
	{"nodeSelector: {a: b}\ncontroller: {nodeSelector: {c: 7}}", controller, pod + "nodeSelector", `{"c":"7"}`},
	{"controller: {tolerations: [{key: a, operator: Exists}]}", "StatefulSet/", pod + "tolerations", "null"},
	{
		"controller: {priorityClassName: system-cluster-critical}",
		controller, pod + "priorityClassName", `"system-cluster-critical"`,
	},
	{
		"controller: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: DoNotSchedule, " +
			"labelSelector: {matchLabels: {a: b}}}]}", controller, pod + "topologySpreadConstraints 0 labelSelector matchLabels",
		`{"a":"b"}`,
	},
	{
		"controller: {livenessProbe: {failureThreshold: 9}}",
		controller, container + "livenessProbe failureThreshold", "9",
	},
	{
		"controller: {readinessProbe: {timeoutSeconds: 9}}",
		controller, container + "readinessProbe timeoutSeconds", "9",
	},
	{
		"controller: {podDisruptionBudget: {maxUnavailable: 50%}}",
		"PodDisruptionBudget/-controller", "spec maxUnavailable", `"50%"`,
	},
	{"controller: {podDisruptionBudget: {enabled: false}}", "PodDisruptionBudget/", "spec maxUnavailable", "1"},
	{
		"trial: {enabled: true, latency: 100ms, image: {repository: r, tag: 7}}", "Deployment/-trial",
		container + "image", `"r:7"`,
	},
	{
		"trial: {enabled: true, image: {digest: 'sha256:" + zeros + "'}}", "Deployment/-trial",
		container + "image", `"signstash-trial@sha256:` + zeros + `"`,
	},
	{
		"test: {clientSecretName: 2024}",
		"Pod/-test", "spec containers 0 env * valueFrom secretKeyRef name", `"2024"`,
	},
}

const claim = "spec volumeClaimTemplates 0 "

// zeros are the digits of a digest.
var zeros = strings.Repeat("0", 64)

// names are releases, namespaces and values whose names YAML or Kubernetes could misread. base is
// the base name of the objects.
var names = []struct{ release, namespace, values, base string }{
	{"2024", "1234", "", "r-2024-signstash-proxy"},
	{"1e3", "1e6", "", "r-1e3-signstash-proxy"},
	{"0x1f", "0x1f", "", "r-0x1f-signstash-proxy"},
	{"on", "off", "", "on-signstash-proxy"},
	{"true", "null", "", "true-signstash-proxy"},
	{"null", "true", "fullnameOverride: 'on'", "on"},
	{"a", "yes", "fullnameOverride: 'null'", "null"},
	{"a", "no", "fullnameOverride: 'true'", "true"},
	{"my.release", "a", "", "my-release-signstash-proxy"},
	{"1.2.3", "007", "", "r-1-2-3-signstash-proxy"},
	{"signstash-proxy", "5", "", "signstash-proxy"},
	{"7signstash-proxy", "6", "", "r-7signstash-proxy"},
	{"a", "a", "nameOverride: 42", "a-42"},
	{"42", "42", "nameOverride: 42", "r-42"},
	{"a", "1", "nameOverride: '0x1'", "a-0x1"},
	{strings.Repeat("r", 53), strings.Repeat("n", 63), "", strings.Repeat("r", 44)},
	{strings.Repeat("1", 53), strings.Repeat("1", 63), "", "r-" + strings.Repeat("1", 42)},
	{strings.Repeat("r", 43) + "-x", "a", "", strings.Repeat("r", 43)},
	{strings.Repeat("r", 43) + ".x", "a", "", strings.Repeat("r", 43)},
	{"a", "a", "fullnameOverride: " + strings.Repeat("f", 44), strings.Repeat("f", 44)},
}

// dimensions are combined with each other: every endpoint mode with every kind of Service and every
// check of the configuration. TLS and one of the others are added to each combination in turn.
var dimensions = struct{ endpoint, service, check, tls, others []string }{
	endpoint: []string{
		"endpoint: {mode: PodDNS}",
		"endpoint: {mode: NodePort, nodePortBase: 31000}",
		"endpoint: {mode: LoadBalancer, loadBalancerClass: a/b, serviceAnnotations: {a: 1}}",
		"endpoint: {mode: HostTemplate, hostTemplate: 'a-{ordinal}.example.org', portTemplate: '9000+{ordinal}'}",
	},
	service: []string{
		"service: {}",
		"service: {type: NodePort, nodePort: 30080, trafficDistribution: PreferClose}",
		"service: {type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerSourceRanges: [192.0.2.0/24]}",
	},
	check: []string{"configCheck: {mode: Hook}", "configCheck: {mode: InitContainer}", "configCheck: {mode: None}"},
	tls:   []string{"tls: {}", "tls: {secretName: 2024}", "tls: {secretName: a, transition: true, caKey: ''}"},
	others: []string{
		"replicas: 1", "autoscaling: {enabled: true}", "networkPolicy: {enabled: false}",
		"hotFolder: {enabled: true, existingClaim: hot}", "hotFolder: {enabled: true, bucket: {kind: gs}}",
		"commonLabels: {a: 1}", "commonAnnotations: {a: true}", "resources: {}",
		"serviceMonitor: {enabled: true}", "podSecurity: {runAsUser: null, runAsGroup: null, fsGroup: null}",
		"extraContainers: [{name: a, image: b}]",
	},
}

// combinations returns the values of all combinations.
func combinations() (all []string) {
	d := dimensions
	for range 2 {
		for _, endpoint := range d.endpoint {
			for _, service := range d.service {
				for _, check := range d.check {
					tls, other := d.tls[len(all)/3%len(d.tls)], d.others[len(all)%len(d.others)]
					all = append(all, fmt.Sprintf("%s\n%s\n%s\n%s\n%s", endpoint, service, check, tls, other))
				}
			}
		}
	}
	return all
}

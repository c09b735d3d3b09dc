{{/* Refuses combinations of values that must not be installed. */}}
{{- define "signstash-proxy.check" -}}
{{- include "signstash-proxy.refuse" . -}}
{{- include "signstash-proxy.checkNames" . -}}
{{- include "signstash-proxy.checkProvider" . -}}
{{- include "signstash-proxy.checkEndpoint" . -}}
{{- include "signstash-proxy.checkService" . -}}
{{- include "signstash-proxy.checkFront" . -}}
{{- include "signstash-proxy.checkPods" . -}}
{{- include "signstash-proxy.checkAutoscaling" . -}}
{{- include "signstash-proxy.checkHotFolder" . -}}
{{- include "signstash-proxy.checkAccounts" . -}}
{{- include "signstash-proxy.checkVolumes" . -}}
{{- end }}

{{/* Refuses names that no Service can have, and a new name for a running release. */}}
{{- define "signstash-proxy.checkNames" -}}
{{- $name := include "signstash-proxy.name" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,42}[a-z0-9])?$" $name) -}}
{{- fail (printf "fullnameOverride %q is not a name that a Service can have: use at most 44 lower-case letters, digits and dashes, with a letter first and a letter or digit last" $name) -}}
{{- end -}}
{{- if or .Values.nameOverride .Values.fullnameOverride -}}
{{- $before := include "signstash-proxy.defaultName" (list . .Chart.Name) -}}
{{- with lookup "apps/v1" "StatefulSet" .Release.Namespace $before -}}
{{- if and (ne $before $name) (eq (dig "metadata" "annotations" "meta.helm.sh/release-name" "" .) $.Release.Name) -}}
{{- fail (printf "nameOverride and fullnameOverride cannot change in a running release: the instances of %s would start again as %s with empty volumes. Remove both values, or install a second release" $before $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Refuses a proxy that cannot sign. */}}
{{- define "signstash-proxy.checkProvider" -}}
{{- if not (or .Values.provider.domain .Values.config.providers .Values.trial.enabled) -}}
{{- fail "no signing service is configured: set provider.domain or config.providers, or try the chart with trial.enabled=true, a simulated service whose signatures have no value" -}}
{{- end -}}
{{- if and .Values.tls.transition (not .Values.tls.secretName) -}}
{{- fail "tls.transition needs tls.secretName: without a certificate there is no TLS to change to or from" -}}
{{- end -}}
{{- end }}

{{/* Refuses values of endpoint that do not belong to the mode. */}}
{{- define "signstash-proxy.checkEndpoint" -}}
{{- $count := include "signstash-proxy.maxReplicas" . | int -}}
{{- with .Values.endpoint -}}
{{- $port := include "signstash-proxy.text" .portTemplate -}}
{{- $templated := has .mode (list "HostTemplate" "Gateway" "Ingress") -}}
{{- if and $templated (not (and .hostTemplate $port)) -}}
{{- fail (printf "endpoint.mode %s needs endpoint.hostTemplate and endpoint.portTemplate" .mode) -}}
{{- end -}}
{{- if and (not $templated) (or .hostTemplate $port) -}}
{{- fail "endpoint.hostTemplate and endpoint.portTemplate need endpoint.mode HostTemplate, Gateway or Ingress" -}}
{{- end -}}
{{- include "signstash-proxy.checkRoutes" . -}}
{{- if $port -}}
{{- $last := add (trimSuffix "+{ordinal}" $port | int) (ternary (sub $count 1) 0 (hasSuffix "+{ordinal}" $port)) -}}
{{- if gt $last 65535 }}{{ fail (printf "endpoint.portTemplate gives port %d for the last instance, which is larger than 65535" $last) }}{{ end -}}
{{- end -}}
{{- if and .loadBalancerClass (ne .mode "LoadBalancer") }}{{ fail "endpoint.loadBalancerClass needs endpoint.mode LoadBalancer" }}{{ end -}}
{{- if and .serviceAnnotations (eq .mode "PodDNS") }}{{ fail "endpoint.serviceAnnotations: instances have no Services of their own in endpoint.mode PodDNS" }}{{ end -}}
{{- if .nodePortBase -}}
{{- if ne .mode "NodePort" }}{{ fail "endpoint.nodePortBase needs endpoint.mode NodePort" }}{{ end -}}
{{- $last := add .nodePortBase $count -1 -}}
{{- if gt $last 65535 }}{{ fail (printf "endpoint.nodePortBase gives node port %d for the last instance, which is larger than 65535" $last) }}{{ end -}}
{{- $front := int $.Values.service.nodePort -}}
{{- if and (ge $front (int .nodePortBase)) (le $front (int $last)) }}{{ fail (printf "service.nodePort %d is the node port of an instance: endpoint.nodePortBase takes %d to %d" $front (int .nodePortBase) $last) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Refuses values of the routes of instances that do not belong to the mode. Takes endpoint. */}}
{{- define "signstash-proxy.checkRoutes" -}}
{{- $routed := has .mode (list "Gateway" "Ingress") -}}
{{- if and $routed (not (or (contains "{ordinal}" .hostTemplate) (contains "{pod}" .hostTemplate))) -}}
{{- fail (printf "endpoint.hostTemplate: endpoint.mode %s needs a host for each instance, so it must contain {ordinal} or {pod}" .mode) -}}
{{- end -}}
{{- if and .routeAnnotations (not $routed) }}{{ fail "endpoint.routeAnnotations need endpoint.mode Gateway or Ingress" }}{{ end -}}
{{- if and (eq .mode "Gateway") (not .gateway.parentRefs) }}{{ fail "endpoint.mode Gateway needs endpoint.gateway.parentRefs: the Gateway that the routes attach to" }}{{ end -}}
{{- if and (ne .mode "Gateway") (or .gateway.parentRefs .gateway.routeKind) }}{{ fail "endpoint.gateway needs endpoint.mode Gateway" }}{{ end -}}
{{- if and (ne .mode "Ingress") (or .ingress.className .ingress.tlsSecretTemplate) }}{{ fail "endpoint.ingress needs endpoint.mode Ingress" }}{{ end -}}
{{- end }}

{{/* Refuses a front route without what it needs. */}}
{{- define "signstash-proxy.checkFront" -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}{{ fail "httpRoute.enabled needs httpRoute.parentRefs: the Gateway that the HTTPRoute attaches to" }}{{ end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}{{ fail "ingress.enabled needs ingress.hosts" }}{{ end -}}
{{- end }}

{{/* Refuses values of service that do not belong to its type. */}}
{{- define "signstash-proxy.checkService" -}}
{{- with .Values.service -}}
{{- if and (or .loadBalancerClass .loadBalancerSourceRanges) (ne .type "LoadBalancer") }}{{ fail "service.loadBalancerClass and service.loadBalancerSourceRanges need service.type LoadBalancer" }}{{ end -}}
{{- if and .externalTrafficPolicy (eq .type "ClusterIP") }}{{ fail "service.externalTrafficPolicy needs service.type NodePort or LoadBalancer" }}{{ end -}}
{{- if and .nodePort (eq .type "ClusterIP") }}{{ fail "service.nodePort needs service.type NodePort or LoadBalancer" }}{{ end -}}
{{- if and (eq (len .ipFamilies) 2) (not (has .ipFamilyPolicy (list "PreferDualStack" "RequireDualStack"))) }}{{ fail "service.ipFamilies names two families, which needs service.ipFamilyPolicy PreferDualStack or RequireDualStack" }}{{ end -}}
{{- end -}}
{{- end }}

{{/* Refuses additions to the pods that collide with what the chart sets. */}}
{{- define "signstash-proxy.checkPods" -}}
{{- if and (eq .Values.dnsPolicy "None") (not (.Values.dnsConfig | default dict).nameservers) }}{{ fail "dnsPolicy None needs dnsConfig.nameservers" }}{{ end -}}
{{- range $value := list "extraContainers" "initContainers" -}}
{{- range get $.Values $value -}}
{{- if has .name (list "proxy" "check-config") }}{{ fail (printf "%s: the chart has a container named %s" $value .name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraVolumes -}}
{{- if has .name (list "state" "tmp" "hot" "clients" "peers" "endpoint" "config" "tls" "trial" "bucket") }}{{ fail (printf "extraVolumes: the chart has a volume named %s" .name) }}{{ end -}}
{{- end -}}
{{- end }}

{{/* Refuses an autoscaler that cannot work. */}}
{{- define "signstash-proxy.checkAutoscaling" -}}
{{- if .Values.autoscaling.enabled -}}
{{- $scaling := .Values.autoscaling -}}
{{- $resources := .Values.resources | default dict -}}
{{- if and $scaling.targetCPUPercent (not (or (dig "requests" "cpu" "" $resources) (dig "limits" "cpu" "" $resources))) -}}
{{- fail "autoscaling.targetCPUPercent needs resources.requests.cpu, because it is a percentage of it" -}}
{{- end -}}
{{- if $scaling.keda.enabled -}}
{{- if and $scaling.targetQueuedDocuments (not $scaling.keda.serverAddress) }}{{ fail "autoscaling.targetQueuedDocuments needs autoscaling.keda.serverAddress, the URL of the Prometheus server" }}{{ end -}}
{{- if $scaling.metrics }}{{ fail "autoscaling.metrics is for a HorizontalPodAutoscaler; set autoscaling.keda.triggers" }}{{ end -}}
{{- else if $scaling.keda.triggers }}{{ fail "autoscaling.keda.triggers needs autoscaling.keda.enabled" }}{{ end -}}
{{- if not (or $scaling.targetCPUPercent $scaling.targetQueuedDocuments $scaling.metrics $scaling.keda.triggers) -}}
{{- fail "autoscaling needs a target: set autoscaling.targetCPUPercent or autoscaling.targetQueuedDocuments" -}}
{{- end -}}
{{- if lt (int .Values.autoscaling.maxReplicas) (int .Values.replicas) }}{{ fail "autoscaling.maxReplicas is less than replicas" }}{{ end -}}
{{- end -}}
{{- end }}

{{/* Refuses service accounts that do not exist, or that give the instances the rights of the controller. */}}
{{- define "signstash-proxy.checkAccounts" -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) }}{{ fail "serviceAccount.create=false needs serviceAccount.name, an account that exists" }}{{ end -}}
{{- with .Values.controller.serviceAccount -}}
{{- if not (or .create .name) }}{{ fail "controller.serviceAccount.create=false needs controller.serviceAccount.name, an account that exists" }}{{ end -}}
{{- end -}}
{{- if eq (include "signstash-proxy.serviceAccount" .) (include "signstash-proxy.controllerServiceAccount" .) -}}
{{- fail "serviceAccount.name and controller.serviceAccount.name are the same: the instances would get the rights of the controller" -}}
{{- end -}}
{{- end }}

{{/* Refuses combinations of the values of the hot folder that cannot work. */}}
{{- define "signstash-proxy.checkHotFolder" -}}
{{- with .Values.hotFolder -}}
{{- $claim := include "signstash-proxy.text" .existingClaim -}}
{{- if and (not .enabled) $claim }}{{ fail "hotFolder.existingClaim needs hotFolder.enabled" }}{{ end -}}
{{- if and (not .enabled) .bucket.kind }}{{ fail "hotFolder.bucket.kind needs hotFolder.enabled" }}{{ end -}}
{{- if and .enabled (not $claim) (not .bucket.kind) -}}
{{- fail "hotFolder.enabled needs a place for the folders: set hotFolder.existingClaim, or hotFolder.bucket.kind if they are in buckets" -}}
{{- end -}}
{{- with .bucket -}}
{{- if and (not .kind) (or .endpoint .region .pathStyle .credentialsSecret) }}{{ fail "hotFolder.bucket: endpoint, region, pathStyle and credentialsSecret need hotFolder.bucket.kind" }}{{ end -}}
{{- if and (or .region .pathStyle) (ne .kind "s3") }}{{ fail "hotFolder.bucket: region and pathStyle are for hotFolder.bucket.kind s3" }}{{ end -}}
{{- if and .pathStyle (not .endpoint) }}{{ fail "hotFolder.bucket.pathStyle needs hotFolder.bucket.endpoint, because the public endpoints need no path style" }}{{ end -}}
{{- end -}}
{{- if and $claim (eq $claim (printf "state-%s-0" (include "signstash-proxy.name" $))) -}}
{{- fail "hotFolder.existingClaim is the state volume of an instance; all instances need a volume of their own for the hot folders" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Refuses values of persistence that the API server would refuse during the upgrade, and says what to do. */}}
{{- define "signstash-proxy.checkVolumes" -}}
{{- $name := include "signstash-proxy.name" . -}}
{{- $source := .Values.persistence.dataSource | default dict -}}
{{- if and $source (has $source.kind (list "PersistentVolumeClaim" "VolumeSnapshot")) (gt (include "signstash-proxy.maxReplicas" . | int) 1) -}}
{{- fail (printf "persistence.dataSource would give every instance a copy of the same state: create the claims state-%s-0 and so on from a snapshot each, before the installation" $name) -}}
{{- end -}}
{{- $next := include "signstash-proxy.claim" . | fromYaml -}}
{{- range (dig "spec" "volumeClaimTemplates" list (lookup "apps/v1" "StatefulSet" .Release.Namespace $name)) -}}
{{- $orphan := printf "kubectl -n %s delete statefulset %s --cascade=orphan" $.Release.Namespace $name -}}
{{- $before := include "signstash-proxy.quantity" .spec.resources.requests.storage | float64 -}}
{{- $after := include "signstash-proxy.quantity" $next.spec.resources.requests.storage | float64 -}}
{{- $change := printf "%s to %s" .spec.resources.requests.storage $next.spec.resources.requests.storage -}}
{{- if lt $after $before }}{{ fail (printf "persistence.size cannot change from %s, because volumes cannot shrink" $change) }}{{ end -}}
{{- if gt $after $before -}}
{{- $patch := printf `{"spec":{"resources":{"requests":{"storage":"%s"}}}}` $next.spec.resources.requests.storage -}}
{{- $grow := printf "for i in $(seq 0 %d); do kubectl -n %s patch pvc state-%s-$i -p '%s'; done" (sub (include "signstash-proxy.replicas" $ | int) 1) $.Release.Namespace $name $patch -}}
{{- fail (printf "persistence.size cannot change from %s by an upgrade alone, because the claim template of a StatefulSet cannot change. Run this, and then the same upgrade again; the instances continue meanwhile: %s; %s" $change $grow $orphan) -}}
{{- end -}}
{{- $was := dict "accessMode" .spec.accessModes "storageClass" .spec.storageClassName "selector" .spec.selector "dataSource" .spec.dataSource "labels" .metadata.labels "annotations" .metadata.annotations -}}
{{- $is := dict "accessMode" $next.spec.accessModes "storageClass" $next.spec.storageClassName "selector" $next.spec.selector "dataSource" $next.spec.dataSource "labels" $next.metadata.labels "annotations" $next.metadata.annotations -}}
{{- range $key, $value := $is -}}
{{- if ne (toJson $value) (get $was $key | toJson) -}}
{{- fail (printf "persistence.%s cannot change in a running release, because the claim template of a StatefulSet cannot change. Keep the former value, or run this, and then the same upgrade again; it is for new volumes, and the others stay as they are: %s" $key $orphan) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

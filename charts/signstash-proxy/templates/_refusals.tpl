{{/* Settings of the proxy that the chart sets or relies on, as YAML: the name and what to do instead. */}}
{{- define "signstash-proxy.ownSettings" -}}
client.services.config: the controller writes this file; create Secrets of type signstash.io/client-service
token.signing.key: the controller makes this key, and all instances share it
affinity.endpoint.file: the controller writes this file; set endpoint.mode
affinity.peers.file: the controller writes this file
affinity.peers.ca-file: set tls.secretName and tls.caKey
affinity.forward: set forward
state.folder: the volume of the instance is mounted there
shutdown.delay: set shutdown.delaySeconds, which the pod's grace period follows
shutdown.grace: set shutdown.graceSeconds, which the pod's grace period follows
drain.linger: set drain.lingerSeconds, which the pod's grace period follows
server.address: Services and probes must reach the port
server.port: Services, probes and network policies use port 8080; set service.port for the Service
server.host.port: every instance has its own address; set endpoint.mode
server.ssl.certificate: set tls.secretName
server.ssl.certificate-private-key: set tls.secretName
server.ssl.allow-plaintext: set tls.transition
management.server.address: probes must reach the port
management.server.port: Services, probes and network policies use port 8081
instance.ordinal: every instance takes it from the name of its pod
instance.uid: every instance takes it from its pod
einvoice-integration-client.service.domain: set provider.domain
config: set config
work.folder: the claim with the hot folders is mounted there; set hotFolder.existingClaim
hot.folder.enabled: set hotFolder.enabled
hot.folder.trigger: set hotFolder.trigger
hot.folder.max-wait: set hotFolder.maxWait
einvoice-integration-client.hot.folder.documents.processing.threshold: set hotFolder.threshold
einvoice-integration-client.scheduler.task.processHotFoldersByDocumentThreshold.cron-expression: set hotFolder.cron
hot.folder.storage.endpoint: set hotFolder.bucket.endpoint, which the network policy follows
hot.folder.storage.region: set hotFolder.bucket.region
hot.folder.storage.path-style: set hotFolder.bucket.pathStyle
hot.folder.storage.credentials-file: set hotFolder.bucket.credentialsSecret
{{- end }}

{{/* Flags of the controller that the chart sets or relies on. */}}
{{- define "signstash-proxy.ownControllerFlags" -}}
namespace: the controller works in the namespace of the release
statefulset: the chart names it
clients-secret: the rights of the controller name it
token-key-secret: the rights of the controller name it
providers: the chart reads them from config.providers
endpoints-configmap: the rights of the controller name it
headless-service: the chart names it
lease: the rights of the controller name it
deployment: the chart names it
leader-elect: two controllers run during every update
endpoint-mode: set endpoint.mode
host-template: set endpoint.hostTemplate
port-template: set endpoint.portTemplate
node-port-base: set endpoint.nodePortBase
service-annotations: set endpoint.serviceAnnotations
load-balancer-class: set endpoint.loadBalancerClass
route-annotations: set endpoint.routeAnnotations
route-kind: set endpoint.gateway.routeKind
gateway-parents: set endpoint.gateway.parentRefs, which the rights of the controller follow
ingress-class: set endpoint.ingress.className
ingress-tls-secret: set endpoint.ingress.tlsSecretTemplate
ingress-wait: set endpoint.ingress.waitForAddress
former-modes: set endpoint.formerModes, which the rights of the controller follow
cluster-domain: set endpoint.clusterDomain
rest-port: the container's port is named rest
health-address: probes use port 8081
metrics-address: network policies and monitors use port 8082
{{- end }}

{{/* Fails if one of args names one of the flags in own. Takes args, own and value, the name of the value that holds args. */}}
{{- define "signstash-proxy.refuseFlags" -}}
{{- $start := dict "help" "" "h" "" "version" "" "check-config" "" -}}
{{- range .args -}}
{{- $name := regexReplaceAll "^--?([^=]*).*$" . "${1}" -}}
{{- if hasKey $start $name }}{{ fail (printf "%s: --%s: the pod would print a text and end" $.value $name) }}{{ end -}}
{{- with get $.own $name }}{{ fail (printf "%s: --%s is set by the chart: %s" $.value $name .) }}{{ end -}}
{{- end -}}
{{- end }}

{{/* Fails if a key of config is one of the settings in own. Keys may be nested or contain dots. Takes config, own and prefix. */}}
{{- define "signstash-proxy.refuseConfig" -}}
{{- range $key, $value := .config -}}
{{- $name := printf "%s%s" $.prefix $key -}}
{{- if kindIs "map" $value -}}
{{- include "signstash-proxy.refuseConfig" (dict "config" $value "own" $.own "prefix" (printf "%s." $name)) -}}
{{- else -}}
{{- with get $.own $name }}{{ fail (printf "config: %s is set by the chart: %s" $name .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Fails if extraArgs, config, extraEnv or controller.extraArgs contradict what the chart relies on. */}}
{{- define "signstash-proxy.refuse" -}}
{{- $own := include "signstash-proxy.ownSettings" . | fromYaml -}}
{{- include "signstash-proxy.refuseFlags" (dict "args" .Values.extraArgs "own" $own "value" "extraArgs") -}}
{{- include "signstash-proxy.refuseConfig" (dict "config" .Values.config "own" $own "prefix" "") -}}
{{- $env := dict -}}
{{- range $name, $text := $own }}{{ $_ := set $env ($name | upper | replace "." "_" | replace "-" "_") $text }}{{ end -}}
{{- range .Values.extraEnv -}}
{{- $name := .name -}}
{{- with get $env $name }}{{ fail (printf "extraEnv: %s is set by the chart: %s" $name .) }}{{ end -}}
{{- end -}}
{{- $own = include "signstash-proxy.ownControllerFlags" . | fromYaml -}}
{{- include "signstash-proxy.refuseFlags" (dict "args" .Values.controller.extraArgs "own" $own "value" "controller.extraArgs") -}}
{{- end }}

{{/* Flags of the proxy that name files of the controller. */}}
{{- define "signstash-proxy.controllerFiles" -}}
- --client.services.config=/etc/signstash/clients/client-services-config.json
- --token.signing.key=/etc/signstash/clients/token-signing.key
- --affinity.endpoint.file=/etc/signstash/endpoint/endpoint
- --affinity.peers.file=/etc/signstash/peers/endpoints.json
{{- end }}

{{/* Mounts of the files of the controller. */}}
{{- define "signstash-proxy.controllerMounts" -}}
- {name: clients, mountPath: /etc/signstash/clients, readOnly: true}
- {name: peers, mountPath: /etc/signstash/peers, readOnly: true}
- {name: endpoint, mountPath: /etc/signstash/endpoint, readOnly: true}
{{- end }}

{{/* Flags of the proxy that follow from the values. */}}
{{- define "signstash-proxy.settings" -}}
- --affinity.forward={{ .Values.forward }}
- --state.folder=/state/signstash
- --shutdown.delay={{ int .Values.shutdown.delaySeconds }}s
- --shutdown.grace={{ int .Values.shutdown.graceSeconds }}s
- --drain.linger={{ int .Values.drain.lingerSeconds }}s
{{- with .Values.provider.domain }}
- {{ printf "--einvoice-integration-client.service.domain=%s" . | quote }}
{{- end }}
{{- if include "signstash-proxy.config" . }}
- --config=/etc/signstash/config/config.yaml
{{- end }}
{{- if .Values.tls.secretName }}
- --server.ssl.certificate=/etc/signstash/tls/tls.crt
- --server.ssl.certificate-private-key=/etc/signstash/tls/tls.key
{{- if .Values.tls.transition }}
- --server.ssl.allow-plaintext=TRUE
{{- end }}
{{- with include "signstash-proxy.text" .Values.tls.caKey }}
- --affinity.peers.ca-file=/etc/signstash/tls/{{ . }}
{{- end }}
{{- end }}
{{- with .Values.hotFolder }}
{{- if .enabled }}
- --hot.folder.enabled=TRUE
- --hot.folder.trigger={{ .trigger }}
- --hot.folder.max-wait={{ .maxWait }}
- --einvoice-integration-client.hot.folder.documents.processing.threshold={{ int .threshold }}
- {{ printf "--einvoice-integration-client.scheduler.task.processHotFoldersByDocumentThreshold.cron-expression=%s" .cron | quote }}
{{- if .existingClaim }}
- --work.folder=/hot
{{- end }}
{{- with .bucket }}
{{- with .endpoint }}
- {{ printf "--hot.folder.storage.endpoint=%s" . | quote }}
{{- end }}
{{- with .region }}
- --hot.folder.storage.region={{ . }}
{{- end }}
{{- if .pathStyle }}
- --hot.folder.storage.path-style=TRUE
{{- end }}
{{- if .credentialsSecret }}
- --hot.folder.storage.credentials-file=/etc/signstash/bucket/{{ include "signstash-proxy.text" .credentialsKey }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/* Seconds in which a pod ends: the delay, which may be kept twice, the linger time of an instance that was removed, the last answers, and 5 to close the state folder. The chart has no preStop hook, because the proxy itself keeps the delay and asks the other instances meanwhile whether it was removed. The seconds of a hook of the user that sleeps are added. */}}
{{- define "signstash-proxy.gracePeriod" -}}
{{ add (dig "preStop" "sleep" "seconds" 0 (.Values.lifecycle | default dict)) .Values.shutdown.delaySeconds .Values.shutdown.delaySeconds .Values.drain.lingerSeconds .Values.shutdown.graceSeconds 5 }}
{{- end }}

{{/* Mounts of the files that these flags name. */}}
{{- define "signstash-proxy.settingsMounts" -}}
{{- if include "signstash-proxy.config" . }}
- {name: config, mountPath: /etc/signstash/config, readOnly: true}
{{- end }}
{{- if .Values.tls.secretName }}
- {name: tls, mountPath: /etc/signstash/tls, readOnly: true}
{{- end }}
{{- if .Values.trial.enabled }}
- {name: trial, mountPath: /etc/signstash/trial, readOnly: true}
{{- end }}
{{- if .Values.hotFolder.bucket.credentialsSecret }}
- {name: bucket, mountPath: /etc/signstash/bucket, readOnly: true}
{{- end }}
{{- range $i, $name := .Values.secrets }}
- {name: secret-{{ $i }}, mountPath: /etc/signstash/secrets/{{ include "signstash-proxy.text" $name }}, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Volumes of these mounts. Takes root, the suffix of the chart's own objects, and whether Secrets of the user may be missing. */}}
{{- define "signstash-proxy.settingsVolumes" -}}
{{- $optional := ternary ", optional: true" "" .optional }}
{{- $suffix := .suffix }}
{{- with .root }}
{{- if include "signstash-proxy.config" . }}
- name: config
  configMap: {name: "{{ include "signstash-proxy.name" . }}-config{{ $suffix }}"}
{{- end }}
{{- with include "signstash-proxy.text" .Values.tls.secretName }}
- name: tls
  secret: {secretName: {{ . | quote }}, defaultMode: 0440{{ $optional }}}
{{- end }}
{{- if .Values.trial.enabled }}
- name: trial
  secret: {secretName: "{{ include "signstash-proxy.name" . }}-trial{{ $suffix }}", defaultMode: 0440}
{{- end }}
{{- with include "signstash-proxy.text" .Values.hotFolder.bucket.credentialsSecret }}
- name: bucket
  secret: {secretName: {{ . | quote }}, defaultMode: 0440{{ $optional }}}
{{- end }}
{{- range $i, $name := .Values.secrets }}
- name: secret-{{ $i }}
  secret: {secretName: {{ include "signstash-proxy.text" $name | quote }}, defaultMode: 0440{{ $optional }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Content of the trial's Secret. All of it is public. */}}
{{- define "signstash-proxy.trialSecrets" -}}
client-secret: simulated-client-secret
pin: "246810"
{{- end }}

{{/* Annotations of an object of the check before an installation or upgrade. Takes the weight. */}}
{{- define "signstash-proxy.checkHook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
helm.sh/hook-weight: {{ . | quote }}
{{- end }}

{{/* Names of the configured providers, separated by commas. */}}
{{- define "signstash-proxy.providers" -}}
{{- $names := list -}}
{{- range (include "signstash-proxy.config" . | fromYaml).providers }}{{ $names = append $names .name }}{{ end -}}
{{ join "," $names }}
{{- end }}

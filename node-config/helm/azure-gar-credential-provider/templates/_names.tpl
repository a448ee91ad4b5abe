{{/* Name of every object. It depends on neither release nor namespace: others trust the ServiceAccount by it. */}}
{{- define "provider.name" -}}
azure-gar-credential-provider{{ with .Values.instance }}-{{ . }}{{ end }}
{{- end }}

{{- define "provider.selector" -}}
app.kubernetes.io/name: azure-gar-credential-provider
app.kubernetes.io/instance: {{ .Values.instance | default "default" }}
{{- end }}

{{- define "provider.labels" -}}
{{ include "provider.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Head of an object's metadata: name and labels. */}}
{{- define "provider.metadata" -}}
name: {{ include "provider.name" . }}
labels:
  {{- include "provider.labels" . | nindent 2 }}
{{- end }}

{{- define "provider.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "provider.metricsAddress" -}}
{{ ternary .Values.metrics.address "127.0.0.1" .Values.metrics.enabled }}
{{- end }}

{{/* Where the kubelet finds the probes; without it, at the pod's address, which is the node's. */}}
{{- define "provider.probeHost" -}}
{{- $address := include "provider.metricsAddress" . }}
{{- if ne $address "$(NODE_IP)" }}
host: {{ get (dict "0.0.0.0" "127.0.0.1" "::" "::1") $address | default $address | quote }}
{{- end }}
{{- end }}

{{/* Does the chart make the namespace? Helm or you have made the one that keeps the release. */}}
{{- define "provider.makesNamespace" -}}
{{- if and .Values.namespace.create (ne .Release.Namespace (include "provider.name" .)) }}true{{ end }}
{{- end }}

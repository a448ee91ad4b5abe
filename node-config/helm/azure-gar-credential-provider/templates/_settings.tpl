{{/* What the settings mean for the objects. The product reads them strictly; here only as much as is needed. */}}

{{/* The vendor's file as JSON; {} without one, and key Error where it is no JSON object. */}}
{{- define "provider.account" -}}
{{- if not .Values.credentialConfig }}{}
{{- else if kindIs "string" .Values.credentialConfig }}{{ .Values.credentialConfig | fromJson | toJson }}
{{- else }}{{ .Values.credentialConfig | toJson }}
{{- end }}
{{- end }}

{{- define "provider.identity" -}}
{{ .Values.settings.identity | default dict | toJson }}
{{- end }}

{{/* managed-identity, token-file or service-account; without identity.source, what the vendor's file says. */}}
{{- define "provider.source" -}}
{{- $identity := include "provider.identity" . | fromJson }}
{{- $where := (include "provider.account" . | fromJson).credential_source | default dict }}
{{- if $identity.source }}{{ $identity.source }}
{{- else if $where.url }}managed-identity
{{- else if $where.file }}token-file
{{- end }}
{{- end }}

{{/* Audience of the ServiceAccount token, as the product works it out (credprovider.settings_plan). */}}
{{- define "provider.audience" -}}
{{- $identity := include "provider.identity" . | fromJson }}
{{- $clouds := dict "usgov" "api://AzureADTokenExchangeUSGov" "china" "api://AzureADTokenExchangeChina" }}
{{- $identity.tokenAudience | default (get $clouds (dig "entra" "cloud" "" $identity | default "public")) | default "api://AzureADTokenExchange" }}
{{- end }}

{{/* Does the DaemonSet bring its own token to the nodes? */}}
{{- define "provider.relays" -}}
{{- if and (eq .Values.mode "install") (eq (include "provider.source" .) "token-file") }}true{{ end }}
{{- end }}

{{/* Are there settings to keep in a ConfigMap? In mode uninstall they stay, for the nodes whose turn is yet to come. */}}
{{- define "provider.makesConfigMap" -}}
{{- if and (not .Values.existingConfigMap) .Values.credentialConfig }}true
{{- else if and (not .Values.existingConfigMap) .Values.settings }}true
{{- end }}
{{- end }}

{{- define "provider.data" -}}
config.json: {{ .Values.settings | toPrettyJson | trim | printf "%s\n" | toJson }}
{{- if .Values.credentialConfig }}
credential-config.json: {{ (kindIs "string" .Values.credentialConfig | ternary .Values.credentialConfig (.Values.credentialConfig | toPrettyJson | trim | printf "%s\n")) | toJson }}
{{- end }}
{{- end }}

{{/*
Named by its content and immutable: a node gets new settings when its pod is replaced, one node after the other. A
ConfigMap of a fixed name would reach the running pods of all nodes at once, before the first has proven it.
*/}}
{{- define "provider.configMap" -}}
{{- .Values.existingConfigMap | default (printf "%s-settings-%s" (include "provider.name" .) (include "provider.data" . | sha256sum | trunc 10)) }}
{{- end }}

{{/*
Settings of earlier releases that pods still mount: a node that reboots before its pod's turn has come needs them, and the
turn never comes where an update stops at a bad node. Only a cluster can tell; `helm template` keeps none.
*/}}
{{- define "provider.mountedConfigMaps" -}}
{{- $name := include "provider.name" . }}
{{- $mounted := dict }}
{{- range (lookup "v1" "Pod" $name "").items }}
  {{- range .spec.volumes }}
    {{- $each := dig "configMap" "name" "" . }}
    {{- if and (hasPrefix (printf "%s-settings-" $name) $each) (ne $each (include "provider.configMap" $)) }}
      {{- $_ := set $mounted $each true }}
    {{- end }}
  {{- end }}
{{- end }}
{{- keys $mounted | sortAlpha | toJson }}
{{- end }}

{{/* What would fail on every node is refused here, in a sentence. */}}
{{- define "provider.check" -}}
{{- include "provider.checkImage" . }}
{{- include "provider.checkMetrics" . }}
{{- if eq .Values.mode "install" }}
  {{- include "provider.checkSettings" . }}
  {{- include "provider.checkInstance" . }}
{{- end }}
{{- end }}

{{- define "provider.checkImage" -}}
{{- $image := .Values.image }}
{{- if not $image.repository }}
  {{- fail "image.repository is missing: name the registry that keeps the image, e.g. --set image.repository=REGISTRY.azurecr.io/azure-gar-credential-provider" }}
{{- end }}
{{- if and (eq $image.tag "latest") (not $image.digest) }}
  {{- fail "image.tag is latest: nobody could say what a node runs, and AKS policies refuse it. Set a version, or image.digest" }}
{{- end }}
{{- $host := $image.repository | splitList "/" | first | splitList ":" | first }}
{{- $universe := .Values.settings.universeDomain | default "googleapis.com" }}
{{- if or (regexMatch "(^|\\.)(pkg\\.dev|gcr\\.io)$" $host) (hasSuffix (printf ".%s" $universe) $host) }}
  {{- fail (printf "image.repository %s is in the registry that nodes cannot pull from before this image runs there. Copy the image to e.g. your Azure Container Registry" $image.repository) }}
{{- end }}
{{- end }}

{{- define "provider.checkMetrics" -}}
{{- $metrics := .Values.metrics }}
{{- if and $metrics.podMonitor.enabled (or (not $metrics.enabled) (hasPrefix "127." $metrics.address) (eq "::1" $metrics.address)) }}
  {{- fail "metrics.podMonitor.enabled needs metrics.enabled and a metrics.address that Prometheus can reach: nobody else hears 127.0.0.1" }}
{{- end }}
{{- $owner := get (dict
  "10248" "the kubelet" "10250" "the kubelet" "10255" "the kubelet" "10249" "kube-proxy" "10256" "kube-proxy"
  "19100" "AKS's node exporter") (int $metrics.port | toString) }}
{{- if $owner }}
  {{- fail (printf "metrics.port %d is %s's on every node: choose another, e.g. --set metrics.port=9465" (int $metrics.port) $owner) }}
{{- end }}
{{- end }}

{{- define "provider.checkSettings" -}}
{{- $identity := include "provider.identity" . | fromJson }}
{{- $source := include "provider.source" . }}
{{- if .Values.existingConfigMap }}
  {{- if .Values.credentialConfig }}
    {{- fail "existingConfigMap and credentialConfig are both set: keep the vendor's file in one place" }}
  {{- end }}
  {{- if not $identity.source }}
    {{- fail (printf "settings.identity.source is missing: the chart cannot look into the ConfigMap %s, so repeat its identity block under settings.identity" .Values.existingConfigMap) }}
  {{- end }}
{{- else }}
  {{- include "provider.checkAccount" . }}
{{- end }}
{{- include "provider.checkRegistries" . }}
{{- $isToken := or (eq $source "token-file") (eq $source "service-account") }}
{{- if and $isToken .Values.settings.identity (not $identity.tokenAudience) (not $identity.entra) }}
  {{- fail (printf "settings.identity.tokenAudience is missing: with source %s and without entra, Google's provider must expect it, e.g. https://iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER" $source) }}
{{- end }}
{{- end }}

{{/* The grossest of what credprovider.registries refuses; it knows more. */}}
{{- define "provider.checkRegistries" -}}
{{- $universe := .Values.settings.universeDomain | default "googleapis.com" }}
{{- range .Values.settings.registries }}
  {{- $host := regexReplaceAll "[:/].*" . "" }}
  {{- $isUniverse := and (ne $universe "googleapis.com") (hasSuffix (printf ".%s" $universe) $host) }}
  {{- if not (or (eq $host "gcr.io") (regexMatch "\\.(pkg\\.dev|gcr\\.io)$" $host) $isUniverse) }}
    {{- fail (printf "settings.registries: %s reaches outside Google's registries, and every node would refuse it: name hosts of theirs, without a scheme, e.g. *-docker.pkg.dev" .) }}
  {{- end }}
  {{- if and (contains "/" .) (not (hasSuffix "/" .)) }}
    {{- fail (printf "settings.registries: %s has a path prefix that does not end in /, and every node would refuse it: it would cover its longer neighbours too" .) }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "provider.checkAccount" -}}
{{- $account := include "provider.account" . | fromJson }}
{{- $named := .Values.settings.credentialConfig | default "credential-config.json" }}
{{- if and (not .Values.credentialConfig) (not .Values.settings) }}
  {{- fail "there are no settings: give the vendor's file (--set-file credentialConfig=credential-config.json) and settings, or existingConfigMap" }}
{{- end }}
{{- if .Values.credentialConfig }}
  {{- if ne $named "credential-config.json" }}
    {{- fail (printf "settings.credentialConfig is %s, but the chart puts the vendor's file at credential-config.json: leave it out" $named) }}
  {{- end }}
  {{- if $account.Error }}
    {{- fail "credentialConfig is no JSON object: give the vendor's file unedited, by --set-file credentialConfig=credential-config.json" }}
  {{- end }}
  {{- if ne (toString $account.type) "external_account" }}
    {{- fail (printf "credentialConfig is of type %v, not external_account. A key or a login must not be put into a ConfigMap; ask the vendor for a workload identity federation file" $account.type) }}
  {{- end }}
{{- else if not (hasPrefix "/" $named) }}
  {{- fail "credentialConfig is missing: give the vendor's file by --set-file credentialConfig=credential-config.json" }}
{{- end }}
{{- end }}

{{- define "provider.checkInstance" -}}
{{- if .Values.instance }}
  {{- $registries := .Values.settings.registries | default list }}
  {{- if not $registries }}
    {{- if not .Values.existingConfigMap }}
      {{- fail (printf "settings.registries is missing: instance %s needs registries of its own with a path prefix, e.g. us-docker.pkg.dev/vendor-project/" .Values.instance) }}
    {{- end }}
  {{- end }}
  {{- range $registries }}
    {{- if not (contains "/" .) }}
      {{- fail (printf "settings.registries: %s covers a whole host, and so the other instance's images. Give instance %s a path prefix, e.g. us-docker.pkg.dev/vendor-project/" . $.Values.instance) }}
    {{- end }}
  {{- end }}
  {{- if eq (int .Values.metrics.port) 9465 }}
    {{- fail (printf "metrics.port 9465 belongs to the first instance, and both are on the node's network: give instance %s another, e.g. --set metrics.port=9466" .Values.instance) }}
  {{- end }}
{{- end }}
{{- end }}

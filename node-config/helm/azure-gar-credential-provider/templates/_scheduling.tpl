{{/* Where the pods run. */}}

{{/*
By key, never a bare "operator: Exists": AKS Automatic refuses it, and AKS's admission thins out lists with one. Neither
a missing CNI nor a node that is not Ready may keep us away; what else a DaemonSet tolerates its controller adds.
*/}}
{{- define "provider.tolerations" -}}
{{- $keys := list
  "node.kubernetes.io/not-ready"
  "node.cloudprovider.kubernetes.io/uninitialized"
  "node.cilium.io/agent-not-ready"
  "karpenter.sh/unregistered"
  "CriticalAddonsOnly"
  "kubernetes.azure.com/scalesetpriority" }}
{{- with .Values.startupTaint.key }}{{ $keys = append $keys . }}{{ end }}
{{- range $keys }}
- key: {{ . }}
  operator: Exists
{{- end }}
{{- with .Values.tolerations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Terms are alternatives, so each of yours gets our conditions. */}}
{{- define "provider.affinity" -}}
{{- $ours := list
  (dict "key" "type" "operator" "NotIn" "values" (list "virtual-kubelet"))
  (dict "key" "kubernetes.azure.com/hostedvm" "operator" "DoesNotExist") }}
{{- $node := .Values.affinity.nodeAffinity | default dict }}
{{- $terms := list }}
{{- range dig "requiredDuringSchedulingIgnoredDuringExecution" "nodeSelectorTerms" (list dict) $node }}
  {{- $terms = append $terms (merge (dict "matchExpressions" (concat $ours (.matchExpressions | default list))) .) }}
{{- end }}
{{- $required := dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) }}
{{- merge (dict "nodeAffinity" (merge $required (omit $node "requiredDuringSchedulingIgnoredDuringExecution"))) (omit .Values.affinity "nodeAffinity") | toYaml }}
{{- end }}

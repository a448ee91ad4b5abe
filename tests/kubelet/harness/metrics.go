package main

import (
	"net/http"
	"net/http/httptest"
	"strings"

	"k8s.io/component-base/metrics/legacyregistry"
)

const ownMetrics = "kubelet_credential_provider"

// metrics are the kubelet's own counters about credential providers, each with its one label: plugin name or hash.
func metrics() map[string]map[string]float64 {
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		fail("kubelet metrics: " + err.Error())
	}
	out := map[string]map[string]float64{}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), ownMetrics) {
			continue
		}
		for _, metric := range family.GetMetric() {
			name, label := family.GetName(), metric.GetLabel()[0].GetValue()
			value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			if histogram := metric.GetHistogram(); histogram != nil {
				name, value = name+"_count", float64(histogram.GetSampleCount())
			}
			if out[name] == nil {
				out[name] = map[string]float64{}
			}
			out[name][label] = value
		}
	}
	return out
}

// page is what the kubelet's /metrics has about credential providers, as text.
func page() string {
	served := httptest.NewRecorder()
	legacyregistry.Handler().ServeHTTP(served, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var kept strings.Builder
	for line := range strings.Lines(served.Body.String()) {
		name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE ")
		if strings.HasPrefix(name, ownMetrics) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

package main

import "regexp"

type configVerdict struct {
	Starts    bool     `json:"starts"`
	Error     string   `json:"error,omitempty"`
	Providers []string `json:"providers"` // registered, in order
	Hash      string   `json:"hash,omitempty"`
}

func judgeConfig(with start) configVerdict {
	k, err := startKubelet(with)
	if k == nil {
		fail(err.Error())
	}
	verdict := configVerdict{Starts: err == nil, Providers: registered(k.log.take())}
	if err != nil {
		verdict.Error = err.Error()
	}
	for hash := range metrics()["kubelet_credential_provider_config_info"] {
		verdict.Hash = hash
	}
	return verdict
}

var registeredLine = regexp.MustCompile(`Registered credential provider(?: "|" provider=")((?:[^"\\]|\\.)*)"`)

// registered reads the providers off the log, for the registry itself is private to the kubelet's package.
func registered(log string) []string {
	names := []string{}
	for _, line := range registeredLine.FindAllStringSubmatch(log, -1) {
		names = append(names, line[1])
	}
	return names
}

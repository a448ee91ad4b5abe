package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// configCase is a CredentialProviderConfig: one file, or a directory of files if Directory is set.
type configCase struct {
	Content      []byte            `json:"content"`
	Directory    bool              `json:"directory"`
	Files        map[string][]byte `json:"files"`   // of the directory; a name that ends in "/" is a folder
	Plugins      []string          `json:"plugins"` // executables in the bin dir
	FeatureGates map[string]bool   `json:"feature_gates"`
}

type configVerdict struct {
	Starts    bool     `json:"starts"`
	Error     string   `json:"error,omitempty"`
	Providers []string `json:"providers"` // registered, in order
	Hash      string   `json:"hash,omitempty"`
}

func judgeConfig(one configCase) configVerdict {
	folder, err := os.MkdirTemp("", "config-")
	must(err)
	defer os.RemoveAll(folder)

	path, binDir := filepath.Join(folder, "config.yaml"), filepath.Join(folder, "bin")
	if one.Directory {
		path = filepath.Join(folder, "config.d")
		must(os.Mkdir(path, 0o755))
		for name, content := range one.Files {
			if strings.HasSuffix(name, "/") {
				must(os.Mkdir(filepath.Join(path, name), 0o755))
				continue
			}
			must(os.WriteFile(filepath.Join(path, name), content, 0o600))
		}
	} else {
		must(os.WriteFile(path, one.Content, 0o600))
	}
	must(os.Mkdir(binDir, 0o755))
	for _, name := range one.Plugins {
		must(os.WriteFile(filepath.Join(binDir, name), []byte("#!/bin/sh\n"), 0o755))
	}

	k, err := startKubelet(start{Config: path, BinDir: binDir, FeatureGates: one.FeatureGates})
	if k == nil {
		fail(err.Error())
	}
	verdict := configVerdict{Starts: err == nil, Providers: registered(k.log.take())}
	if err != nil {
		verdict.Error = strings.ReplaceAll(err.Error(), folder, "")
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

func must(err error) {
	if err != nil {
		fail(err.Error())
	}
}

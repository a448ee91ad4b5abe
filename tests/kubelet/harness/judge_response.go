package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	credentialproviderapi "k8s.io/kubelet/pkg/apis/credentialprovider"
	"k8s.io/kubelet/pkg/apis/credentialprovider/install"
)

// responseCase is what a plugin prints when the kubelet asks it for the credentials of Images[0].
type responseCase struct {
	Stdout     []byte   `json:"stdout"`
	APIVersion string   `json:"api_version"`
	Default    string   `json:"default_cache_duration"`
	Images     []string `json:"images"` // one, another of the same registry, one of another registry
	Plugin     string   `json:"plugin"` // the scripted plugin's executable
}

type responseVerdict struct {
	Accepted    bool         `json:"accepted"`
	Log         string       `json:"log,omitempty"` // the error, if there was one
	Credentials []credential `json:"credentials"`   // for Images[0]
	Errors      float64      `json:"errors"`        // in the kubelet's metric, after one look-up
	Scope       string       `json:"scope"`         // of the cache: none, Image, Registry, Global
	Duration    *string      `json:"duration"`      // as the kubelet's codec reads it; null: absent, or not got so far
	Keys        *int         `json:"keys"`          // as the kubelet's codec reads them; null: not got so far
}

const judgedPlugin = "judged"

// judgeResponse lets the kubelet code run a real process that prints the response, four times at most: how often it
// runs tells what was cached and for whom.
func judgeResponse(one responseCase) responseVerdict {
	folder, err := os.MkdirTemp("", "response-")
	must(err)
	defer os.RemoveAll(folder)

	answer, config := filepath.Join(folder, "stdout"), filepath.Join(folder, "config.json")
	must(os.WriteFile(answer, one.Stdout, 0o600))
	must(os.Symlink(one.Plugin, filepath.Join(folder, judgedPlugin)))
	must(os.WriteFile(config, configFor(one, answer), 0o600))
	k, err := startKubelet(start{Config: config, BinDir: folder})
	must(err)

	k.log.take()
	first := k.lookUp(lookup{Image: one.Images[0], ShowPassword: true})
	log := errorLines(k.log.take())
	verdict := responseVerdict{
		Accepted:    log == "",
		Log:         log,
		Credentials: first.Credentials,
		Errors:      metrics()["kubelet_credential_provider_plugin_errors_total"][judgedPlugin],
		Scope:       k.cacheScope(one.Images),
	}
	if !strings.Contains(log, "error reading GVK") && !strings.Contains(log, "did not match expected apiVersion") {
		verdict.Duration, verdict.Keys = decoded(one.Stdout)
	}
	return verdict
}

func configFor(one responseCase, answer string) []byte {
	content, err := json.Marshal(map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1",
		"kind":       "CredentialProviderConfig",
		"providers": []map[string]any{{
			"name":                 judgedPlugin,
			"apiVersion":           one.APIVersion,
			"matchImages":          one.Images,
			"defaultCacheDuration": one.Default,
			"args":                 []string{"-stdout", answer},
		}},
	})
	must(err)
	return content
}

// cacheScope tells for whom the answer to images[0] was kept, by asking for ever more distant images.
func (k *kubelet) cacheScope(images []string) string {
	scope := "none"
	for i, reached := range []string{"Image", "Registry", "Global"} {
		before := execs()
		k.lookUp(lookup{Image: images[i]})
		if execs() > before {
			return scope
		}
		scope = reached
	}
	return scope
}

func execs() float64 {
	return metrics()["kubelet_credential_provider_plugin_duration_count"][judgedPlugin]
}

var logEntry = regexp.MustCompile(`(?m)^[IWEF]\d{4} `)

// errorLines are the entries logged as errors, save those about one unusable auth key, which spoils nothing else.
func errorLines(log string) string {
	var errors []string
	starts := logEntry.FindAllStringIndex(log, -1)
	for i, at := range starts {
		end := len(log)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		entry := log[at[0]:end]
		if entry[0] == 'E' && !strings.Contains(entry, `] Entry "`) {
			errors = append(errors, entry)
		}
	}
	return strings.Join(errors, "")
}

// decoded reads with the kubelet's strict codec what cannot be seen from outside: how long, and how many keys.
func decoded(stdout []byte) (*string, *int) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	object, _, err := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder().Decode(stdout, nil, nil)
	response, ok := object.(*credentialproviderapi.CredentialProviderResponse)
	if err != nil || !ok {
		return nil, nil
	}
	keys := len(response.Auth)
	if response.CacheDuration == nil {
		return nil, &keys
	}
	duration := response.CacheDuration.Duration.String()
	return &duration, &keys
}

package main

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubejson "sigs.k8s.io/json"

	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/util/parsers"
)

type matchCase struct {
	Pattern string `json:"pattern"`
	Image   string `json:"image"`
}

type matchVerdict struct {
	Matches bool   `json:"matches"`
	Error   string `json:"error,omitempty"` // the kubelet drops it: an error is a non-match
}

func judgeMatch(one matchCase) matchVerdict {
	matches, err := credentialprovider.URLsMatchStr(one.Pattern, one.Image)
	if err != nil {
		return matchVerdict{Error: err.Error()}
	}
	return matchVerdict{Matches: matches}
}

type keyringCase struct {
	Keys  []string `json:"keys"` // of the response's auth
	Image string   `json:"image"`
}

type keyringVerdict struct {
	Tried []string `json:"tried"` // keys as they came, in the order the kubelet would try them
}

func judgeKeyring(one keyringCase) keyringVerdict {
	config := credentialprovider.DockerConfig{}
	for _, key := range one.Keys {
		config[key] = credentialprovider.DockerConfigEntry{Username: key}
	}
	keyring := &credentialprovider.BasicDockerKeyring{}
	keyring.Add(nil, config)
	credentials, _ := keyring.Lookup(one.Image)
	tried := make([]string, len(credentials))
	for i, credential := range credentials {
		tried[i] = credential.Username
	}
	return keyringVerdict{Tried: tried}
}

type imageVerdict struct {
	Repository string `json:"repository,omitempty"`
	Error      string `json:"error,omitempty"`
}

func judgeImage(image string) imageVerdict {
	repository, _, _, err := parsers.ParseImageName(image)
	if err != nil {
		return imageVerdict{Error: err.Error()}
	}
	return imageVerdict{Repository: repository}
}

type durationVerdict struct {
	Nanoseconds *int64 `json:"nanoseconds"`
	Canonical   string `json:"canonical,omitempty"`
	Error       string `json:"error,omitempty"`
}

// judgeDuration reads a JSON value as both documents hold one: a pointer, so that null is absence.
func judgeDuration(value string) durationVerdict {
	var holder struct {
		Duration *metav1.Duration `json:"duration"`
	}
	document, err := json.Marshal(map[string]json.RawMessage{"duration": json.RawMessage(value)})
	if err != nil {
		return durationVerdict{Error: err.Error()}
	}
	if err := kubejson.UnmarshalCaseSensitivePreserveInts(document, &holder); err != nil {
		return durationVerdict{Error: err.Error()}
	}
	if holder.Duration == nil {
		return durationVerdict{}
	}
	nanoseconds := holder.Duration.Nanoseconds()
	return durationVerdict{Nanoseconds: &nanoseconds, Canonical: holder.Duration.Duration.String()}
}

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/plugin"
	"k8s.io/kubernetes/pkg/util/parsers"
)

// start is what a kubelet is started with, and what its API server would know.
type start struct {
	Config       string          `json:"config"`
	BinDir       string          `json:"bin_dir"`
	FeatureGates map[string]bool `json:"feature_gates"`
	cluster
}

// cluster is what the kubelet would ask the API server for.
type cluster struct {
	ServiceAccounts []serviceAccount `json:"service_accounts"`
	Tokens          []token          `json:"tokens"`
}

type serviceAccount struct {
	Namespace   string            `json:"namespace"`
	Name        string            `json:"name"`
	UID         string            `json:"uid"`
	Annotations map[string]string `json:"annotations"`
}

// token is what a TokenRequest for a ServiceAccount gets; of one pod only if Pod is set.
type token struct {
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"service_account"`
	Pod            string `json:"pod"`
	Token          string `json:"token"`
}

// lookup is one container's image, as the pod's manifest has it.
type lookup struct {
	Image          string `json:"image"`
	Namespace      string `json:"namespace"`
	Pod            string `json:"pod"`
	PodUID         string `json:"pod_uid"`
	ServiceAccount string `json:"service_account"`
	ShowPassword   bool   `json:"show_password"`
}

type credential struct {
	Username       string                               `json:"username"`
	PasswordLength int                                  `json:"password_length"`
	PasswordSHA256 string                               `json:"password_sha256"`
	Password       string                               `json:"password,omitempty"`
	Source         *credentialprovider.CredentialSource `json:"source,omitempty"`
}

type found struct {
	Repository  string       `json:"repository,omitempty"`
	Error       string       `json:"error,omitempty"`
	Credentials []credential `json:"credentials"`
}

// tokenRequest is what the kubelet asked the API server for.
type tokenRequest struct {
	Namespace      string   `json:"namespace"`
	ServiceAccount string   `json:"service_account"`
	UID            string   `json:"uid"`
	Pod            string   `json:"pod"`
	PodUID         string   `json:"pod_uid"`
	Audiences      []string `json:"audiences"`
}

// kubelet is the part of a kubelet that this program is: at most one a process.
type kubelet struct {
	mutex         sync.Mutex
	cluster       cluster
	tokenRequests []tokenRequest
	log           lines
}

// startKubelet does what the kubelet's NewMainKubelet does with the two image-credential-provider flags.
func startKubelet(with start) (*kubelet, error) {
	k := &kubelet{cluster: with.cluster}
	flags := flag.NewFlagSet("klog", flag.PanicOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{"v": "5", "logtostderr": "false", "stderrthreshold": "FATAL"} {
		if err := flags.Set(name, value); err != nil {
			return nil, err
		}
	}
	// klog writes an error to the files of all lower severities as well; the lowest has everything once.
	klog.SetOutput(io.Discard)
	klog.SetOutputBySeverity("INFO", &k.log)
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(with.FeatureGates); err != nil {
		return nil, err
	}
	return k, plugin.RegisterCredentialProviderPlugins(with.Config, with.BinDir, k.requestToken, k.serviceAccount)
}

func (k *kubelet) requestToken(namespace, name string, tr *authenticationv1.TokenRequest) (*authenticationv1.TokenRequest, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	pod := tr.Spec.BoundObjectRef
	k.tokenRequests = append(k.tokenRequests, tokenRequest{namespace, name, string(tr.UID), pod.Name, string(pod.UID), tr.Spec.Audiences})
	for _, known := range k.cluster.Tokens {
		if known.Namespace == namespace && known.ServiceAccount == name && (known.Pod == "" || known.Pod == pod.Name) {
			answer := tr.DeepCopy()
			answer.Status.Token = known.Token
			return answer, nil
		}
	}
	return nil, fmt.Errorf("no token for service account %s/%s", namespace, name)
}

func (k *kubelet) serviceAccount(namespace, name string) (*corev1.ServiceAccount, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for _, known := range k.cluster.ServiceAccounts {
		if known.Namespace == namespace && known.Name == name {
			meta := metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(known.UID), Annotations: known.Annotations}
			return &corev1.ServiceAccount{ObjectMeta: meta}, nil
		}
	}
	return nil, fmt.Errorf("serviceaccounts %q not found", name)
}

// lookUp follows the image manager's EnsureImageExists: the repository's name, a keyring of the pod, its credentials.
func (k *kubelet) lookUp(of lookup) found {
	repository, _, _, err := parsers.ParseImageName(of.Image)
	if err != nil {
		return found{Error: err.Error(), Credentials: []credential{}}
	}
	keyring := plugin.NewExternalCredentialProviderDockerKeyring(of.Namespace, of.Pod, of.PodUID, of.ServiceAccount)
	credentials, _ := keyring.Lookup(repository)
	return found{Repository: repository, Credentials: described(credentials, of.ShowPassword)}
}

func described(tracked []credentialprovider.TrackedAuthConfig, showPassword bool) []credential {
	out := make([]credential, len(tracked))
	for i, one := range tracked {
		digest := sha256.Sum256([]byte(one.Password))
		out[i] = credential{
			Username:       one.Username,
			PasswordLength: len(one.Password),
			PasswordSHA256: hex.EncodeToString(digest[:]),
			Source:         one.Source,
		}
		if showPassword {
			out[i].Password = one.Password
		}
	}
	return out
}

// lines is where klog writes.
type lines struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.buffer.Write(p)
}

// take returns what was logged since it was last asked.
func (l *lines) take() string {
	klog.Flush()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	text := l.buffer.String()
	l.buffer.Reset()
	return text
}

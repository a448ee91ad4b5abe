// Command harness asks the kubelet's own credential provider code for its verdict.
//
// It links k8s.io/kubernetes/pkg/credentialprovider and its plugin package as a library and calls what the kubelet
// calls: RegisterCredentialProviderPlugins at start, NewExternalCredentialProviderDockerKeyring for each image.
//
//	harness version                  the kubernetes version linked in
//	harness session                  one kubelet: first line its start, then a step a line; an answer a line
//	harness configs   < starts       would a kubelet start with these files?
//	harness responses < cases        what does the kubelet make of this answer of a plugin?
//	harness matches | keyrings | images | durations < cases     the rules underneath, one by one
//
// Cases, or starts, are one JSON list, verdicts another in the same order.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
)

func main() {
	if len(os.Args) != 2 {
		fail("usage: harness version|session|configs|responses|matches|keyrings|images|durations")
	}
	switch mode := os.Args[1]; mode {
	case "version":
		fmt.Println(kubernetesVersion())
	case "session":
		session(bufio.NewReader(os.Stdin), os.Stdout)
	case "configs":
		judgeAll("config", os.Stdin, os.Stdout)
	case "responses":
		judgeAll("response", os.Stdin, os.Stdout)
	case "config":
		judgeOne(judgeConfig)
	case "response":
		judgeOne(judgeResponse)
	case "matches":
		judgeEach(judgeMatch)
	case "keyrings":
		judgeEach(judgeKeyring)
	case "images":
		judgeEach(judgeImage)
	case "durations":
		judgeEach(judgeDuration)
	default:
		fail("unknown mode " + mode)
	}
}

// kubernetesVersion is that of the module linked in, which is what a verdict has to be read with.
func kubernetesVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		fail("built without module information")
	}
	for _, module := range info.Deps {
		if module.Path == "k8s.io/kubernetes" {
			return module.Version
		}
	}
	fail("k8s.io/kubernetes is not among the modules linked in")
	return ""
}

// judgeOne answers one case on stdin; a child process, because a registration cannot be taken back.
func judgeOne[Case, Verdict any](judge func(Case) Verdict) {
	var one Case
	read(os.Stdin, &one)
	write(os.Stdout, judge(one))
}

// judgeEach answers a list of cases that leave nothing behind, in this process.
func judgeEach[Case, Verdict any](judge func(Case) Verdict) {
	var cases []Case
	read(os.Stdin, &cases)
	verdicts := make([]Verdict, len(cases))
	for i, one := range cases {
		verdicts[i] = judge(one)
	}
	write(os.Stdout, verdicts)
}

func read(from *os.File, into any) {
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		fail("bad input: " + err.Error())
	}
}

func write(to *os.File, value any) {
	if err := json.NewEncoder(to).Encode(value); err != nil {
		fail("cannot write: " + err.Error())
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "harness: "+why)
	os.Exit(2)
}

func must(err error) {
	if err != nil {
		fail(err.Error())
	}
}

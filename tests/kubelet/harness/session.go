package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"
)

// step is one thing that happens to a running kubelet.
type step struct {
	Lookups []lookup `json:"lookups"` // all at once
	Cluster *cluster `json:"cluster"` // from now on the API server says this
}

// happened is what a step, or the start, came to.
type happened struct {
	Error         string                        `json:"error,omitempty"` // of the start: the kubelet would exit with it
	Found         []found                       `json:"found,omitempty"`
	TokenRequests []tokenRequest                `json:"token_requests"`
	Log           string                        `json:"log"`
	Metrics       map[string]map[string]float64 `json:"metrics"`
	Page          string                        `json:"page"` // the same metrics as /metrics serves them
}

// session is one kubelet's life: its start on the first line, then a step a line until stdin ends.
func session(in *bufio.Reader, out *os.File) {
	var with start
	if !readLine(in, &with) {
		fail("a session begins with a line that says how the kubelet is started")
	}
	k, err := startKubelet(with)
	if k == nil {
		fail(err.Error())
	}
	first := happened{TokenRequests: []tokenRequest{}, Log: k.log.take(), Metrics: metrics(), Page: page()}
	if err != nil {
		first.Error = err.Error()
	}
	write(out, first)
	var next step
	for err == nil && readLine(in, &next) {
		write(out, k.take(next))
		next = step{}
	}
}

func (k *kubelet) take(next step) happened {
	if next.Cluster != nil {
		k.mutex.Lock()
		k.cluster = *next.Cluster
		k.mutex.Unlock()
	}
	results := make([]found, len(next.Lookups))
	var pods sync.WaitGroup
	for i, of := range next.Lookups {
		pods.Add(1)
		go func() {
			defer pods.Done()
			results[i] = k.lookUp(of)
		}()
	}
	pods.Wait()

	k.mutex.Lock()
	defer k.mutex.Unlock()
	requests := append([]tokenRequest{}, k.tokenRequests...)
	k.tokenRequests = nil
	return happened{Found: results, TokenRequests: requests, Log: k.log.take(), Metrics: metrics(), Page: page()}
}

func readLine(in *bufio.Reader, into any) bool {
	line, err := in.ReadBytes('\n')
	if errors.Is(err, io.EOF) && len(line) == 0 {
		return false
	}
	if err != nil && !errors.Is(err, io.EOF) {
		fail(err.Error())
	}
	if err := json.Unmarshal(line, into); err != nil {
		fail("bad line: " + err.Error())
	}
	return true
}

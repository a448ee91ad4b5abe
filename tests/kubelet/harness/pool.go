package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
)

// judgeAll gives each case a process of its own: registration is global to a process, and the kubelet code panics or
// keeps the first of two. As many at a time as there are processors.
func judgeAll(mode string, from, to *os.File) {
	var cases []json.RawMessage
	read(from, &cases)
	verdicts := make([]json.RawMessage, len(cases))

	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := range next {
				verdicts[i] = inChild(mode, cases[i])
			}
		}()
	}
	for i := range cases {
		next <- i
	}
	close(next)
	workers.Wait()
	write(to, verdicts)
}

// inChild runs this program for one case. A panic of the kubelet's code is a verdict too: the kubelet would not live.
func inChild(mode string, one json.RawMessage) json.RawMessage {
	self, err := os.Executable()
	if err != nil {
		fail(err.Error())
	}
	var stdout, stderr bytes.Buffer
	child := exec.Command(self, mode)
	child.Stdin, child.Stdout, child.Stderr = bytes.NewReader(one), &stdout, &stderr
	child.Env = append(os.Environ(), "GOGC=off") // a child lives for milliseconds; collecting garbage costs more than it frees
	if err := child.Run(); err != nil {
		crash, err := json.Marshal(map[string]string{"crash": fmt.Sprintf("%v: %s", err, stderr.String())})
		if err != nil {
			fail(err.Error())
		}
		return crash
	}
	return stdout.Bytes()
}

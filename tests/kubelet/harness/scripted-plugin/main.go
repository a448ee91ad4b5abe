// Command scripted-plugin is a credential provider that does what it is told and writes down how it was run.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// run is the record of one run: everything the kubelet controls.
type run struct {
	Args  []string `json:"args"`
	Env   []string `json:"env"`
	Cwd   string   `json:"cwd"`
	Stdin string   `json:"stdin"`
}

func main() {
	stdout := flag.String("stdout", "", "file with what to print")
	stderr := flag.String("stderr", "", "what to complain")
	status := flag.Int("exit", 0, "exit status")
	record := flag.String("record", "", "file that gets a JSON line of each run")
	awaited := flag.Int("await-runs", 0, "answer only when the record has so many runs")
	deaf := flag.Bool("deaf", false, "close stdin unread")
	echo := flag.Bool("echo-token", false, "answer the request's service account token as the password")
	orphan := flag.Duration("orphan", 0, "leave a child behind that holds stdout for so long")
	orphanMark := flag.String("orphan-mark", "", "file the child makes before it ends")
	flag.Parse()

	var request []byte
	if *deaf {
		os.Stdin.Close()
	} else {
		request = must(io.ReadAll(os.Stdin))
	}
	if *record != "" {
		note(*record, string(request))
	}
	await(*record, *awaited)
	if *stdout != "" {
		os.Stdout.Write(must(os.ReadFile(*stdout)))
	}
	if *echo {
		os.Stdout.Write(echoed(request))
	}
	if *orphan > 0 {
		child := exec.Command("/bin/sh", "-c", "sleep $0; : > $1", strings.TrimSuffix(orphan.String(), "s"), *orphanMark)
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			panic(err)
		}
	}
	io.WriteString(os.Stderr, *stderr)
	os.Exit(*status)
}

func note(path, stdin string) {
	line := must(json.Marshal(run{Args: os.Args, Env: os.Environ(), Cwd: must(os.Getwd()), Stdin: stdin}))
	file := must(os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600))
	must(file.Write(append(line, '\n')))
	if err := file.Close(); err != nil {
		panic(err)
	}
}

// await returns when a record has so many lines; it gives up, with an error, long before the kubelet would.
func await(record string, runs int) {
	for end := time.Now().Add(20 * time.Second); runs > 0; time.Sleep(5 * time.Millisecond) {
		if bytes.Count(must(os.ReadFile(record)), []byte("\n")) >= runs {
			return
		}
		if time.Now().After(end) {
			panic("the other runs did not begin")
		}
	}
}

// echoed is the pass-through that KEP-4412 allows for cacheType Token only.
func echoed(request []byte) []byte {
	var asked struct {
		APIVersion          string
		Image               string
		ServiceAccountToken string
	}
	if err := json.Unmarshal(request, &asked); err != nil {
		panic(err)
	}
	host, _, _ := strings.Cut(asked.Image, "/")
	return must(json.Marshal(map[string]any{
		"kind":          "CredentialProviderResponse",
		"apiVersion":    asked.APIVersion,
		"cacheKeyType":  "Registry",
		"cacheDuration": time.Minute.String(),
		"auth":          map[string]any{host: map[string]string{"username": "token", "password": asked.ServiceAccountToken}},
	}))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

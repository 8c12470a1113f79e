// Command generate prints what rollstep has to know about Go and about the Rollout CRD, as data:
//
//   - fields-PROFILE.json: the structs under corev1.PodTemplateSpec in the order of encoding/json, by reflection from the
//     k8s.io/api that go.mod pins;
//   - rollout-PROFILE.json: the schema of a Rollout's spec, from the CRD of the Argo Rollouts release of the profile.
//
// A profile has a go.mod of its own, as one binary holds one version of k8s.io/api. "go generate" writes all.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
)

//go:generate go run . -profile 1.9 -out ../data
//go:generate go run -modfile=v1.8.mod . -profile 1.8 -out ../data

// Release is an Argo Rollouts release; Sum is its module's checksum, as go.sum has it.
type Release struct{ Version, Sum string }

// releases are those that share the data of a profile: the first one's schema is written, the others' must be equal.
var releases = map[string][]Release{
	"1.9": {
		{"v1.9.1", "h1:+oZciUkeJYVb1vPMOhat4JQlk525j/aT2yizEkVkjLs="},
		{"v1.10.2", "h1:sEPWsY+HUvnXj3Vh0ejb+GDTceQ/palqhFo2FVQJMk0="},
	},
	"1.8": {{"v1.8.4", "h1:yRoN6/mNtb9H2VHhL09ZvF3ZfajerOrKB3EhgIGoz6c="}},
}

func main() {
	log.SetFlags(0)
	profile := flag.String("profile", "1.9", "1.8 or 1.9")
	out := flag.String("out", ".", "folder to write to")
	flag.Parse()
	sharing, found := releases[*profile]
	if !found {
		log.Fatalf("no profile %q", *profile)
	}
	api := module("k8s.io/api")
	write(filepath.Join(*out, "fields-"+*profile+".json"), map[string]any{
		"source": "k8s.io/api " + api + ", corev1.PodTemplateSpec by reflection",
		"types":  structs(),
	})
	schema := rolloutSpec(sharing[0])
	for _, release := range sharing[1:] {
		if !reflect.DeepEqual(rolloutSpec(release), schema) {
			log.Fatalf("the Rollout of %s has another schema than that of %s", release.Version, sharing[0].Version)
		}
	}
	write(filepath.Join(*out, "rollout-"+*profile+".json"), map[string]any{
		"source": "Argo Rollouts " + sharing[0].Version + ", CustomResourceDefinition rollouts.argoproj.io, v1alpha1, spec",
		"schema": schema,
	})
}

// module returns the version of a module that this binary was built with.
func module(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		log.Fatal("no build information: run it with go run")
	}
	for _, dependency := range info.Deps {
		if dependency.Path == path {
			return dependency.Version
		}
	}
	log.Fatalf("%s is not among the dependencies", path)
	return ""
}

// write puts value into a file as JSON with sorted keys, so that the same input makes the same bytes.
func write(path string, value any) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(value); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(path, compact(buffer.Bytes()), 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Println(path)
}

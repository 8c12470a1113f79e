// Command generate prints the schemas of the traffic routers' custom resources as data, one file a project, from the
// CustomResourceDefinitions in the projects' own Go modules. SMI's v1alpha1, which Argo Rollouts writes, has none that
// fits its weights: its schema comes from its Go types. "go generate" writes all.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"sort"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

//go:generate go run . -out ../data

// Source is a Go module at a version, with its checksum as go.sum has it, and where its definitions are.
type Source struct {
	Name, Module, Version, Sum, Licence string
	Files                               []string
}

var sources = []Source{
	{
		"istio", "istio.io/api", "v1.31.4", "h1:AcnncYrlDj1PJkym7h88Gggkef4MAra8QpGaXRMsr+E=", "Apache-2.0",
		[]string{"kubernetes/customresourcedefinitions.gen.yaml"},
	},
	{
		// The experimental channel has every field of the standard one.
		"gateway-api", "sigs.k8s.io/gateway-api", "v1.6.3", "h1:lKpJa5bGlraC/QeACvCpsHLdmO6y0iKfzVl6gzaFEYc=", "Apache-2.0",
		[]string{"config/crd/experimental/*_*.yaml"},
	},
	{
		"traefik", "github.com/traefik/traefik/v3", "v3.7.13", "h1:T8wy9KuaFzCkmXCqAzDy7t73pBDR1DHrJe3pqXpNXTw=", "MIT",
		[]string{"docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml"},
	},
	{
		// What the controller is tested with.
		"argo-rollouts", "github.com/argoproj/argo-rollouts", "v1.9.1", "h1:+oZciUkeJYVb1vPMOhat4JQlk525j/aT2yizEkVkjLs=",
		"Apache-2.0", []string{"test/e2e/crds/apisix.yaml", "test/e2e/crds/split.yaml"},
	},
}

// Kind is a kind of object in the versions that share a schema.
type Kind struct {
	Group    string         `json:"group"`
	Kind     string         `json:"kind"`
	Versions []string       `json:"versions"`
	Schema   map[string]any `json:"schema"`
}

type definition struct {
	Kind string
	Spec struct {
		Group    string
		Names    struct{ Kind string }
		Versions []struct {
			Name   string
			Schema struct{ OpenAPIV3Schema map[string]any }
		}
	}
}

func main() {
	log.SetFlags(0)
	out := flag.String("out", ".", "folder to write to")
	flag.Parse()
	for _, source := range sources {
		write(*out, source, kindsOf(source))
	}
	smi := Source{Name: "smi", Module: "github.com/servicemeshinterface/smi-sdk-go", Version: "v0.5.0", Licence: "Apache-2.0"}
	write(*out, smi, []Kind{trafficSplit()})
}

func kindsOf(source Source) []Kind {
	folder, kinds := download(source), []Kind{}
	for _, pattern := range source.Files {
		paths, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil || len(paths) == 0 {
			log.Fatalf("%s %s has no %s (%v)", source.Module, source.Version, pattern, err)
		}
		for _, path := range paths {
			for _, found := range read(path) {
				kinds = merge(kinds, found)
			}
		}
	}
	return kinds
}

// read returns the definitions in a file.
func read(path string) []definition {
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	decoder := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var found []definition
	for {
		document, err := decoder.Read()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			log.Fatalf("%s: %v", path, err)
		}
		var crd definition
		if err := yaml.Unmarshal(document, &crd); err != nil {
			log.Fatalf("%s: %v", path, err)
		}
		if crd.Kind == "CustomResourceDefinition" {
			found = append(found, crd)
		}
	}
}

// merge adds a definition's kinds; versions with the same schema become one.
func merge(kinds []Kind, crd definition) []Kind {
	first := len(kinds)
	for _, version := range crd.Spec.Versions {
		schema := bare(crd.Spec.Names.Kind, version.Schema.OpenAPIV3Schema)
		if properties, found := schema["properties"].(map[string]any); found {
			delete(properties, "status") // nobody writes it into a file
		}
		index := slices.IndexFunc(kinds[first:], func(kind Kind) bool { return reflect.DeepEqual(kind.Schema, schema) })
		if index < 0 {
			kinds = append(kinds, Kind{crd.Spec.Group, crd.Spec.Names.Kind, []string{version.Name}, schema})
			continue
		}
		kinds[first+index].Versions = append(kinds[first+index].Versions, version.Name)
		sort.Strings(kinds[first+index].Versions)
	}
	return kinds
}

// download returns the folder of a module, which the go command has checked against its own checksums.
func download(source Source) string {
	command := exec.Command("go", "mod", "download", "-json", source.Module+"@"+source.Version)
	command.Stderr = os.Stderr
	answer, err := command.Output()
	if err != nil {
		log.Fatalf("%v: %v", command, err)
	}
	var module struct{ Dir, Sum string }
	if err := json.Unmarshal(answer, &module); err != nil {
		log.Fatal(err)
	}
	if module.Sum != source.Sum {
		log.Fatalf("%s %s: checksum %s, expected %s", source.Module, source.Version, module.Sum, source.Sum)
	}
	return module.Dir
}

// write puts the kinds into a file, one on each line and with sorted keys, so that the same input makes the same bytes.
func write(folder string, source Source, kinds []Kind) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	encode := func(value any) {
		if err := encoder.Encode(value); err != nil {
			log.Fatal(err)
		}
		buffer.Truncate(buffer.Len() - 1)
	}
	buffer.WriteString("{\"source\": ")
	encode(source.Module + " " + source.Version)
	buffer.WriteString(", \"licence\": ")
	encode(source.Licence)
	buffer.WriteString(", \"kinds\": [")
	for index, kind := range kinds {
		if index > 0 {
			buffer.WriteString(",")
		}
		buffer.WriteString("\n")
		encode(kind)
	}
	buffer.WriteString("\n]}\n")
	path := filepath.Join(folder, source.Name+".json")
	if err := os.WriteFile(path, buffer.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Println(path)
}

package main

import (
	"encoding/json"
	"log"
	"os"
	"os/exec"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

const repository = "github.com/argoproj/argo-rollouts"

// facts are the keywords of a schema that decide what the API server takes, drops and fills in.
var facts = []string{
	"type", "format", "default", "enum", "pattern", "required", "nullable", "minimum", "maximum", "exclusiveMinimum",
	"exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties",
	"maxProperties", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type",
	"x-kubernetes-list-map-keys",
}

// nested are keywords that hold schemas; dropped say nothing about a value on its own. anyOf repeats what
// x-kubernetes-int-or-string says; x-kubernetes-validations compares with the object before.
var (
	nested  = []string{"properties", "items", "additionalProperties"}
	dropped = []string{"description", "x-kubernetes-map-type", "anyOf", "x-kubernetes-validations"}
)

// rolloutSpec returns the schema of a Rollout's spec in a release.
func rolloutSpec(release Release) map[string]any {
	text, err := os.ReadFile(filepath.Join(download(release), "manifests", "crds", "rollout-crd.yaml"))
	if err != nil {
		log.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema map[string]any }
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		log.Fatal(err)
	}
	if len(crd.Spec.Versions) != 1 || crd.Spec.Versions[0].Name != "v1alpha1" {
		log.Fatal("the CRD has other versions than v1alpha1")
	}
	root := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	return bare("spec", root["properties"].(map[string]any)["spec"].(map[string]any))
}

// download returns the folder of a release's source, which the go command has checked against its own checksums.
func download(release Release) string {
	command := exec.Command("go", "mod", "download", "-json", repository+"@"+release.Version)
	command.Stderr = os.Stderr
	answer, err := command.Output()
	if err != nil {
		log.Fatalf("%v: %v", command, err)
	}
	var module struct{ Dir, Sum string }
	if err := json.Unmarshal(answer, &module); err != nil {
		log.Fatal(err)
	}
	if module.Sum != release.Sum {
		log.Fatalf("%s %s: checksum %s, expected %s", repository, release.Version, module.Sum, release.Sum)
	}
	return module.Dir
}

// bare returns a schema with the facts alone; a keyword that nobody has thought about ends the program.
func bare(path string, schema map[string]any) map[string]any {
	result := map[string]any{}
	known := map[string]bool{}
	for _, keyword := range facts {
		known[keyword] = true
		if value, found := schema[keyword]; found {
			result[keyword] = value
		}
	}
	for _, keyword := range append(nested, dropped...) {
		known[keyword] = true
	}
	for keyword := range schema {
		if !known[keyword] {
			log.Fatalf("%s: unknown keyword %q", path, keyword)
		}
	}
	if properties, found := schema["properties"].(map[string]any); found {
		inner := map[string]any{}
		for key, value := range properties {
			inner[key] = bare(path+"."+key, value.(map[string]any))
		}
		result["properties"] = inner
	}
	for _, keyword := range nested[1:] {
		if value, found := schema[keyword]; found {
			// Not a schema means true or false, which the CRD has nowhere: the assertion would end the program.
			result[keyword] = bare(path+"."+keyword, value.(map[string]any))
		}
	}
	return result
}

// Reads a Rollout a line and prints what the API server stores of it, its errors, and the fields that it drops.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"sort"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	check(err)
	var crd v1.CustomResourceDefinition
	check(yaml.Unmarshal(text, &crd))
	v1.SetDefaults_CustomResourceDefinition(&crd)
	var props apiextensions.JSONSchemaProps
	check(v1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &props, nil))
	s, err := structural.NewStructural(&props)
	check(err)
	validator, _, err := validation.NewSchemaValidator(&props)
	check(err)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			break
		}
		var object map[string]any
		check(utiljson.Unmarshal(line, &object))
		defaulting.PruneNonNullableNullsWithoutDefaults(object, s)
		defaulting.Default(object, s)
		opts := structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
		unknown := pruning.PruneWithOptions(object, s, true, opts)
		errors := []string{}
		for _, e := range validation.ValidateCustomResource(nil, object, validator) {
			errors = append(errors, e.Error())
		}
		for _, e := range listtype.ValidateListSetsAndMaps(nil, s, object) {
			errors = append(errors, e.Error())
		}
		sort.Strings(errors)
		check(out.Encode(map[string]any{"object": object, "unknown": unknown, "errors": errors}))
	}
}

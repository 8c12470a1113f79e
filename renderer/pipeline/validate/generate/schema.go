package main

import (
	"log"
	"reflect"
	"slices"
	"strings"

	split "github.com/servicemeshinterface/smi-sdk-go/pkg/apis/split/v1alpha1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// facts are the keywords that decide whether a value is taken, single, several and named those that hold schemas.
// dropped say nothing about a value on its own; anyOf under x-kubernetes-int-or-string repeats what that says.
var (
	facts = []string{
		"type", "default", "enum", "pattern", "required", "nullable", "minimum", "maximum", "exclusiveMinimum",
		"exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems",
		"minProperties", "maxProperties", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
		"x-kubernetes-embedded-resource",
	}
	single  = []string{"items", "additionalProperties", "not"}
	several = []string{"allOf", "anyOf", "oneOf"}
	named   = []string{"properties"}
	dropped = []string{
		"description", "format", "title", "example", "x-kubernetes-validations", "x-kubernetes-list-type",
		"x-kubernetes-list-map-keys", "x-kubernetes-map-type",
	}
)

// bare returns a schema with the facts alone; a keyword that nobody has thought about ends the program.
func bare(path string, schema map[string]any) map[string]any {
	result := map[string]any{}
	for keyword, value := range schema {
		switch {
		case slices.Contains(facts, keyword):
			result[keyword] = value
		case slices.Contains(single, keyword):
			inner, found := value.(map[string]any)
			if !found {
				result[keyword] = value
				continue
			}
			result[keyword] = bare(path+"."+keyword, inner)
		case slices.Contains(several, keyword):
			inner := []any{}
			for _, item := range value.([]any) {
				inner = append(inner, bare(path+"."+keyword, item.(map[string]any)))
			}
			result[keyword] = inner
		case slices.Contains(named, keyword):
			inner := map[string]any{}
			for name, item := range value.(map[string]any) {
				inner[name] = bare(path+"."+name, item.(map[string]any))
			}
			result[keyword] = inner
		case !slices.Contains(dropped, keyword):
			log.Fatalf("%s: unknown keyword %q", path, keyword)
		}
	}
	if result["x-kubernetes-int-or-string"] == true {
		delete(result, "anyOf")
	}
	return result
}

// trafficSplit returns the kind that Argo Rollouts writes for SMI. The definition in the SDK has numbers for weights,
// which are quantities in this version.
func trafficSplit() Kind {
	properties := map[string]any{"spec": schemaOf(reflect.TypeFor[split.TrafficSplitSpec]())}
	return Kind{
		split.SchemeGroupVersion.Group, "TrafficSplit", []string{split.SchemeGroupVersion.Version},
		map[string]any{"type": "object", "properties": properties},
	}
}

// schemaOf returns the schema of a Go type as encoding/json reads it.
func schemaOf(t reflect.Type) map[string]any {
	if t == reflect.TypeFor[resource.Quantity]() {
		return map[string]any{"x-kubernetes-int-or-string": true}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Struct:
		properties := map[string]any{}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			properties[name] = schemaOf(t.Field(i).Type)
		}
		return map[string]any{"type": "object", "properties": properties}
	}
	log.Fatalf("%v: a kind that has no schema here", t)
	return nil
}

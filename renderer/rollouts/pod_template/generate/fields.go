package main

import (
	"encoding/json"
	"log"
	"path"
	"reflect"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

var (
	marshaler = reflect.TypeFor[json.Marshaler]()
	leaves    = regexp.MustCompile(`([\[{])\n\s+([^\[\]{}]*[^\s\[\]{}])\n\s+([\]}])`)
	breaks    = regexp.MustCompile(`\n\s+`)
)

// structs returns each struct type by its name with its fields: JSON name, type, and then what its tag says
// (omitempty, omitzero, inline).
func structs() map[string][][]string {
	types := map[string][][]string{}
	name(reflect.TypeFor[corev1.PodTemplateSpec](), types)
	return types
}

// name returns a type as the tables have it and puts the structs that it needs into types. Basic kinds are named by
// their kind, structs by package and name, and what marshals itself has a "!" in front.
func name(t reflect.Type, types map[string][][]string) string {
	if t.Kind() != reflect.Pointer && (t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler)) {
		return "!" + qualified(t)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + name(t.Elem(), types)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + name(t.Elem(), types)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			log.Fatalf("%v: keys that are no strings", t)
		}
		return "map " + name(t.Elem(), types)
	case reflect.Struct:
		if _, known := types[qualified(t)]; !known {
			types[qualified(t)] = nil // A type may hold itself.
			types[qualified(t)] = fields(t, types)
		}
		return qualified(t)
	case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64:
		return t.Kind().String()
	}
	log.Fatalf("%v: a kind that the tables cannot tell", t)
	return ""
}

// qualified returns "core/v1.PodSpec" for a type of k8s.io/api/core/v1.
func qualified(t reflect.Type) string {
	return path.Join(path.Base(path.Dir(t.PkgPath())), path.Base(t.PkgPath())) + "." + t.Name()
}

func fields(t reflect.Type, types map[string][][]string) [][]string {
	rows := [][]string{}
	for i := range t.NumField() {
		field := t.Field(i)
		tag, tagged := field.Tag.Lookup("json")
		if tag == "-" || !field.IsExported() {
			continue
		}
		if !tagged {
			log.Fatalf("%v.%s has no json tag", t, field.Name)
		}
		options := strings.Split(tag, ",")
		row := []string{options[0], name(field.Type, types)}
		for _, option := range options[1:] {
			switch option {
			case "omitempty", "omitzero":
				row = append(row, option)
			case "inline":
			default:
				log.Fatalf("%v.%s: unknown option %q", t, field.Name, option)
			}
		}
		if field.Anonymous && options[0] == "" {
			row = append(row[:2], "inline")
		}
		rows = append(rows, row)
	}
	return rows
}

// compact puts lists and objects that hold no others on one line, so that a change is one line of a diff.
func compact(text []byte) []byte {
	return leaves.ReplaceAllFunc(text, func(leaf []byte) []byte { return breaks.ReplaceAll(leaf, []byte(" ")) })
}

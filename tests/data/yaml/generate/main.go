// Reads a YAML stream a line (a JSON string), and prints it with what Kubernetes makes of it: `[TEXT, [DOCUMENT, ...]]`
// with each document as JSON, or `[TEXT, null]` where it is refused.
//
// The stream is parted as kubectl parts files, and each document becomes JSON as the API server's strict decoder wants
// it: a key that stands twice is an error.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"strings"

	kubernetes "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func main() {
	lines := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var text string
			if err := json.Unmarshal(line, &text); err != nil {
				log.Fatalf("%q: %v", line, err)
			}
			if err := encoder.Encode([]any{text, documents(text)}); err != nil {
				log.Fatal(err)
			}
		}
		if err != nil {
			return
		}
	}
}

// documents returns the JSON of each document that is not empty; nil where one is refused.
func documents(text string) []json.RawMessage {
	result := []json.RawMessage{}
	reader := kubernetes.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return result
		}
		if err != nil {
			return nil
		}
		value, err := toJSON(document)
		if err != nil {
			return nil
		}
		if string(value) != "null" {
			result = append(result, value)
		}
	}
}

// toJSON is yaml.YAMLToJSONStrict, with a panic of the parser as a refusal.
func toJSON(document []byte) (value []byte, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the parser panics")
		}
	}()
	return yaml.YAMLToJSON(document)
}

// Reads an image as a JSON string from each line, and prints it with its parts as the kubelet reads them: their names
// are empty for an image that it refuses.
package main

import (
	"bufio"
	_ "crypto/sha256" // A digest is valid only with its algorithm.
	_ "crypto/sha512"
	"encoding/json"
	"log"
	"os"

	"github.com/distribution/reference"
)

type outcome struct {
	Image  string `json:"image"`
	Name   string `json:"name"`
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// parsed does what ParseImageName of k8s.io/kubernetes/pkg/util/parsers does.
func parsed(image string) outcome {
	found := outcome{Image: image}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return found
	}
	found.Name = named.Name()
	if tagged, ok := named.(reference.Tagged); ok {
		found.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		found.Digest = digested.Digest().String()
	}
	if found.Tag == "" && found.Digest == "" {
		found.Tag = "latest"
	}
	return found
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	output.SetEscapeHTML(false)
	for lines.Scan() {
		var image string
		if err := json.Unmarshal(lines.Bytes(), &image); err != nil {
			log.Fatal(err)
		}
		if err := output.Encode(parsed(image)); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

// Reads a quantity a line (JSON: a string or a number) and prints it with what resource.Quantity marshals, null where it is refused.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/api/resource"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var quantity resource.Quantity
		marshalled := []byte("null")
		if err := json.Unmarshal(lines.Bytes(), &quantity); err == nil {
			marshalled, _ = json.Marshal(quantity)
		}
		fmt.Printf("[%s, %s]\n", lines.Bytes(), marshalled)
	}
}

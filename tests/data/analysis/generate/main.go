// Reads {"result", "kind", "condition"} from each line, and prints the controller's own evaluation: {"value"} or {"error"}.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	"github.com/argoproj/argo-rollouts/utils/evaluate"
)

type line struct {
	Result    any
	Kind      string
	Condition string
}

type outcome struct {
	Value *bool  `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

// typed gives a list of numbers the Go type of a query's values.
func typed(result any, kind string) any {
	if kind != "floats" {
		return result
	}
	floats := []float64{}
	for _, value := range result.([]any) {
		floats = append(floats, value.(float64))
	}
	return floats
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	output := json.NewEncoder(os.Stdout)
	output.SetEscapeHTML(false)
	for lines.Scan() {
		var read line
		if err := json.Unmarshal(lines.Bytes(), &read); err != nil {
			log.Fatal(err)
		}
		value, err := evaluate.EvalCondition(typed(read.Result, read.Kind), read.Condition)
		produced := outcome{Value: &value}
		if err != nil {
			produced = outcome{Error: err.Error()}
		}
		if err := output.Encode(produced); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

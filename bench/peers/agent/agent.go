// Package agent answers a benchmark's requests: a line `OPERATION ARGUMENT…` comes in, the nanoseconds that the operation took go
// out, or `error` and why. Only the operation itself is inside the time.
package agent

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"
)

// Operations are a storage system's, by name. A missing argument is "".
type Operations map[string]func(arguments []string) error

// Serve answers until its input ends.
func Serve(operations Operations) {
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		fmt.Println(answer(operations, strings.Fields(input.Text())))
	}
}

func answer(operations Operations, words []string) string {
	if len(words) == 0 {
		return "error an empty request"
	}
	operation, known := operations[words[0]]
	if !known {
		return "error no such operation: " + words[0]
	}
	start := time.Now()
	err := operation(words[1:])
	elapsed := time.Since(start)
	if err != nil {
		return "error " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	return fmt.Sprint(elapsed.Nanoseconds())
}

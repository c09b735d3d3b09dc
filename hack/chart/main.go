// Command chart writes the chart's README from the comments in its values.yaml. A comment that
// begins with "-- " belongs to the value below it; every value has one, or lies below a map that
// has one.
//
//	go run ./hack/chart
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

const folder = "charts/signstash-proxy"

func main() {
	if err := write(folder); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func write(folder string) error {
	text, err := readme(folder)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "README.md"), text, 0o644)
}

// value is a row of the table.
type value struct{ key, def, text string }

// readme puts the table behind README.head.md.
func readme(folder string) ([]byte, error) {
	head, err := os.ReadFile(filepath.Join(folder, "README.head.md"))
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(filepath.Join(folder, "values.yaml"))
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil {
		return nil, fmt.Errorf("values.yaml: %w", err)
	}
	rows, err := values(doc.Content[0], "")
	if err != nil {
		return nil, fmt.Errorf("values.yaml: %w", err)
	}
	var out bytes.Buffer
	out.WriteString("<!-- made by `make generate` of README.head.md and the comments in values.yaml -->\n\n")
	out.Write(head)
	out.WriteString("\n## Values\n\n| value | default | meaning |\n| --- | --- | --- |\n")
	for _, v := range rows {
		fmt.Fprintf(&out, "| `%s` | `%s` | %s |\n", v.key, v.def, strings.ReplaceAll(v.text, "|", `\|`))
	}
	return out.Bytes(), nil
}

// values lists what has a comment below a map, in its order.
func values(m *yaml.Node, prefix string) ([]value, error) {
	var rows []value
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, v := m.Content[i], m.Content[i+1]
		name := prefix + key.Value
		text, ok := comment(key)
		switch {
		case ok:
			def, err := defaultOf(v)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			rows = append(rows, value{name, def, text})
		case v.Kind == yaml.MappingNode && len(v.Content) > 0:
			below, err := values(v, name+".")
			if err != nil {
				return nil, err
			}
			rows = append(rows, below...)
		default:
			return nil, fmt.Errorf("%s has no comment that begins with \"# -- \"", name)
		}
	}
	return rows, nil
}

// comment is the one above a key, without its marks.
func comment(key *yaml.Node) (string, bool) {
	_, text, ok := strings.Cut("\n"+key.HeadComment, "\n# -- ")
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\n#", "\n")), " "), ok
}

func defaultOf(v *yaml.Node) (string, error) {
	var x any
	if err := v.Decode(&x); err != nil {
		return "", err
	}
	text, err := json.Marshal(x)
	return string(text), err
}

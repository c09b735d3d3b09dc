// Command chart writes the chart's README from README.head.md and the comments in values.yaml. It
// also writes the comments as descriptions into values.schema.json, for editors. A comment that
// begins with "-- " describes the value below it. Every value has such a comment, or lies below a
// map that has one.
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

// generated maps each generated file to the function that returns its content.
var generated = map[string]func(folder string) ([]byte, error){"README.md": readme, "values.schema.json": schema}

func main() {
	if err := write(folder); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func write(folder string) error {
	for name, generate := range generated {
		text, err := generate(folder)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// value is a row of the table of values.
type value struct{ key, def, text string }

// readme returns README.head.md with the table of values after it.
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
	out.WriteString("<!-- written by `make generate` from README.head.md and the comments in values.yaml -->\n\n")
	out.Write(head)
	out.WriteString("\n## Values\n\n| value | default | meaning |\n| --- | --- | --- |\n")
	for _, v := range rows {
		fmt.Fprintf(&out, "| `%s` | `%s` | %s |\n", v.key, v.def, strings.ReplaceAll(v.text, "|", `\|`))
	}
	return out.Bytes(), nil
}

// values lists the values with a comment below m, in the order of the file.
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

// comment returns the description above a key, without its marks. ok is false if there is none.
func comment(key *yaml.Node) (text string, ok bool) {
	_, text, ok = strings.Cut("\n"+key.HeadComment, "\n# -- ")
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

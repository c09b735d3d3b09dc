package config

import (
	"fmt"
	"strings"
)

// helpWidth is the width of help lines in columns. It fits most terminals; only the longest names
// of settings exceed it.
const helpWidth = 100

// Help returns the text of --help.
func Help(program string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `%[1]s signs documents on your own premises: only digests are sent to the remote key.

Usage: %[1]s [--name=value ...]

Every setting is a flag, an environment variable (its name is beside it) or a key of the YAML file named by --config;
the first of these wins. An empty value counts as not given.

  --help           Print this text.
  --version        Print the version.
  --check-config   Check all settings and the files that they name, as a start does, and report all
                   problems. It opens no port, uses no network and leaves the state folder alone.
`, program)
	group := ""
	for _, s := range Settings() {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, "\n%s\n", group)
		}
		fmt.Fprintf(&b, "\n  --%s=%s\n", s.Name, s.Form)
		fmt.Fprintf(&b, "      %s\n", s.Env())
		for _, line := range wrap(s.Help, helpWidth-6) {
			fmt.Fprintf(&b, "      %s\n", line)
		}
		if s.Default != "" {
			fmt.Fprintf(&b, "      Default: %s\n", s.Default)
		}
	}
	b.WriteString(`
Exit codes: 0 stopped on request, 1 failed while starting or running, 2 the configuration has mistakes.
With --check-config: 0 the configuration is valid, 1 it is not.
`)
	return b.String()
}

// Reference returns every setting as Markdown tables, one for each group, for README.md.
func Reference() string {
	var b strings.Builder
	group := ""
	for _, s := range Settings() {
		if s.Group != group {
			if group != "" {
				b.WriteString("\n")
			}
			group = s.Group
			fmt.Fprintf(&b, "### %s\n\n| setting | default | meaning |\n| --- | --- | --- |\n", group)
		}
		def := "not set"
		if s.Default != "" {
			def = cell(s.Default)
		}
		fmt.Fprintf(&b, "| `--%s=%s`<br>`%s` | %s | %s |\n", s.Name, cell(s.Form), s.Env(), def, cell(s.Help))
	}
	return b.String()
}

// cell escapes the characters that would end a table cell.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// wrap breaks text at blanks into lines of at most width bytes. A longer word gets a line of its
// own.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

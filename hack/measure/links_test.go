package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const top = "../.."

// link matches an inline link or a picture in Markdown.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks checks every relative link of every Markdown file: the file must exist, and it must
// have the heading.
func TestLinks(t *testing.T) {
	checked := 0
	for _, path := range markdown(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(withoutCode(string(text)), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			checked++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if problem := missing(target, anchor); problem != "" {
				t.Errorf("%s: link to %s: %s", path, m[1], problem)
			}
		}
	}
	if checked == 0 {
		t.Error("no link was found")
	}
}

// markdown returns the paths of all Markdown files of the repository.
func markdown(t *testing.T) []string {
	var found []string
	err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && slices.Contains([]string{".git", "bin", "out", "work", "testdata"}, e.Name()) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			found = append(found, path)
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("no Markdown files: %v", err)
	}
	return found
}

// code matches fenced and inline code, in which Markdown has no links.
var code = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")

func withoutCode(text string) string { return code.ReplaceAllString(text, "") }

// missing returns why the target of a link does not exist, or "" if it exists.
func missing(target, anchor string) string {
	info, err := os.Stat(target)
	if err != nil {
		return "no such file"
	}
	if anchor == "" {
		return ""
	}
	if info.IsDir() {
		return "a folder has no headings"
	}
	text, err := os.ReadFile(target)
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(text)) {
		if heading := strings.TrimLeft(line, "#"); heading != line && anchorOf(heading) == anchor {
			return ""
		}
	}
	return "no such heading"
}

// anchorOf returns the anchor that code hosts derive from a heading: lower case, hyphens for
// blanks, no punctuation.
func anchorOf(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
			return r
		}
		return -1
	}, strings.ToLower(strings.TrimSpace(heading)))
}

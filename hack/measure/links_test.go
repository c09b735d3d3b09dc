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

// link is an inline link of Markdown, or a picture.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks follows every link of a Markdown file that stays in the repository: the file must be
// there, and have the heading.
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

// code is what Markdown does not read for links: fenced and inline code.
var code = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")

func withoutCode(text string) string { return code.ReplaceAllString(text, "") }

// missing says why a link leads nowhere; empty = it leads somewhere.
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

// anchorOf is the anchor that forges make of a heading: lower case, blanks as hyphens, punctuation left out.
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
